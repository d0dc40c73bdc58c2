"""Commands on text answer at once: how long they take, and what they must not import."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

import pytest

A = "nas_bench_201/infer[skip_connect; avg_pool_3x3 none; nor_conv_1x1 none nor_conv_3x3]"
B = "nas_bench_201/infer[nor_conv_3x3; none none; nor_conv_1x1 none nor_conv_3x3]"

COMMANDS = {
    "--help": ["--help"],
    "check": ["check", A],
    "fmt": ["fmt", A],
    "cost": ["cost", A],
    "id": ["id", A],
    "diff": ["diff", A, B],
}
OTHERS = {
    "spaces": ["spaces"],
    "sample": ["sample", "nas_bench_201"],
    "show": ["show", A],
    "explain": ["explain", "E0201"],
    "convert": ["convert", A, "--to", "nb201"],
    "compile": ["compile", A, "--emit", "code"],
    "wrong": ["check", "nonsense["],
    "search --help": ["search", "--help"],
}
HEAVY = ("torch", "numpy", "torchvision", "safetensors", "sklearn", "scipy", "networkx")
LATE = ("black", "jinja2", "rich", "pydantic")
"""Not for commands of COMMANDS: each takes as long to import as they may run."""

LOADED = (
    "import atexit, sys;"
    "atexit.register(lambda: print(*sys.modules, file=sys.stderr));"
    "from archdsl.cli.main import main; main()"
)


def loaded(arguments: list[str]) -> set[str]:
    """The modules a command has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, timeout=60
    )
    return {name.partition(".")[0] for name in done.stderr.splitlines()[-1].split()}


@pytest.mark.parametrize("name", [*COMMANDS, *OTHERS])
def test_text_commands_import_no_tensor_library(name):
    modules = loaded((COMMANDS | OTHERS)[name])
    assert "archdsl" in modules
    assert not modules & set(HEAVY)
    if name in COMMANDS:
        assert not modules & set(LATE)


BOUND = 0.3  # seconds, on a machine with nothing else to do; benchmarks take ten runs


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """An environment in which modules are compiled once, as in any installation."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return environment | {"PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("compiled"))}


def seconds(arguments: list[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, timeout=60, check=True
    )
    return time.perf_counter() - start


def test_text_commands_start_fast(compiled):
    """Against a bare import of typer and lark, so that a busy machine does not fail the test."""
    rows = {"import typer, lark": ["-c", "import typer, lark"]}
    rows |= {name: ["-m", "archdsl", *arguments] for name, arguments in COMMANDS.items()}
    times: dict[str, list[float]] = {name: [] for name in rows}
    for turn in range(6):
        for name, arguments in rows.items():
            spent = seconds(arguments, compiled)
            if turn:  # the first compiles
                times[name].append(spent)
    medians = {name: statistics.median(found) for name, found in times.items()}
    table = "\n".join(f"{name:<20} {1000 * spent:4.0f} ms" for name, spent in medians.items())
    print(table)
    bare = medians.pop("import typer, lark")
    allowed = max(2 * BOUND, 6 * bare)  # the bound itself is benchmarks/startup.py's to show
    assert all(spent <= allowed for spent in medians.values()), table
