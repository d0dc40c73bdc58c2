"""Several processes that train one network together: of each batch every one takes a slice.

torchrun starts them and tells each its rank. What one process would work out of a whole batch is
the sum of what all work out of their slices, each loss weighed by its share of the batch. So
batches, rates and results are those of one process, up to rounding, however many there are.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed import Store, TCPStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from archdsl.controllers.seeds import seed_for
from archdsl.evaluate.synced import SyncedNorms
from archdsl.syntax.errors import fault

T = TypeVar("T")

LEAST = 2
"""Images of a slice: batch norm refuses one image of one position."""
BUCKET = 1 << 25
"""Numbers that are sent at once."""
PATIENCE = 300.0
"""Seconds in which processes that were started together find each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """The processes of a run, of which this is one. Without torchrun it is alone.

    `rank` counts all `world` of them, `local` those of this machine. What they exchange must be
    asked for by all in the same order.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this one has the folder, and speaks."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        return self.world > 1

    def device(self, name: str) -> torch.device:
        """The device that this process computes on: of several, one for each."""
        device = torch.device(name)
        alone = device.type == "cpu" or device.index is not None or not self.several
        return device if alone else torch.device(device.type, self.local)

    def own(self, things: Sequence[T]) -> Sequence[T]:
        """Those of some independent pieces of work that are this one's."""
        return things[self.rank :: self.world]

    @contextmanager
    def part(
        self, images: Tensor, targets: Tensor, seed: int
    ) -> Iterator[tuple[Tensor, Tensor, float]]:
        """This one's slice of a batch, and its share of it, to be worked on inside.

        Batch norms take the statistics of the whole batch, and what is drawn comes from
        (`seed`, rank). A batch that is too small to be cut is worked on by all of them.
        """
        if not self.several:
            yield images, targets, 1.0
        elif len(images) < LEAST * self.world:
            yield images, targets, 1 / self.world
        else:
            torch.manual_seed(seed_for(seed, "rank", self.rank))
            start, end = (len(images) * one // self.world for one in (self.rank, self.rank + 1))
            with SyncedNorms(self.added):
                yield images[start:end], targets[start:end], (end - start) / len(images)

    def added(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.several:
            with heard():
                dist.all_reduce(tensor)
        return tensor

    def together(self, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
        """The sum of each over all processes, sent many at once."""
        if not self.several:
            return tensors
        found: list[Tensor] = []
        for bucket in _buckets(tensors):
            whole = self.added(torch.cat([one.flatten() for one in bucket]))
            parts = whole.split([one.numel() for one in bucket])
            found += [part.view_as(one) for part, one in zip(parts, bucket, strict=True)]
        return found

    def add_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Give parameters the sum of their gradients; those that have none have none anywhere."""
        reached = [one for one in parameters if one.grad is not None]
        gradients = [one.grad for one in reached if one.grad is not None]
        for one, gradient in zip(reached, self.together(gradients), strict=True):
            one.grad = gradient

    def sums(self, numbers: Sequence[float]) -> list[float]:
        """The sum of each number over all processes."""
        if not self.several:
            return list(numbers)
        summed: list[float] = self.added(torch.tensor(numbers, dtype=torch.float64)).tolist()
        return summed

    def spread(self, content: bytes) -> bytes:
        """What the first process has."""
        if not self.several:
            return content
        size = int(self.sums([len(content) if self.first else 0])[0])
        if not size:
            return b""
        buffer = bytearray(content if self.first else size)
        with heard():
            dist.broadcast(torch.frombuffer(buffer, dtype=torch.uint8), 0)
        return bytes(buffer)


SINGLE = Ranks()


def placed() -> Ranks:
    """What torchrun tells this process. Raises ArchError E0880 for what is no place."""
    told = {name: os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")}
    if not told["RANK"] or not told["WORLD_SIZE"]:
        return SINGLE
    try:
        rank, world = int(told["RANK"]), int(told["WORLD_SIZE"])
        local = int(told["LOCAL_RANK"] or rank)
        if not 0 <= rank < world or local < 0:
            raise ValueError
    except ValueError:
        raise fault(
            "E0880",
            "the environment names no place among several processes",
            found=", ".join(f"{name}={value}" for name, value in told.items()),
            expected="what torchrun sets",
        ) from None
    return Ranks(rank=rank, world=world, local=local)


@contextmanager
def joined(device: str, silence: timedelta = timedelta(minutes=30)) -> Iterator[Ranks]:
    """This process among the others, while they are connected; they stay so in another one inside.

    One that is waited for and says nothing for as long as `silence` is lost. Raises ArchError
    E0880 where they do not find each other, or one is lost.
    """
    ranks = placed()
    if not ranks.several or dist.is_initialized():
        yield ranks
        return
    kind = torch.device(device).type
    if kind == "cuda":
        torch.cuda.set_device(ranks.device(device))
    with heard():
        backend = "cpu:gloo,cuda:nccl" if kind == "cuda" else "gloo"
        told = next(iter(rendezvous("env://")))[0]  # without torchrun it ends with this name
        meeting = _meeting(ranks, told)
        dist.init_process_group(
            backend, store=meeting, rank=ranks.rank, world_size=ranks.world, timeout=silence
        )
    try:
        yield ranks
    finally:
        dist.destroy_process_group()
        del told


def _meeting(ranks: Ranks, kept: Store) -> Store:
    """Where the processes of this beginning find each other.

    torchrun has `kept` one place for all its restarts, with the addresses of processes that are
    gone. So the first process opens another, and that place says where.
    """
    host, over = os.environ["MASTER_ADDR"], time.monotonic() + PATIENCE
    found: Store
    if ranks.first:
        found = opened = TCPStore(host, 0, is_master=True, wait_for_workers=False)
        kept.set("archdsl", str(opened.port))
        return found
    while True:
        port = int(kept.get("archdsl"))
        try:
            socket.create_connection((host, port), timeout=10).close()
            found = TCPStore(host, port, is_master=False)
            return found
        except OSError:  # of a beginning before
            if time.monotonic() > over:
                raise
            time.sleep(0.1)


@contextmanager
def heard() -> Iterator[None]:
    """torch's errors of processes that do not hear each other, as ours."""
    try:
        yield
    except (RuntimeError, ValueError, OSError) as error:
        raise fault(
            "E0880",
            "the processes of this run do not hear each other, or one has ended",
            found=_plain(str(error)) or type(error).__name__,
            expected="processes that torchrun started together",
            hint="the same command goes on from the last checkpoint; torchrun's --max-restarts N"
            " gives it N times",
        ) from error


def _plain(message: str) -> str:
    """The first sentence of an error of torch, without the place in its source."""
    first = message.partition("\n")[0].partition(". ")[0]
    return re.sub(r"^\[[^]]*\] ", "", first)


def _buckets(tensors: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Neighbours of one kind, together not much larger than is sent at once."""
    bucket: list[Tensor] = []
    size = 0
    for one in tensors:
        alike = not bucket or (one.dtype, one.device) == (bucket[0].dtype, bucket[0].device)
        if bucket and (not alike or size + one.numel() > BUCKET):
            yield bucket
            bucket, size = [], 0
        bucket.append(one)
        size += one.numel()
    if bucket:
        yield bucket
