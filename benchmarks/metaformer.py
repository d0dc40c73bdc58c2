"""A MetaFormer-NAS network against the same network written by hand, part by part.

python -m benchmarks.metaformer [RUNS] [--original DIR] [--eager]

DIR holds the authors' repository, changed as `references/released_metaformer.py` says; their
network is then a second reference.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from archdsl.ir.graph import Program
from archdsl.library import Library
from archdsl.load import load_network
from archdsl.passes.driver import optimise
from benchmarks import columns
from benchmarks.columns import Columns, Times
from benchmarks.pairs import Form, Work, inference, ratio, timed, training_step
from benchmarks.references.metaformer import MetaFormer, Nodes
from benchmarks.references.released_metaformer import CHANGES, REPOSITORY, commit, released
from benchmarks.table import Row, write

RUNS = 10
BATCH = 16
SPACE = 'metaformer_nas(nodes=7, semantics="as_intended", edge="{edge}")'
MIXER = "/mixer[pool; 1 id; 2 pool; 2 pool; 4 pool; 5 id; 5 id]"
LINEAR = {
    "paper": 'metaformer_nas(nodes=7, edge="linear")',
    "paper without the entry": 'metaformer_nas(nodes=7, edge="linear", entry=no)',
}
FOUND = "/mixer[pool; 1 pool; 2 pool; 3 pool; 3 pool; 4 pool; 3 pool]"
"""The mixer that the paper found, Fig. 6."""
HAND = "by hand"
LEVELS = ("-O 0", "-O 1", "-O 2")
PLAIN = LEVELS[0]
BARE = "bare "
"""Before the name of a network without its mixers, timed in turn with the whole."""


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("runs", nargs="?", type=int, default=RUNS)
    parser.add_argument("--original", type=Path)
    columns.arguments(parser)
    given = parser.parse_args(arguments)
    torch.set_num_threads(2)
    torch.manual_seed(0)
    original = _original(given.original)
    kept = Columns(compiled=given.compile)
    write(
        "metaformer",
        "MetaFormer-NAS, released layout with its queue obeyed: by hand and as archdsl writes it",
        "python -m benchmarks.metaformer",
        [*measure(given.runs, given.original, kept), *linear(given.runs, kept)],
        [
            f"7 nodes, {BATCH} images of 224 pixels, float32, 2 threads, CPU; medians of "
            f"{given.runs} runs in turn, all with the same weights. `ratio`: above 1 ours is "
            "faster, with the 95 % interval of the median of all pairs (bootstrap). 'mixers': the "
            "whole less the network without mixers; 'mixers alone': the twelve modules on the "
            "inputs that they get, one after another. -O 2 is for inference only.",
            original,
            "edge=linear is the mixer that the paper found; its edges are linear maps over "
            "positions, of which -O 2 makes one matrix for each value that is not linear. 'mixer "
            "alone' is the module of the first stage, 64 channels of 256 positions.",
            *kept.notes(),
            "They stand in the rows whose reference is -O 0. The mixers' part is a difference of "
            "two networks; compiled, no part stands apart: those rows have no such columns. Of "
            "edge=linear the mixer alone is compiled: whole networks take minutes each.",
        ],
    )


def _original(folder: Path | None) -> str:
    """What the table says of the authors' network."""
    if folder is None:
        return f"The authors' network ({REPOSITORY}) was not measured: no --original DIR was given."
    return f"authors': {REPOSITORY} at {commit(folder)}, changed: {CHANGES}. Same weights."


