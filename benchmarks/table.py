"""Tables of measurements: written as Markdown for people and as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"

Row = Mapping[str, str | int | float]


def median_seconds(
    work: Callable[[], object], runs: int = 5, clock: Callable[[], float] = time.perf_counter
) -> float:
    """The median time of a call, after one that is not counted: on the wall, or as `clock` says."""
    work()
    times = []
    for _ in range(runs):
        start = clock()
        work()
        times.append(clock() - start)
    return statistics.median(times)


def machine() -> dict[str, str]:
    """What the figures depend on."""
    packages = {}
    for package in ("torch", "lark", "black", "typer"):
        try:
            packages[package] = version(package)
        except PackageNotFoundError:
            packages[package] = "absent"
    return {
        "processor": f"{platform.machine()} {_vectors()}".strip(),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        **packages,
    }


def _vectors() -> str:
    """The widest vectors of the processor, on which kernels depend more than on its clock."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
    return next((name.upper() for name in ("avx512f", "avx2") if name in flags), "")


def write(name: str, title: str, command: str, rows: Sequence[Row], notes: Sequence[str]) -> None:
    """Write results/NAME.md and results/NAME.json, and print the table."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    lines = [
        f"# {title}",
        "",
        f"`{command}` on {', '.join(f'{k} {v}' for k, v in machine().items())}.",
        "",
        "| " + " | ".join(columns) + " |",
        "|" + "---|" * len(columns),
        *(
            "| " + " | ".join(_cell(row.get(column, "")) for column in columns) + " |"
            for row in rows
        ),
        *(f"\n{note}" for note in notes),
    ]
    RESULTS.mkdir(exist_ok=True)
    text = "\n".join(lines) + "\n"
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    record = {"title": title, "command": command, "machine": machine(), "rows": list(rows)}
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(text)


def _cell(value: str | int | float) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else value
