"""DARTS' search network as its authors wrote it, from a folder with their code.

https://github.com/quark0/darts, which is not part of this project: only how it is called and what
it calls its weights is known here.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

from torch import Tensor, nn

MODULES = ("genotypes", "operations", "model_search")
HALVE = {"conv_1": "first", "conv_2": "second", "bn": "norm"}


def network(folder: Path, width: int, classes: int, layers: int) -> tuple[nn.Module, list[Tensor]]:
    """The relaxed network of a folder, and its logits: one tensor for each kind of cell."""
    path = str(folder / "cnn")
    sys.path.insert(0, path)
    try:
        for name in MODULES:
            module = importlib.import_module(name)
    finally:
        sys.path.remove(path)
    result: nn.Module = module.Network(width, classes, layers, nn.CrossEntropyLoss())
    return result, list(result.arch_parameters())  # type: ignore[operator]


def commit(folder: Path) -> str:
    """The commit that a folder is at."""
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def name_by_hand(name: str) -> str:
    """What `darts_search.SearchNetwork` calls a weight of theirs."""
    name = re.sub(r"(cells\.\d+)\._ops\.(\d+)\._ops\.", r"\1.edges.\2.operations.", name)
    name = name.replace(".preprocess0.", ".first.").replace(".preprocess1.", ".second.")
    words = [HALVE.get(word, word) for word in name.split(".") if word != "op"]
    return ".".join(words)
