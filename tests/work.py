"""A search with workers, in a process that tests can kill.

python -m tests.work FOLDER EVALUATOR WORKERS BUDGET BATCH
"""

from __future__ import annotations

import sys
from pathlib import Path

from archdsl.run import workers
from archdsl.run.explore import How, explore
from archdsl.run.settings import ExploreSettings
from tests.shipped import written
from tests.test_explore import TEXT

if __name__ == "__main__":
    workers.BEAT = 0.2
    folder, evaluator, processes, budget, batch = sys.argv[1:]
    given = ExploreSettings(
        controller="evolution(population=8, sample=3)",
        evaluator=evaluator,
        budget=int(budget),
        batch=int(batch),
    )
    explore(
        written(TEXT), out=Path(folder), settings=given, how=How(workers=int(processes)), quiet=True
    )
