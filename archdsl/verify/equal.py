"""The rule by which two networks are the same function, applied by running both.

float64: outputs and gradients differ by at most 1e-12 of the largest output or gradient.
float32: the distance to the float64 reference (the maximum for outputs, L2 for gradients) is at
most 4 times that of the plain network, plus 1e-6.
A missing gradient counts as zero. Every comparison is made in training and in evaluation, and
statistics that training updates are compared too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from archdsl.passes.shares import Shares
from archdsl.passes.weights import UnequalBuffers
from archdsl.verify.verdict import Row

EXACT = 1e-12
STEPS = 1e-9
"""What five optimiser steps may make of rounding errors, relative to the largest weight."""
FACTOR = 4
FLOOR = 1e-6


class WeightsDoNotFit(Exception):
    """A network's weights are not those of the reference, carried over."""


Tensors = Mapping[str, Tensor]
Carry = Callable[[Tensors], dict[str, Tensor]]


def keep(tensors: Tensors) -> dict[str, Tensor]:
    """Weights carried by name."""
    return dict(tensors)


Inputs = tuple[Tensor, ...]
"""What a network is called with: quantities, or indices, which no precision concerns."""

Result = Tensor | tuple[Tensor, ...]


def call(module: nn.Module, *inputs: Tensor) -> Result:
    result: Result = module(*inputs)
    return result


def cast(inputs: Inputs, dtype: torch.dtype) -> Inputs:
    """Quantities in a precision; indices as they are."""
    return tuple(x.to(dtype) if x.is_floating_point() else x for x in inputs)


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A network to be compared with the reference.

    `carry` turns tensors under the reference's names into those under its own; what a module
    has beyond them must not matter. `agree` makes those of the reference equal that become one.
    `shared`: its weights hold those of the reference as parts, so it has weights first.
    `evaluates`: it does not train. `smooth` is the same network without kinks (SiLU for ReLU), on
    which float32 gradients are compared.
    """

    name: str
    module: nn.Module
    carry: Carry = keep
    shared: Shared | None = None
    agree: Carry = keep
    call: Callable[..., Result] = call
    smooth: nn.Module | None = None
    dropped: tuple[str, ...] = ()
    evaluates: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Shared:
    """A supernet's weights, of which those of the reference are parts or are computed."""

    shares: Shares
    state: Tensors

    def give(self) -> dict[str, Tensor]:
        """The reference's weights."""
        return self.shares.forward(self.state)

    def carry(self, tensors: Tensors) -> dict[str, Tensor]:
        """The supernet's weights, with those of the reference in their places."""
        return self.shares.put(tensors, self.state)

    def pull(self, gradients: Tensors) -> dict[str, Tensor]:
        """Gradients of the supernet's weights from those of their parts; the rest is zero."""
        state = {
            name: tensor.detach().clone().requires_grad_(tensor.is_floating_point())
            for name, tensor in self.state.items()
        }
        parts = self.shares.forward(state)
        names = [name for name in gradients if name in parts]
        sources = {n: t for n, t in state.items() if t.requires_grad}
        found = torch.autograd.grad(
            [parts[name] for name in names],
            list(sources.values()),
            [gradients[name].to(parts[name]) for name in names],
            allow_unused=True,
        )
        given: tuple[Tensor | None, ...] = found
        return {n: g for n, g in zip(sources, given, strict=True) if g is not None}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one pass forward and backward gave."""

    outputs: Tensor
    gradients: dict[str, Tensor] = field(default_factory=dict)
    buffers: dict[str, Tensor] = field(default_factory=dict)


INPUT = "(input)"
"""What a gradient of an input is called, with its number behind it."""


def randomise(module: nn.Module, generator: torch.Generator) -> None:
    """Every weight of sensible size: layer scales of 1e-5 would hide what they scale."""
    state = module.state_dict()
    for name, tensor in sorted(state.items()):
        if not tensor.is_floating_point():
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith("running_var"):
            value = 0.5 + noise.abs()
        elif tensor.dim() <= 1 or tensor.numel() == tensor.shape[0]:
            value = (1.0 if name.endswith("weight") else 0.0) + 0.5 * noise
        else:
            value = noise * (tensor.shape[0] / tensor.numel()) ** 0.5
        tensor.copy_(value)


def load(subject: Subject, module: nn.Module, state: Tensors, dtype: torch.dtype) -> None:
    """Give a module the reference's weights, in a precision; what they do not name stays."""
    module.to(dtype)
    try:
        _, unexpected = module.load_state_dict(subject.carry(state), strict=False)
    except (RuntimeError, KeyError) as problem:
        raise WeightsDoNotFit(f"{subject.name}: {problem}") from problem
    if unexpected:
        raise WeightsDoNotFit(f"{subject.name} has no {', '.join(sorted(unexpected)[:3])}")


