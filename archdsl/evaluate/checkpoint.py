"""Checkpoints: one safetensors file with tensors, and text and state as JSON in its metadata.

One file is one consistent point: weights, optimiser, controller and place in the ledger are
replaced together or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from archdsl.files import write_whole
from archdsl.ir.graph import Program
from archdsl.syntax.errors import fault

COUNT, METADATA = 8, "__metadata__"
"""A safetensors file: the length of its header in eight bytes, the header as JSON, the tensors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """`text` is the canonical text of the space, `hash` its SHA-256, `genotype` what the weights
    are of (the bare space for a supernet), `values` whatever JSON can hold."""

    tensors: Mapping[str, Tensor]
    text: str
    hash: str
    genotype: str
    values: Mapping[str, Any]

    @classmethod
    def of(
        cls, program: Program, tensors: Mapping[str, Tensor], values: Mapping[str, Any]
    ) -> Checkpoint:
        """What a run holds of a program."""
        return cls(
            tensors=tensors,
            text=program.text,
            hash=program.hash,
            genotype=program.genotype,
            values=values,
        )


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write it whole. Raises ArchError E0707; the checkpoint before is then intact."""
    write_whole(path, serialised(checkpoint))


def serialised(checkpoint: Checkpoint) -> bytes:
    """The content of its file."""
    metadata = {
        "format": "archdsl 1",
        "space": checkpoint.text,
        "hash": checkpoint.hash,
        "architecture": checkpoint.genotype,
        "values": json.dumps(checkpoint.values, sort_keys=True),
    }
    return _in_order(save(_apart(checkpoint.tensors), metadata))


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that may be written, each with memory of its own.

    Of a mixture, statistics of norms whose inputs are equal are one tensor under several names.
    """
    found: dict[str, Tensor] = {}
    known: set[int] = set()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        place = plain.untyped_storage().data_ptr()
        found[name] = plain.clone() if place in known else plain
        known.add(place)
    return found


def _in_order(content: bytes) -> bytes:
    """The same file with its metadata sorted: safetensors writes it in an order that is random."""
    end = COUNT + int.from_bytes(content[:COUNT], "little")
    header = json.loads(content[COUNT:end])
    header[METADATA] = dict(sorted(header[METADATA].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % COUNT)  # tensors begin at a multiple of eight
    return b"".join((len(text).to_bytes(COUNT, "little"), text, memoryview(content)[end:]))


def load_checkpoint(path: Path) -> Checkpoint | None:
    """What was saved there, or None. Raises ArchError E0807 for another kind of file."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return Checkpoint(
            tensors=tensors,
            text=metadata["space"],
            hash=metadata["hash"],
            genotype=metadata["architecture"],
            values=json.loads(metadata["values"]),
        )
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        raise fault(
            "E0807",
            f"{path} is not a checkpoint: {error}",
            found=str(path),
            expected="a safetensors file that archdsl wrote",
            hint="move it away to begin anew",
        ) from error


@contextmanager
def restoring(path: Path) -> Iterator[None]:
    """What goes wrong while a run goes on from a checkpoint, as ArchError E0807."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
        raise fault(
            "E0807",
            f"{path} is not the checkpoint of this run",
            found=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}",
            expected="what this run saved",
            hint="move it away to begin anew",
        ) from error
