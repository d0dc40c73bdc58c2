"""Programs compared by running them: what passes made of a network, against the network.

The reference is written by `plain.py`, which knows nothing of layouts and classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from archdsl.ir.graph import Apply, Node, Program
from archdsl.load import batch_of
from archdsl.ops.base import Operation
from archdsl.passes.driver import Optimised
from archdsl.verify.equal import (
    Comparison,
    Subject,
    Tensors,
    WeightsDoNotFit,
    randomise,
)
from archdsl.verify.onednn import onednn_where_safe
from archdsl.verify.plain import plain_network
from archdsl.verify.verdict import Row, Verdict

Build = Callable[[Program], nn.Module]
OPTIMISED = "optimised network"
DEPLOYED = "deployed network"


def smooth(program: Program) -> Program:
    """Operations with kinks give way to smooth ones: a rounding error then flips nothing."""
    return _exchange(program, lambda operation: operation.smooth())


def still(program: Program) -> Program:
    """The program without chance: dropout drops nothing, so that networks can be compared."""
    return _exchange(program, lambda operation: operation.still())


def _exchange(program: Program, change: Callable[[Operation], Operation]) -> Program:
    """The program with other operations; itself where none changes."""

    def exchanged(node: Node) -> Node:
        match node.kind:
            case Apply(operation, when):
                return replace(node, kind=Apply(change(operation), when))
            case _:
                return node

    modules = {
        key: replace(graph, nodes=tuple(exchanged(node) for node in graph.nodes))
        for key, graph in program.modules.items()
    }
    return program if modules == program.modules else replace(program, modules=modules)


def verify_optimised(
    program: Program,
    optimised: Optimised,
    *,
    seed: int = 0,
    batch: int = 2,
    steps: bool = True,
    build: Build = plain_network,
) -> Verdict:
    """Whether what passes made of a network is that network."""
    return verdict(
        program, program.genotype, [optimised_subject(optimised, build)], seed, batch, steps
    )


def generated(name: str, program: Program, build: Build) -> Subject:
    program = still(program)
    module, rounded = build(program), smooth(program)
    return Subject(name, module, smooth=module if rounded is program else build(rounded))


def optimised_subject(optimised: Optimised, build: Build) -> Subject:
    subject = generated(OPTIMISED, optimised.program, build)
    weights, deployed = optimised.weights, optimised.program.deployed
    return replace(
        subject,
        carry=(lambda state: weights.forward(_exact(state))) if deployed else weights.forward,
        agree=weights.agree,
        dropped=weights.dropped,
        evaluates=deployed,
    )


def deployed_subject(deployed: Optimised, build: Build) -> Subject:
    """A network of level 2 beside others: what it has no use for is alive in them."""
    return replace(optimised_subject(deployed, build), name=DEPLOYED, dropped=())


def _exact(state: Tensors) -> Tensors:
    """Weights in float64, so that what is computed of them is rounded once, when it is loaded."""
    return {n: t.double() if t.is_floating_point() else t for n, t in state.items()}


def verdict(
    program: Program,
    name: str,
    subjects: list[Subject],
    seed: int,
    batch: int,
    steps: bool,
    plain: Subject | None = None,
) -> Verdict:
    with onednn_where_safe(program):
        reference = generated("reference", program, plain_network)
        generator = torch.Generator().manual_seed(seed)
        randomise(reference.module, generator)
        state: Tensors = {n: t.clone() for n, t in reference.module.state_dict().items()}
        for subject in subjects:
            state = state if subject.shared is None else {**state, **subject.shared.give()}
        for subject in subjects:
            state = subject.agree(state)
        inputs = batch_of(program, batch, generator)
        dead = frozenset(name for subject in subjects for name in subject.dropped)
        comparison = Comparison(reference, plain or reference, state, inputs, dead)
        rows: list[Row] = []
        for subject in subjects:
            try:
                rows += _rows(comparison, subject, steps)
            except WeightsDoNotFit as problem:
                rows.append(Row(subject.name, f"weights ({problem})", float("inf"), 0.0))
        return Verdict(name, tuple(rows))


def _rows(comparison: Comparison, subject: Subject, steps: bool) -> list[Row]:
    if subject.evaluates:
        return [*comparison.evaluation(subject)]
    rows = [*comparison.float64(subject)]
    if subject is not comparison.plain:
        rows += comparison.float32(subject)
    if steps and subject.name == OPTIMISED:
        rows += comparison.steps(subject)
    return rows
