"""The authors' own MetaFormer-NAS network, from a copy of their repository, beside ours.

Their code is not part of this repository. `CHANGES` says what has to be changed in the copy before
it computes what its text means, and runs on the timm of today.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor, nn

from benchmarks.references.metaformer import Nodes

REPOSITORY = "github.com/QwQ2000/MetaFormer-NAS"
CHANGES = (
    "metamixer.py: every edge takes the queued feature, `feature_queue[0][0]`, where it took the "
    "mixer's input; poolformer.py: `to_2tuple` and the other names come from `timm.layers` and "
    "`timm.models`, where timm has them now. It needs einops, which may stand in the copy"
)
DEPTHS = (2, 2, 6, 2)
Node = namedtuple("Node", ("id", "name"))


class Released(nn.Module):
    """Their network for one architecture, called with images alone; `stem` is its own too."""

    def __init__(self, network: nn.Module, nodes: Nodes) -> None:
        super().__init__()
        early, patches = network.get_submodule("early_conv"), network.get_submodule("patch_embed")
        self.stem = nn.Sequential(early, patches)
        self.network = network
        self.queue = _queue(nodes)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.network(x, self.queue)
        return result


def released(folder: Path, nodes: Nodes, state: Mapping[str, Tensor]) -> Released:
    """Their network with the weights of the reference by hand; modules are read from the folder.

    Raises ImportError, RuntimeError or ValueError where the folder does not hold it, changed as
    `CHANGES` says.
    """
    sys.path.insert(0, str(folder))
    try:
        network = importlib.import_module("poolformer").poolformer_s12(num_classes=102)
    finally:
        sys.path.remove(str(folder))
    found = dict(_renamed(state, network.state_dict()))
    missing, unexpected = network.load_state_dict(found, strict=False)
    left = [name for name in missing if ".entrance." not in name]  # built, never called
    if left or unexpected:
        raise ValueError(f"other weights than expected: {left or unexpected}")
    return Released(network, nodes)


def commit(folder: Path) -> str:
    """The commit that the copy is of."""
    command = ("git", "-C", str(folder), "rev-parse", "--short=10", "HEAD")
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _queue(nodes: Nodes) -> dict[int, list[Node]]:
    """Who takes each node, counted from 0, and by what; leaves go to the mean behind the last."""
    queue: dict[int, list[Node]] = {number: [] for number in range(len(nodes) + 1)}
    for number, (source, pooled) in enumerate(nodes, 1):
        queue[source - 1].append(Node(number, "pooling" if pooled else "identity"))
    for takers in queue.values():
        if not takers:
            takers.append(Node(len(nodes) + 1, "avg"))
    return queue


def _renamed(
    state: Mapping[str, Tensor], shapes: Mapping[str, Tensor]
) -> Iterator[tuple[str, Tensor]]:
    """Weights under their names and in their shapes."""
    places = _places()
    for name, tensor in state.items():
        for pattern, theirs in NAMES:
            name = re.sub(pattern, theirs, name)
        name = re.sub(r"^stages\.(\d+)", lambda found: places[int(found[1])], name)
        yield name, tensor.reshape(shapes[name].shape)


NAMES = (
    (r"^stem\.([01])\.", r"early_conv.\1."),
    (r"^stem\.2\.", r"patch_embed.proj."),
    (r"\.mixer\.edges\.", ".token_mixer.shared_mlps."),
    (r"\.scale([12])\.weight$", r".layer_scale_\1"),
    (r"\.mlp\.0\.", ".mlp.fc1."),
    (r"\.mlp\.2\.", ".mlp.fc2."),
)


def _places() -> list[str]:
    """Where they have what stands at each place of one sequence: blocks, and maps between."""
    places: list[str] = []
    for stage, depth in enumerate(DEPTHS):
        if stage:
            places.append(f"network.{2 * stage - 1}.proj")
        places += [f"network.{2 * stage}.{block}" for block in range(depth)]
    return places
