"""Spaces to generate code for, small enough to run. Nothing here imports torch."""

from __future__ import annotations

from pathlib import Path

from archdsl.space.view import SearchSpace
from tests.shipped import shipped, written

ROOT = Path(__file__).resolve().parent.parent
CASES = ROOT / "tests" / "cases" / "codegen"
SMALL = {
    "size": 32,
    "patch": 2,
    "stem_width": 4,
    "width1": 8,
    "width2": 8,
    "width3": 12,
    "width4": 16,
    "depth3": 3,
}


def case(name: str) -> SearchSpace:
    return written((CASES / f"{name}.arch").read_text(encoding="utf-8"))


SPACES = {
    "nb201": lambda: shipped("nas_bench_201", cells=2, width=4, size=8),
    "paper": lambda: shipped("metaformer_nas", **SMALL),
    "paper7": lambda: shipped("metaformer_nas", **SMALL, nodes=7, edge="linear", entry=False),
    "intended": lambda: shipped("metaformer_nas", **SMALL, nodes=5, semantics="as_intended"),
    "released": lambda: shipped("metaformer_nas", **SMALL, semantics="as_released"),
    **{path.stem: lambda name=path.stem: case(name) for path in sorted(CASES.glob("*.arch"))},
}
