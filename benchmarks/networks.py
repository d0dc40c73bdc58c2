"""Generated plain networks against torchvision's and timm's own modules, with the same weights.

python -m benchmarks.networks [RUNS] [NETWORK ...] [--eager]
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence

import timm
import torch
from torch import Tensor, nn
from torchvision import models

from archdsl.formats import LIBRARIES
from archdsl.formats.weights import assign
from archdsl.ir.graph import Program
from archdsl.library import Library
from archdsl.load import load_network
from archdsl.passes.driver import optimise
from archdsl.passes.names import network_weights
from benchmarks import columns
from benchmarks.columns import Cells, Columns, Times, runs_and_names, shown
from benchmarks.pairs import Form, Work, inference, ratio, timed, training_step
from benchmarks.table import Row, write

RUNS = 10
BATCH = 4
THEIRS, PLAIN, OURS = "theirs", "ours -O0", "ours -O1"
NETWORKS = {
    "resnet50": "torchvision",
    "mobilenet_v2": "torchvision",
    "vit_b_16": "torchvision",
    "poolformer_s12": "timm",
    "efficientnet_b0": "torchvision",
}
FORMS: Mapping[str, Form] = {"step": training_step, "inference": inference}


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("given", nargs="*", metavar="RUNS or NETWORK")
    columns.arguments(parser)
    given = parser.parse_args(arguments)
    runs, chosen = runs_and_names(given.given, RUNS)
    torch.set_num_threads(2)
    kept = Columns(compiled=given.compile, unit="ms")
    rows: list[Row] = []
    for name in chosen or NETWORKS:
        rows += measure(name, runs, kept)
        print(rows[-2:], file=sys.stderr)
    write(
        "networks",
        "Generated networks against torchvision's and timm's own, with the same weights",
        "python -m benchmarks.networks",
        rows,
        [
            f"{BATCH} images of 224 pixels, float32, 2 threads, CPU; medians of {runs} runs in "
            "turn. `ours` is -O1. `theirs / ours` has both compiled, or both with the channels "
            "last, where it says so.",
            *kept.notes(),
        ],
    )


def measure(name: str, runs: int, kept: Columns) -> list[Row]:
    """Two rows: a training step and inference of one network."""
    theirs = build(name)
    program = Library().find(name).space.program
    plain = with_weights_of(theirs, program, NETWORKS[name])
    optimised = optimise(program)
    better = load_network(optimised.program)
    better.load_state_dict(optimised.weights.forward(plain.state_dict()))
    images = torch.randn(BATCH, 3, 224, 224)
    check(theirs, (plain, better), images)
    kept.start()
    rows: list[Row] = []
    for what, form in FORMS.items():
        works: dict[str, Work] = {}
        for way, network in ((THEIRS, theirs), (PLAIN, plain), (OURS, better)):
            works |= kept.ways(way, network, (images,), form)
        times = timed(works, runs)
        cells = {**beside_theirs(times, kept), **kept.cells(f"{name} {what}", times, PLAIN, OURS)}
        rows.append({"network": name, "what": what, **cells})
    return rows


def beside_theirs(times: Times, kept: Columns) -> Cells:
    """Median milliseconds of theirs, and how many times faster ours is in the same form."""
    found: Cells = {}
    for form in kept.forms:
        found[f"{THEIRS}{form}, ms"] = 1e3 * statistics.median(times[THEIRS + form])
    for form in kept.forms:
        found[f"{THEIRS} / ours{form}"] = shown(ratio(times[OURS + form], times[THEIRS + form]))
    return found


def build(name: str) -> nn.Module:
    """The other library's network: random weights, and statistics that keep its values apart."""
    torch.manual_seed(0)
    if NETWORKS[name] == "timm":
        made: nn.Module = timm.create_model(name)
    else:
        made = getattr(models, name)()
    for module in made.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # one batch settles them
    for weight in made.parameters():
        if not weight.any() and weight.dim() > 1:  # a head that begins as nothing tells nothing
            nn.init.normal_(weight, std=0.02)
    with torch.no_grad():
        made.train()(torch.randn(BATCH, 3, 224, 224))
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1
    return made


def with_weights_of(theirs: nn.Module, program: Program, library: str) -> nn.Module:
    """Our network with another library's weights."""
    state = theirs.state_dict()
    ours = {name: weight.shape for name, weight in network_weights(program).items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    sources = assign(LIBRARIES[library].rules_for(program.space), shapes, ours, library)
    network = load_network(program)
    network.load_state_dict({n: state[sources[n]].reshape(shape) for n, shape in ours.items()})
    return network


def check(theirs: nn.Module, ours: tuple[nn.Module, ...], images: Tensor) -> None:
    """That all compute one function: what is timed must be comparable."""
    with torch.no_grad():
        expected = theirs.eval()(images)
        for network in ours:
            found = network.eval()(images)
            apart = (found - expected).abs().max() / expected.abs().max()
            assert apart < 1e-4, f"the networks differ by {apart:.1e}"


if __name__ == "__main__":
    main(sys.argv[1:])
