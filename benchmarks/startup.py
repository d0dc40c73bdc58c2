"""How long a command takes on one string, whole process, beside bare imports.

python -m benchmarks.startup
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from archdsl.resources import shipped_space
from benchmarks.table import Row, write

RUNS = 10
STRING = "nas_bench_201/infer[nor_conv_3x3; none skip_connect; nor_conv_1x1 none avg_pool_3x3]"
OTHER = "nas_bench_201/infer[nor_conv_3x3; none skip_connect; none none avg_pool_3x3]"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        # Modules compiled once, as in any installation, whatever this environment forbids.
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = str(Path(folder) / "compiled")
        file = Path(folder) / "space.arch"
        file.write_text(shipped_space("nas_bench_201") or "", encoding="utf-8")
        bare = ["-c", "import typer, lark"]
        commands = {
            "python -c 'import typer, lark'": bare,
            "archdsl --help": ["-m", "archdsl", "--help"],
            "archdsl check STRING": ["-m", "archdsl", "check", STRING],
            "archdsl fmt --check FILE": ["-m", "archdsl", "fmt", "--check", str(file)],
            "archdsl cost STRING": ["-m", "archdsl", "cost", STRING],
            "archdsl id STRING": ["-m", "archdsl", "id", STRING],
            "archdsl diff STRING STRING": ["-m", "archdsl", "diff", STRING, OTHER],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for turn in range(RUNS + 1):
            for name, arguments in commands.items():
                seconds = _seconds(arguments, environment)
                if turn:
                    times[name].append(seconds)
    reference = statistics.median(times["python -c 'import typer, lark'"])
    rows: list[Row] = [
        {
            "command": name,
            "median s": statistics.median(found),
            "least s": min(found),
            "most s": max(found),
            "ratio to bare imports": statistics.median(found) / reference,
        }
        for name, found in times.items()
    ]
    write(
        "startup",
        "Commands on text: seconds for the whole process",
        "python -m benchmarks.startup",
        rows,
        [f"Medians of {RUNS} runs, the commands in turn; the bound is 0.3 s each."],
    )


def _seconds(arguments: list[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
