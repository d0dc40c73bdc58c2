"""GDAS and PC-DARTS: scores of a batch beside those of the authors' supernets.

    python -m benchmarks.gates_forward --gdas DIR --pc-darts DIR

DIR: `git clone https://github.com/D-X-Y/AutoDL-Projects DIR` and `git clone
https://github.com/yuhuixu1993/PC-DARTS DIR`. Equal weights, gates and noise, float64.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archdsl.compiler import partial
from archdsl.controllers.relaxations import hardened, softened
from archdsl.library import Library
from archdsl.load import load_mixture, load_paths
from archdsl.verify.equal import randomise
from benchmarks.references.darts_original import commit, name_by_hand
from benchmarks.references.darts_search import EDGES, SearchNetwork, own_name
from benchmarks.table import Row, write

DRAWS = 10
BATCH = 4
HEAT = 1.0
EDGE = re.compile(r"edges\.(\d)<-(\d)\.(\d)\.op\.(\d)")
WORDS = {"1": "conv", "2": "norm"}
BLOCK = {"conv_a": "relu_conv_bn1", "conv_b": "relu_conv_bn2"}


def main(gdas: Path, pc_darts: Path) -> None:
    torch.set_num_threads(2)
    rows: list[Row] = []
    for name, folder, apart in (("GDAS", gdas, _gdas), ("PC-DARTS", pc_darts, _pc_darts)):
        found = apart(folder)
        rows.append(
            {
                "supernet": name,
                "commit": commit(folder)[:8],
                "draws": len(found),
                "largest difference": f"{max(found):.1e}",
            }
        )
    write(
        "gates_forward",
        "Scores of supernets under gates, beside the authors' code",
        "python -m benchmarks.gates_forward --gdas DIR --pc-darts DIR",
        rows,
        [
            f"Equal weights, logits and Gumbel noise, batch {BATCH}, float64, training mode; the "
            "largest difference of any score, by the largest score. GDAS: `nas_bench_201` with one "
            "cell a stage, temperature 1; the alternatives that do not run add their weights, "
            "0, to the map there (`forward_gdas`), so values are the same and gradients of logits "
            "are those of `forward_gdas_v1`. PC-DARTS: `darts_search(layers=8)` on a quarter of "
            "the channels.",
        ],
    )


# --- GDAS ----------------------------------------------------------------------------------------


def _gdas(folder: Path) -> list[float]:
    sys.path.insert(0, str(folder))
    model = importlib.import_module("xautodl.models.cell_searchs.search_model_gdas")
    space = Library().find("nas_bench_201(cells=1)").space
    ours = load_paths(space)
    names = list(space.decisions[0].hole.labels)
    theirs = model.TinyNetworkGDAS(16, 1, 4, 10, names, affine=True, track_running_stats=True)
    theirs.double().train()
    ours.module.double().train()
    randomise(theirs, torch.Generator().manual_seed(0))
    state = {_gdas_name(n, names): t for n, t in theirs.state_dict().items()}
    state.pop("arch_parameters")
    found = []
    for draw in range(DRAWS):
        ours.module.load_state_dict(state)
        with torch.no_grad():
            theirs.arch_parameters.normal_(generator=torch.Generator().manual_seed(draw))
        theirs.set_tau(HEAT)
        images = _images(draw)
        torch.manual_seed(draw)
        noise = -torch.empty_like(theirs.arch_parameters).exponential_().log()
        torch.manual_seed(draw)
        with torch.no_grad():
            _, expected = theirs(images)
            gates: dict[str, dict[int, Tensor]] = {}
            for edge, row in theirs.edge2index.items():
                node, source = edge.split("<-")
                weights = hardened(softened(theirs.arch_parameters[row], noise[row], HEAT))
                taken = int(weights.argmax())
                gates[f"infer:op_{node}_{source}"] = {taken: weights[taken]}
            got = ours(images, ours.gates(gates))
        found.append(_apart(got, expected))
    return found


def _gdas_name(name: str, operations: list[str]) -> str:
    """What the generated supernet of `nas_bench_201(cells=1)` calls a weight of theirs."""
    layer = re.fullmatch(r"cells\.(\d)\.(.*)", name)
    if layer is None:
        return name.replace("lastact.0", "norm").replace("classifier", "linear")
    stage = ("stage1.0", "stage2.0", "stage2.1", "stage3.0", "stage3.1")[int(layer[1])]
    edge = EDGE.match(layer[2])
    if edge is not None:
        kind = operations[int(edge[3])]
        rest = layer[2][edge.end() :]
        return f"{stage}.{kind}_{edge[1]}_{edge[2]}.{WORDS[edge[4]]}{rest}"
    part, _, rest = layer[2].partition(".")
    if part == "downsample":
        return f"{stage}.conv.weight"
    _, number, last = rest.split(".", 2)
    return f"{stage}.{BLOCK[part]}.{WORDS[number]}.{last}"


# --- PC-DARTS ------------------------------------------------------------------------------------


def _pc_darts(folder: Path) -> list[float]:
    sys.path.insert(0, str(folder))
    with _no_cuda():
        theirs: Any = importlib.import_module("model_search").Network(
            16, 10, 8, nn.CrossEntropyLoss()
        )
    theirs.double().train()
    found = partial(Library().find("darts_search"), channels=Fraction(1, 4))
    ours = load_mixture(found.space)
    ours.module.double().train()
    randomise(theirs, torch.Generator().manual_seed(0))
    named = ((own_name(name_by_hand(n), SearchNetwork.REDUCTIONS), t)
             for n, t in theirs.state_dict().items())  # fmt: skip
    state = dict(named)
    apart = []
    for draw in range(2):
        ours.module.load_state_dict(state)
        rng = torch.Generator().manual_seed(draw)
        alphas = [torch.randn(14, 8, generator=rng).double().softmax(1) for _ in range(2)]
        betas = [_sources(torch.randn(14, generator=rng).double()) for _ in range(2)]
        images = _images(draw)
        with torch.no_grad():
            expected = _pc_darts_scores(theirs, images, alphas, betas)
            got = ours(images, ours.gates(dict(_values(ours.sizes, alphas, betas))))
        apart.append(_apart(got, expected))
    return apart


def _sources(logits: Tensor) -> Tensor:
    """Softmax over the sources of each node."""
    parts, start = [], 0
    for count in (2, 3, 4, 5):
        parts.append(logits[start : start + count].softmax(0))
        start += count
    return torch.cat(parts)


def _pc_darts_scores(
    theirs: Any, images: Tensor, alphas: list[Tensor], betas: list[Tensor]
) -> Tensor:
    """Their cells in a row, as their own `forward` has them, under given weights."""
    before = last = theirs.stem(images)
    for cell in theirs.cells:
        kind = int(cell.reduction)
        before, last = last, cell(before, last, alphas[kind], betas[kind])
    scores: Tensor = theirs.classifier(theirs.global_pooling(last).flatten(1))
    return scores


def _values(
    sizes: dict[str, int], alphas: list[Tensor], betas: list[Tensor]
) -> Iterator[tuple[str, Tensor]]:
    """The gates of the mixture by their keys."""
    for key in sizes:
        cell, _, hole = key.partition(":")
        kind = ("normal", "reduce").index(cell)
        words = hole.split("_")
        node = int(words[1])
        if words[0] == "op":
            yield key, alphas[kind][EDGES.index((int(words[2]), node))]
        else:
            rows = [EDGES.index((source, node)) for source in range(node)]
            yield key, betas[kind][rows]


# --- both ----------------------------------------------------------------------------------------


def _images(draw: int) -> Tensor:
    generator = torch.Generator().manual_seed(draw)
    return torch.randn(BATCH, 3, 32, 32, generator=generator, dtype=torch.float64)


def _apart(got: object, expected: Tensor) -> float:
    assert isinstance(got, Tensor)
    return float((got - expected).abs().max() / expected.abs().max())


@contextmanager
def _no_cuda() -> Iterator[None]:
    """`tensor.cuda()` is the tensor."""
    before = Tensor.cuda
    Tensor.cuda = lambda self: self  # type: ignore[method-assign,assignment,misc]
    try:
        yield
    finally:
        Tensor.cuda = before  # type: ignore[method-assign]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--gdas", type=Path, required=True)
    parser.add_argument("--pc-darts", type=Path, required=True)
    given = parser.parse_args()
    main(given.gdas, given.pc_darts)
