"""A MetaFormer-NAS network against the same network written by hand, part by part.

python -m benchmarks.metaformer [RUNS]
"""

from __future__ import annotations

import re
import sys

import torch
from torch import Tensor, nn

from archdsl.library import Library
from archdsl.load import load_network
from archdsl.passes.driver import optimise
from benchmarks.pairs import Work, in_turn, inference, ratio, training_step
from benchmarks.references.metaformer import MetaFormer
from benchmarks.table import Row, write

RUNS = 10
BATCH = 16
SPACE = 'metaformer_nas(nodes=7, semantics="as_intended", edge="{edge}")'
MIXER = "/mixer[pool; 1 id; 2 pool; 2 pool; 4 pool; 5 id; 5 id]"


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else RUNS
    torch.set_num_threads(2)
    torch.manual_seed(0)
    write(
        "metaformer",
        "MetaFormer-NAS, released layout with its queue obeyed: by hand and as archdsl writes it",
        "python -m benchmarks.metaformer",
        measure(runs),
        [
            f"7 nodes, edge=mlp, {BATCH} images of 224 pixels, float32, 2 threads, CPU; medians of "
            f"{runs} runs in turn, all with the same weights. `by hand / ours`: above 1 ours is "
            "faster, with the 95 % interval of the median of all pairs (bootstrap). 'mixers': the "
            "whole less the network without mixers. -O 2 is for inference only.",
        ],
    )


def measure(runs: int) -> list[Row]:
    """Rows for the whole, the stem and the mixers, a training step and inference."""
    program = Library().find(SPACE.format(edge="mlp") + MIXER).network()
    nodes = [(int(n), op == "pool") for n, op in re.findall(r"(\d) (id|pool)", MIXER)]
    hand = MetaFormer(nodes)
    plain = load_network(program)
    taken = iter(hand.state_dict().values())
    state = {name: next(taken).reshape(t.shape) for name, t in plain.state_dict().items()}
    plain.load_state_dict(state)
    networks: dict[str, nn.Module] = {"by hand": hand, "-O 0": plain}
    for level in (1, 2):
        optimised = optimise(program, level)
        network = load_network(optimised.program)
        network.load_state_dict(optimised.weights.forward(state))
        networks[f"-O {level}"] = network
    images = torch.randn(BATCH, 3, 224, 224)
    _check(networks, images)
    rows: list[Row] = []
    for kind, work in (("training step", training_step), ("inference", inference)):
        chosen = {n: net for n, net in networks.items() if kind == "inference" or n != "-O 2"}
        whole = in_turn([work(net, (images,)) for net in chosen.values()], runs)
        rows += _rows(f"whole, {kind}", list(chosen), whole)
        stems = in_turn([_stem(net, images, work) for net in chosen.values()], runs)
        rows += _rows(f"stem, {kind}", list(chosen), stems)
        bare = in_turn([work(_without_mixers(net), (images,)) for net in chosen.values()], runs)
        mixers = [
            [max(a - b, 1e-9) for a, b in zip(all_, rest, strict=True)]
            for all_, rest in zip(whole, bare, strict=True)
        ]
        rows += _rows(f"mixers, {kind}", list(chosen), mixers)
    return rows


def _check(networks: dict[str, nn.Module], images: Tensor) -> None:
    """All networks give the same."""
    with torch.no_grad():
        expected, *others = (network.eval()(images[:2]) for network in networks.values())
    for other in others:
        torch.testing.assert_close(other, expected, rtol=1e-4, atol=1e-5)


def _stem(network: nn.Module, images: Tensor, work: object) -> Work:
    """The first module of a network on its own; the images take no gradient."""
    first = next(network.children())
    assert callable(work)
    done: Work = work(first, (images,))
    return done


def _without_mixers(network: nn.Module) -> nn.Module:
    """The network with identities for its mixers, its other modules shared."""
    from copy import copy

    changed = copy(network)
    changed._modules = {
        name: nn.Identity() if name == "mixer" else _without_mixers(child)
        for name, child in network._modules.items()
        if child is not None
    }
    return changed


def _rows(what: str, names: list[str], times: list[list[float]]) -> list[Row]:
    rows: list[Row] = []
    for name, taken in zip(names[1:], times[1:], strict=True):
        found = ratio(taken, times[0])
        rows.append(
            {
                "what": what,
                "ours": name,
                "by hand, s": round(found.seconds[1], 4),
                "ours, s": round(found.seconds[0], 4),
                "by hand / ours": round(found.ratio, 2),
                "low": round(found.low, 2),
                "high": round(found.high, 2),
            }
        )
    return rows


if __name__ == "__main__":
    main()