def measure(runs: int, folder: Path | None, kept: Columns) -> list[Row]:
    """Rows for the whole, the stem and the mixers, a training step and inference."""
    program = Library().find(SPACE.format(edge="mlp") + MIXER).network()
    nodes = [(int(n), op == "pool") for n, op in re.findall(r"(\d) (id|pool)", MIXER)]
    references, networks = _networks(program, nodes, folder)
    images = torch.randn(BATCH, 3, 224, 224)
    _check({**references, **networks}, images)
    rows: list[Row] = []
    forms = {"training step": training_step, "inference": inference}
    parts = {kind: _chosen(kind, networks) for kind in forms}
    # before torch.compile: what it keeps makes memory, and so all that is short, slower
    alone = {
        kind: _alone({**references, **parts[kind]}, images, work, 2 * runs)
        for kind, work in forms.items()
    }
    for kind, work in forms.items():
        chosen = parts[kind]
        kept.start()
        every = {**references, **chosen}
        bare = {name: work(_without_mixers(net), (images,)) for name, net in every.items()}
        whole = _ways(references, chosen, images, work, kept)
        taken = timed({**whole, **{f"{BARE}{name}": one for name, one in bare.items()}}, runs)
        stems = [
            {n: next(net.children()) for n, net in nets.items()} for nets in (references, chosen)
        ]
        times = {
            "whole": {way: taken[way] for way in whole},
            "stem": timed(_ways(*stems, images, work, kept), runs),
            "mixers": _less(taken, {name: taken[f"{BARE}{name}"] for name in every}),
            "mixers alone": alone[kind],
        }
        for what, part in times.items():
            rows += _rows(f"{what}, {kind}", part, tuple(references), kept)
    return rows


