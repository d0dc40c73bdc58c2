"""Gradients of one path of a supernet, by one process and by two under DDP over gloo."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.distributed import destroy_process_group, init_process_group
from torch.nn.parallel import DistributedDataParallel

from archdsl.library import Library
from archdsl.load import load_supernet

SPACE = "nas_bench_201(cells=1, width=4, size=8)"
PROCESSES = 2
IMAGES = "images"


def gradients(module: nn.Module, choice: object, images: Tensor) -> dict[str, Tensor]:
    """What the mean of squares gives, by the names of the weights."""
    module(images, choice).square().mean().backward()
    named = ((n.removeprefix("module."), p.grad) for n, p in module.named_parameters())
    return {name: gradient for name, gradient in named if gradient is not None}


def together(folder: Path, text: str) -> dict[str, Tensor]:
    """The gradients after both processes had half of the images of `folder`/given.safetensors."""
    command = [sys.executable, "-m", "tests.data_parallel", str(folder), text]
    env = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    started = [
        subprocess.Popen([*command, str(rank)], env=env, stderr=subprocess.PIPE, text=True)
        for rank in range(PROCESSES)
    ]
    try:
        errors = [process.communicate(timeout=240)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * PROCESSES, "\n".join(errors)
    first, second = (load_file(folder / f"{rank}.safetensors") for rank in range(PROCESSES))
    assert all(torch.equal(first[name], second[name]) for name in first)
    return first


def main(folder: Path, text: str, rank: int) -> None:
    store = f"file://{folder / 'store'}"
    init_process_group("gloo", init_method=store, rank=rank, world_size=PROCESSES)
    given = load_file(folder / "given.safetensors")
    images = given.pop(IMAGES)
    supernet = load_supernet(Library().find(SPACE).space)
    supernet.module.double().load_state_dict(given)
    parallel = DistributedDataParallel(supernet.module.eval(), find_unused_parameters=True)
    half = images.chunk(PROCESSES)[rank]
    found = gradients(parallel, supernet.choice(text), half)
    save_file(found, folder / f"{rank}.safetensors")
    destroy_process_group()


if __name__ == "__main__":
    folder, text, rank = sys.argv[1:]
    main(Path(folder), text, int(rank))