def run(subject: Subject, module: nn.Module, inputs: Inputs, train: bool) -> Outcome:
    """Forward, and backward from a fixed mixture of all outputs; for inference forward alone."""
    module.train(train)
    inputs = tuple(x.detach().requires_grad_(x.is_floating_point()) for x in inputs)
    result = subject.call(module, *inputs)
    parts = (result,) if isinstance(result, Tensor) else result
    outputs = torch.cat([part.flatten() for part in parts])
    found = {} if subject.evaluates else gradients(module, inputs, outputs)
    state = module.state_dict().keys()
    buffers = {n: b.detach().clone().double() for n, b in module.named_buffers() if n in state}
    return Outcome(outputs.detach(), found, buffers)


def gradients(module: nn.Module, inputs: Inputs, outputs: Tensor) -> dict[str, Tensor]:
    """Gradients of all parameters and inputs; those that are missing are zero."""
    given = {f"{INPUT}{i}": x for i, x in enumerate(inputs) if x.requires_grad}
    names = [*given, *(name for name, _ in module.named_parameters())]
    tensors = [*given.values(), *module.parameters()]
    if not outputs.requires_grad:
        return {name: torch.zeros_like(t) for name, t in zip(names, tensors, strict=True)}
    mixture = torch.sin(torch.arange(1, outputs.numel() + 1, dtype=torch.float64))
    loss = (outputs * mixture.to(outputs)).sum()
    found: tuple[Tensor | None, ...] = torch.autograd.grad(loss, tensors, allow_unused=True)
    return {
        name: torch.zeros_like(tensor) if gradient is None else gradient
        for name, tensor, gradient in zip(names, tensors, found, strict=True)
    }


def largest(tensors: Iterable[Tensor]) -> float:
    """The largest of all numbers by size; no number where one of them is none."""
    found = [t.abs().max().double() for t in tensors if t.numel()]
    return torch.stack(found).max().item() if found else 0.0


def farthest(found: Tensors, expected: Tensors) -> float:
    """The largest difference; what is not expected must be zero, what is not found is a miss."""
    if expected.keys() - found.keys():
        return float("inf")
    return largest(found[n] - expected[n] if n in expected else found[n] for n in found)


def distance(found: Tensors, expected: Tensors) -> float:
    """The L2 distance over all tensors, in float64."""
    squares = (
        float(((found[name].double() - expected[name].double()) ** 2).sum()) for name in expected
    )
    return math.sqrt(sum(squares))


def carried_gradients(subject: Subject, found: Tensors) -> dict[str, Tensor]:
    """The reference's gradients under the subject's names; the inputs' have none to change."""
    inputs = {name: tensor for name, tensor in found.items() if name.startswith(INPUT)}
    parameters = {name: tensor for name, tensor in found.items() if name not in inputs}
    pull = subject.carry if subject.shared is None else subject.shared.pull
    return {**inputs, **pull(parameters)}


