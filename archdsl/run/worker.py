"""A worker of a search: leases rows of its ledger, measures them and tells what came of it.

    python -m archdsl.run.worker FOLDER NAME BEAT

It ends when its driver says so ("stop" on standard input, after the row at hand), and at once when
standard input ends: its driver is gone then, however that happened.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from archdsl.run.judge import Judge
from archdsl.run.leases import open_leased
from archdsl.run.settings import explored

PAUSE = 0.01
"""Seconds until a worker looks again for a row that nobody has."""


def main() -> None:
    folder, name, beat = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's business
    stopping = threading.Event()
    threading.Thread(target=_listen, args=(stopping,), daemon=True).start()
    judge = Judge(*explored(folder)).keep_in(folder)
    path = folder / "ledger.sqlite"
    threading.Thread(target=_beat, args=(path, name, beat), daemon=True).start()
    with open_leased(path) as ledger:
        while not stopping.is_set():
            entry = ledger.take(name, 2 * beat)
            if entry is None:
                time.sleep(PAUSE)
                continue
            judged = judge(entry.text, entry.step, entry.epoch)
            ledger.complete(name, entry.step, judged.reward, judged.detail)


def _listen(stopping: threading.Event) -> None:
    """Note that no more rows are wanted; end where nobody is left to want any."""
    for line in sys.stdin:
        if line.strip() == "stop":
            stopping.set()
    if os.getsid(0) == os.getpid():  # the driver started it so: what it started itself ends too
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _beat(path: Path, name: str, beat: float) -> None:
    """Keep what is leased, from a thread of its own: measuring may take long."""
    with open_leased(path) as ledger:
        while True:
            time.sleep(beat)
            ledger.beat(name, 2 * beat)


if __name__ == "__main__":
    main()