def _chosen(kind: str, networks: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Those of ours that can do it: -O 2 does not train."""
    return {name: one for name, one in networks.items() if name != "-O 2" or kind == "inference"}


def _ways(
    references: Mapping[str, nn.Module],
    ours: Mapping[str, nn.Module],
    images: Tensor,
    work: Form,
    kept: Columns,
) -> dict[str, Work]:
    """What is timed of networks or of a part of each: references as they are, ours in all ways."""
    works = {name: work(network, (images,)) for name, network in references.items()}
    for level, network in ours.items():
        works |= kept.ways(level, network, (images,), work)
    return works


def linear(runs: int, kept: Columns) -> list[Row]:
    """Rows for the mixers of `edge=linear` in inference, as written and optimised."""
    images, tokens = torch.randn(BATCH, 3, 224, 224), torch.randn(BATCH, 64, 16, 16)
    rows: list[Row] = []
    for name, space in LINEAR.items():
        plain, networks = _levels(Library().find(space + FOUND).network())
        networks = {PLAIN: plain, **networks}
        _check(networks, images)
        kept.start()
        works: dict[str, Work] = {}
        for level, network in networks.items():
            works |= kept.ways(level, network, (images,), inference, compiled=False)
            works[f"{BARE}{level}"] = inference(_without_mixers(network), (images,))
            works |= kept.ways(f"one {level}", _mixer(network), (tokens,), inference)
        times = timed(works, runs)
        whole = {way: taken for way, taken in times.items() if way.startswith("-O")}
        bare = {level: times[f"{BARE}{level}"] for level in networks}
        one = {w.removeprefix("one "): t for w, t in times.items() if w.startswith("one ")}
        what = f"edge=linear, {name}"
        for part, found in (("whole", whole), ("mixers", _less(whole, bare)), ("mixer alone", one)):
            rows += _rows(f"{what}: {part}, inference", found, (), kept)
    return rows


def _networks(
    program: Program, nodes: Nodes, folder: Path | None
) -> tuple[dict[str, nn.Module], dict[str, nn.Module]]:
    """The references and ours, all with the weights of the one by hand."""
    hand = MetaFormer(nodes)
    references: dict[str, nn.Module] = {HAND: hand}
    if folder is not None:
        references["authors'"] = released(folder, nodes, hand.state_dict())
    taken = iter(hand.state_dict().values())
    plain = load_network(program)
    plain.load_state_dict({n: next(taken).reshape(t.shape) for n, t in plain.state_dict().items()})
    plain, levels = _levels(program, plain)
    return references, {PLAIN: plain, **levels}


def _levels(
    program: Program, plain: nn.Module | None = None
) -> tuple[nn.Module, dict[str, nn.Module]]:
    """A network as it is written, and optimised with its weights."""
    plain = plain or load_network(program)
    networks: dict[str, nn.Module] = {}
    for level in (1, 2):
        optimised = optimise(program, level)
        networks[f"-O {level}"] = load_network(optimised.program)
        networks[f"-O {level}"].load_state_dict(optimised.weights.forward(plain.state_dict()))
    return plain, networks


def _check(networks: dict[str, nn.Module], images: Tensor) -> None:
    """All networks give the same."""
    with torch.no_grad():
        expected, *others = (network.eval()(images[:2]) for network in networks.values())
    for other in others:
        torch.testing.assert_close(other, expected, rtol=1e-4, atol=1e-5)


def _less(whole: Times, bare: Times) -> Times:
    """What the mixers take of each run."""
    return {
        name: [max(a - b, 1e-9) for a, b in zip(whole[name], times, strict=True)]
        for name, times in bare.items()
    }


MIXERS = ("mixer", "token_mixer")


class Mixers(nn.Module):
    """The mixers of a network, each on an input of its own; what else theirs take is kept."""

    def __init__(self, network: nn.Module, images: Tensor) -> None:
        super().__init__()
        self.mixers = nn.ModuleList(_outermost(network))
        self.given: list[tuple[Tensor, ...]] = []
        hooks = [
            mixer.register_forward_pre_hook(lambda _, given: self.given.append(given))
            for mixer in self.mixers
        ]
        with torch.no_grad():
            network(images)
        for hook in hooks:
            hook.remove()

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        each = zip(self.mixers, inputs, self.given, strict=True)
        return tuple(mixer(x, *given[1:]) for mixer, x, given in each)


def _outermost(network: nn.Module) -> Iterator[nn.Module]:
    """The mixers of a network; those of the authors' have modules of that name inside."""
    for name, child in network.named_children():
        if name in MIXERS:
            yield child
        else:
            yield from _outermost(child)


def _alone(networks: Mapping[str, nn.Module], images: Tensor, work: Form, runs: int) -> Times:
    """Times of the mixers of each network, all one after another, gradients of inputs included."""
    mixers = {name: Mixers(network, images) for name, network in networks.items()}
    first = next(iter(mixers.values()))
    inputs = [given[0].clone().requires_grad_() for given in first.given]
    return timed({name: work(each, inputs) for name, each in mixers.items()}, runs)


def _mixer(network: nn.Module) -> nn.Module:
    """The first mixer of a network."""
    return next(m for name, m in network.named_modules() if name.split(".")[-1] == MIXERS[0])


def _without_mixers(network: nn.Module) -> nn.Module:
    """The network with identities for its mixers, its other modules shared."""
    from copy import copy

    changed = copy(network)
    changed._modules = {
        name: nn.Identity() if name in MIXERS else _without_mixers(child)
        for name, child in network._modules.items()
        if child is not None
    }
    return changed


def _rows(what: str, times: Times, references: Sequence[str], kept: Columns) -> list[Row]:
    """Each of ours beside each reference and beside -O 0, there with the columns of all tables."""
    rows: list[Row] = []
    for reference in (*references, PLAIN):
        for name in (level for level in LEVELS if level in times and level != reference):
            found = ratio(times[name], times[reference])
            row: dict[str, str | int | float] = {
                "what": what,
                "reference": reference,
                "ours": name,
                "reference, s": round(found.seconds[1], 4),
                "ours, s": round(found.seconds[0], 4),
                "ratio": round(found.ratio, 2),
                "low": round(found.low, 2),
                "high": round(found.high, 2),
            }
            if reference == PLAIN:
                row |= kept.cells(f"{what}, {name}", times, PLAIN, name)
            rows.append(row)
    return rows


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
