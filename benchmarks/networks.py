"""Generated plain networks against torchvision's and timm's own modules, with the same weights.

python -m benchmarks.networks [RUNS] [NETWORK ...]
"""

from __future__ import annotations

import statistics
import sys
import warnings
from collections.abc import Callable, Mapping

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
from benchmarks.pairs import Work, in_turn, inference, ratio, training_step
from benchmarks.table import Row, write

RUNS = 10
BATCH = 4
NETWORKS = {
    "resnet50": "torchvision",
    "mobilenet_v2": "torchvision",
    "vit_b_16": "torchvision",
    "poolformer_s12": "timm",
    "efficientnet_b0": "torchvision",
}
FORMS: Mapping[str, Callable[[nn.Module, tuple[Tensor, ...]], Work]] = {
    "step": training_step,
    "inference": inference,
}


def main() -> None:
    given = sys.argv[1:]
    runs = int(given[0]) if given and given[0].isdigit() else RUNS
    chosen = [name for name in given if not name.isdigit()] or list(NETWORKS)
    torch.set_num_threads(2)
    compiles = can_compile()
    rows: list[Row] = []
    for name in chosen:
        rows += measure(name, runs, compiles)
        print(rows[-2:], file=sys.stderr)
    without = "" if compiles else " torch.compile finds no C++ compiler here: no such columns."
    write(
        "networks",
        "Generated networks against torchvision's and timm's own, with the same weights",
        "python -m benchmarks.networks",
        rows,
        [
            f"{BATCH} images of 224 pixels, float32, 2 threads, CPU; medians of {runs} runs in "
            "turn. `theirs / ours` and `ours -O0 / ours`: above 1 the generated network (-O1) is "
            "faster, with the 95 % interval of the median of all pairs (bootstrap); the same with "
            "torch.compile for both, and channels last for both."
            f"{without}"
        ],
    )


def can_compile() -> bool:
    """Whether torch.compile works on this machine."""
    try:
        torch.compile(nn.Linear(2, 2))(torch.zeros(1, 2))
    except Exception as problem:  # whatever its backend raises
        warnings.warn(str(problem).splitlines()[0], stacklevel=1)
        return False
    return True


def measure(name: str, runs: int, compiles: bool) -> list[Row]:
    """Two rows: a training step and inference of one network."""
    theirs = build(name)
    program = Library().find(name).space.program
    plain = with_weights_of(theirs, program, NETWORKS[name])
    optimised = optimise(program)
    better = load_network(optimised.program)
    better.load_state_dict(optimised.weights.forward(plain.state_dict()))
    images = torch.randn(BATCH, 3, 224, 224)
    check(theirs, (plain, better), images)
    rows: list[Row] = []
    for what, form in FORMS.items():
        ways = {"theirs": theirs, "ours -O0": plain, "ours -O1": better}
        works = {way: form(network, (images,)) for way, network in ways.items()}
        if compiles:
            for way in list(ways):
                compiled = torch.compile(ways[way])
                works[f"{way} + compile"] = form(compiled, (images,))  # type: ignore[arg-type]
        rows.append({"network": name, "what": what, **compared(works, runs)})
        last = images.to(memory_format=torch.channels_last)
        for network in ways.values():
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        works = {way: form(ways[way], (last,)) for way in ("theirs", "ours -O1")}
        found = compared(works, runs)
        rows[-1].update({f"{column}, channels last": value for column, value in found.items()})  # type: ignore[attr-defined]
        for network in ways.values():
            network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return rows


def compared(works: Mapping[str, Work], runs: int) -> dict[str, str | int | float]:
    """Median milliseconds of each way, and how many times faster ours is than the others."""
    times = dict(zip(works, in_turn(list(works.values()), runs), strict=True))
    found: dict[str, str | int | float] = {
        f"{way}, ms": 1e3 * statistics.median(seconds) for way, seconds in times.items()
    }
    for ours in (way for way in works if way.startswith("ours -O1")):
        for other in ("theirs", "ours -O0"):
            way = ours.replace("ours -O1", other)
            if way in works and ours != way:
                one = ratio(times[ours], times[way])
                shown = f"{one.ratio:.2f} ({one.low:.2f} to {one.high:.2f})"
                found[f"{other} / ours{ours.removeprefix('ours -O1')}"] = shown
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
    main()
