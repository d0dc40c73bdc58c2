"""A mixture supernet against the plain reading of its space, under any gates.

Outputs, and gradients of inputs, weights and gates, in float64: at most 1e-12 of the largest apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from archdsl.codegen.naming import state_key
from archdsl.load import Mixture, batch_of, load_mixture
from archdsl.space.view import SearchSpace
from archdsl.verify.compare import still
from archdsl.verify.equal import EXACT, INPUT, Inputs, farthest, largest, randomise
from archdsl.verify.plain import plain_gates, plain_network
from archdsl.verify.verdict import Row, Verdict

GATE = "(gate) "
Tensors = Mapping[str, Tensor]
Run = Callable[[Inputs, Tensors], object]


def softmax_gates(mixture: Mixture, generator: torch.Generator) -> dict[str, Tensor]:
    """Random weights for every decision, which sum to one."""
    return {
        key: torch.randn(size, generator=generator, dtype=torch.float64).softmax(0)
        for key, size in mixture.sizes.items()
    }


def verify_mixture(space: SearchSpace, *, seed: int = 0, batch: int = 2) -> Verdict:
    """Whether the generated mixture computes the sums that its space says, and their gradients.

    Raises ArchError E0906 where a hole has no mixture.
    """
    program = still(space.program)
    mixture = load_mixture(program)
    reference = plain_network(program).double()
    generator = torch.Generator().manual_seed(seed)
    randomise(reference, generator)
    mixture.module.double()
    share(reference, mixture.module)
    gates = softmax_gates(mixture, generator)
    inputs = tuple(
        one.double() if one.is_floating_point() else one
        for one in batch_of(program, batch, generator)
    )
    rows: list[Row] = []
    for train in (False, True):
        expected = outcome(
            reference,
            lambda x, g: reference(*x, gates=plain_gates(program, g)),
            inputs,
            gates,
            train,
        )
        found = outcome(
            mixture.module, lambda x, g: mixture(*x, mixture.gates(g)), inputs, gates, train
        )
        rows += _rows(expected, found, "train" if train else "eval")
    rows.append(_statistics(reference, mixture.module))
    return Verdict(f"{space.program.genotype} (mixture)", tuple(rows))


def share(reference: nn.Module, module: nn.Module) -> None:
    """Give a generated module the reference's weights, of which some are one there."""
    state = {state_key(name): tensor for name, tensor in reference.state_dict().items()}
    module.load_state_dict(state)
    own = module.state_dict()
    reference.load_state_dict({n: own[state_key(n)] for n in reference.state_dict()})


def outcome(module: nn.Module, run: Run, inputs: Inputs, gates: Tensors, train: bool) -> Tensors:
    """What a module gives: its outputs under an empty name, then all gradients."""
    module.train(train)
    inputs = tuple(x.detach().requires_grad_(x.is_floating_point()) for x in inputs)
    gates = {key: gate.detach().requires_grad_() for key, gate in gates.items()}
    result = run(inputs, gates)
    parts = (result,) if isinstance(result, Tensor) else result
    assert isinstance(parts, tuple)
    outputs = torch.cat([part.flatten() for part in parts])
    given = {f"{INPUT}{i}": x for i, x in enumerate(inputs) if x.requires_grad}
    given |= {f"{GATE}{key}": gate for key, gate in gates.items()}
    given |= {state_key(name): tensor for name, tensor in module.named_parameters()}
    mixture = torch.sin(torch.arange(1, outputs.numel() + 1, dtype=torch.float64))
    found: tuple[Tensor | None, ...] = torch.autograd.grad(
        (outputs * mixture).sum(), list(given.values()), allow_unused=True
    )
    pairs = zip(given.items(), found, strict=True)
    gradients = {n: torch.zeros_like(t) if g is None else g for (n, t), g in pairs}
    return {"": outputs.detach(), **gradients}


def _rows(expected: Tensors, found: Tensors, mode: str) -> Iterator[Row]:
    allowed = EXACT * largest([expected[""]])
    apart = largest([expected[""] - found[""]])
    yield Row("mixture", f"outputs, {mode}, float64", apart, allowed)
    for check, prefix in (("gates", GATE), ("inputs", INPUT), ("weights", "")):
        names = [n for n in expected if n and _kind(n) == prefix]
        wanted = {n: expected[n] for n in names}
        given = {n: found[n] for n in names if n in found}
        allowed = EXACT * largest(expected[n] for n in expected if n)
        yield Row(
            "mixture", f"gradients of {check}, {mode}, float64", farthest(given, wanted), allowed
        )


def _kind(name: str) -> str:
    return next((prefix for prefix in (GATE, INPUT) if name.startswith(prefix)), "")


def _statistics(reference: nn.Module, module: nn.Module) -> Row:
    """Running statistics after a batch, under all names that they have."""
    state = module.state_dict()
    expected = {state_key(n): b.double() for n, b in reference.state_dict().items()}
    found = {name: state[name].double() for name in expected if name in state}
    allowed = EXACT * max(largest(expected.values()), 1)
    return Row("mixture", "statistics after training, float64", farthest(found, expected), allowed)
