"""Calls that are dissolved: which are tried, and that those left out would bring nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from archdsl.ir.elaborate import elaborate
from archdsl.ir.graph import Graph, Invoke, Program
from archdsl.passes import inline as module
from archdsl.passes.device import CPU
from archdsl.passes.driver import ACROSS, PIPELINE
from archdsl.passes.facts import Modules
from archdsl.passes.inline import inline
from archdsl.passes.prune import prune
from archdsl.passes.step import Pass
from archdsl.syntax.parse import parse
from tests.random_programs import network
from tests.shipped import shipped

FIRING = (4, 30, 43, 61, 95)
"""Random networks in which something is dissolved, among other uses or alone."""


def test_passes_are_tried_in_the_order_of_the_pipeline() -> None:
    assert [step for step in PIPELINE if step in ACROSS] == list(ACROSS)
    place = [step.name for step in PIPELINE].index("inline")
    assert all(step in PIPELINE[place + 1 :] for step in ACROSS)


@pytest.mark.parametrize("name", ["vit_b_16", "squeezenet1_1", "metaformer_nas", "darts_cifar"])
def test_nothing_is_tried_where_nothing_meets(name: str) -> None:
    space = shipped(name)
    program = space.resolve(space.sample(Random(1)))
    assert any(isinstance(node.kind, Invoke) for node in program.net.nodes)
    assert dissolved(program, tuple(map(never, ACROSS))) == []


@pytest.mark.parametrize("number", FIRING)
def test_what_does_not_meet_brings_nothing(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    program = elaborate(parse(network(number), "random").spaces[0])
    found = dissolved(program, ACROSS)

    def all_uses(
        graph: Graph, modules: Any, order: Any, uses: Collection[int], *_: Any
    ) -> set[int]:
        return set(uses)

    monkeypatch.setattr(module, "meeting", all_uses)
    assert found
    assert dissolved(program, ACROSS) == found


def never(step: Pass) -> Pass:
    """A pass that must not run."""

    def run(*given: object) -> Any:
        raise AssertionError(f"{step.name} was tried")

    return replace(step, run=run)


def dissolved(program: Program, across: tuple[Pass, ...]) -> list[tuple[str, ...]]:
    """The uses that are dissolved in any module, after `prune`."""
    modules = Modules()
    found: list[tuple[str, ...]] = []
    for key, graph in program.modules.items():
        rewrite = inline(prune(graph, modules).graph, modules, CPU, across)
        modules[key] = rewrite.graph
        found += rewrite.inlined
    return found