@dataclass(slots=True, eq=False)
class Comparison:
    """One reference, with one set of weights and inputs, that subjects are held against.

    `plain` is the network whose own rounding errors set the measure in float32. `dead` are
    weights without effect on any output: whether their statistics are kept up is open.
    """

    reference: Subject
    plain: Subject
    state: Tensors
    inputs: Inputs
    dead: frozenset[str] = frozenset()
    _known: dict[tuple[object, ...], Outcome] = field(default_factory=dict)
    _loaded: dict[int, torch.dtype | None] = field(default_factory=dict)

    def outcome(
        self, subject: Subject, dtype: torch.dtype, train: bool, rounded: bool = False
    ) -> Outcome:
        """What a subject gives; `rounded`: its smooth form. Shared outcomes are kept."""
        module = (subject.smooth or subject.module) if rounded else subject.module
        shared = subject is self.reference or subject is self.plain
        key = (id(module), dtype, train)
        if key in self._known:
            return self._known[key]
        if self._loaded.get(id(module)) != dtype:
            load(subject, module, self.state, dtype)
        self._loaded[id(module)] = None if train else dtype  # training changes statistics
        result = run(subject, module, cast(self.inputs, dtype), train)
        if shared:
            self._known[key] = result
        return result

    def float64(self, subject: Subject) -> Iterator[Row]:
        """Outputs, gradients and statistics, in evaluation and in training."""
        for train in (False, True):
            mode = "train" if train else "eval"
            expected = self.outcome(self.reference, torch.float64, train)
            found = self.outcome(subject, torch.float64, train)
            apart = _apart(found.outputs, expected.outputs)
            allowed = EXACT * largest([expected.outputs])
            yield Row(subject.name, f"outputs, {mode}, float64", apart, allowed)
            allowed = EXACT * largest(expected.gradients.values())
            carried = carried_gradients(subject, expected.gradients)
            apart = farthest(found.gradients, carried)
            yield Row(subject.name, f"gradients, {mode}, float64", apart, allowed)
            gone = [expected.gradients[n] for n in subject.dropped if n in expected.gradients]
            yield Row(
                subject.name, f"gradients of what was dropped, {mode}", largest(gone), allowed
            )
            if train:
                yield self._statistics(subject, expected, found)

    def evaluation(self, subject: Subject) -> Iterator[Row]:
        """Outputs in evaluation, in float64 and in float32 beside the plain network's."""
        exact = self.outcome(self.reference, torch.float64, False).outputs
        apart = _apart(self.outcome(subject, torch.float64, False).outputs, exact)
        yield Row(subject.name, "outputs, eval, float64", apart, EXACT * largest([exact]))
        own, apart = (
            _apart(self.outcome(s, torch.float32, False).outputs, exact)
            for s in (self.plain, subject)
        )
        allowed = FACTOR * own + FLOOR * max(1.0, largest([exact]))
        yield Row(subject.name, "outputs, eval, float32", apart, allowed)

    def _statistics(self, subject: Subject, expected: Outcome, found: Outcome) -> Row:
        """Running statistics after one batch; those of other paths of a supernet stay out."""
        allowed = EXACT * max(largest(expected.buffers.values()), 1)
        check = "statistics after training, float64"
        try:
            live = {n: b for n, b in expected.buffers.items() if n not in self.dead}
            if subject.shared is not None:
                parts = subject.shared.shares.forward(found.buffers)
                apart = farthest({n: parts[n] for n in live if n in parts}, live)
                return Row(subject.name, check, apart, allowed)
            carried = subject.carry(live)
        except UnequalBuffers:
            return Row(subject.name, check, float("inf"), allowed)
        apart = farthest({n: found.buffers[n] for n in carried if n in found.buffers}, carried)
        return Row(subject.name, check, apart, allowed)

    def float32(self, subject: Subject) -> Iterator[Row]:
        """Distances to the float64 reference, beside those of the plain network."""
        for train in (False, True):
            mode = "train" if train else "eval"
            exact = self.outcome(self.reference, torch.float64, train).outputs
            own, apart = (
                _apart(self.outcome(s, torch.float32, train).outputs, exact)
                for s in (self.plain, subject)
            )
            allowed = FACTOR * own + FLOOR * max(1.0, largest([exact]))
            yield Row(subject.name, f"outputs, {mode}, float32", apart, allowed)
            wanted = self.outcome(self.reference, torch.float64, train, True).gradients
            own, apart = (
                distance(
                    self.outcome(s, torch.float32, train, True).gradients,
                    carried_gradients(s, wanted),
                )
                for s in (self.plain, subject)
            )
            size = distance(wanted, {name: torch.zeros_like(t) for name, t in wanted.items()})
            allowed = FACTOR * own + FLOOR * max(1.0, size)
            yield Row(subject.name, f"gradients, {mode}, float32", apart, allowed)

    def steps(self, subject: Subject, steps: int = 5) -> Iterator[Row]:
        """Weights after steps of SGD and of AdamW, in float64.

        What has no gradient in the subject has no effect on any output, and none in the reference
        (its gradient was found to be zero): whether its weight decays is open.
        """
        for name, make in OPTIMISERS.items():
            trained = []
            for each in (self.reference, subject):
                load(each, each.module, self.state, torch.float64)
                self._loaded[id(each.module)] = None  # training changes weights and statistics
                inputs = cast(self.inputs, torch.float64)
                trained.append(_train(each, each.module, inputs, make, steps))
            (reference, _), (weights, idle) = trained
            expected = {n: t for n, t in subject.carry(reference).items() if n not in idle}
            found = {n: t for n, t in weights.items() if n in expected}
            allowed = STEPS * max(1.0, largest(reference.values()))
            check = f"weights after {steps} steps of {name}"
            yield Row(subject.name, check, farthest(found, expected), allowed)


def _apart(found: Tensor, expected: Tensor) -> float:
    """The largest difference; shapes that differ are infinitely far apart."""
    return largest([found - expected]) if found.shape == expected.shape else float("inf")


OPTIMISERS: Mapping[str, Callable[[Iterable[Tensor]], torch.optim.Optimizer]] = {
    "SGD": lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9, weight_decay=1e-2),
    # A gradient that algebra makes zero is rounding noise. Adam divides it by itself and eps, and
    # torch's own 1e-8 would make steps of it; with this eps what is equal stays equal.
    "AdamW": lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=1e-2, eps=1e-5),
}


def _train(
    subject: Subject,
    module: nn.Module,
    inputs: Inputs,
    make: Callable[[Iterable[Tensor]], torch.optim.Optimizer],
    steps: int,
) -> tuple[dict[str, Tensor], frozenset[str]]:
    """The weights after training, and the names of those that had no gradient."""
    module.train()
    optimiser = make([*module.parameters()] or [torch.zeros(1)])
    for step in range(steps):
        optimiser.zero_grad()
        scaled = (x * (1 + 0.1 * step) if x.is_floating_point() else x for x in inputs)
        result = subject.call(module, *scaled)
        parts = (result,) if isinstance(result, Tensor) else result
        errors = torch.stack([((part - 0.5) ** 2).mean() for part in parts])
        loss = errors.sum().log1p()  # steps stay small, however large the outputs
        if loss.requires_grad:
            loss.backward()
        optimiser.step()
    idle = frozenset(name for name, weight in module.named_parameters() if weight.grad is None)
    optimiser.zero_grad()
    return {name: weight.detach().clone() for name, weight in module.named_parameters()}, idle
