"""Weights that carry over from one network to another.

A file may hold the names of the text (-O0, checkpoints, supernets) or those of the optimised
network (-O1): the weight map of the passes goes both ways.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import NoReturn

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from archdsl.controllers.tensors import below
from archdsl.evaluate.checkpoint import Checkpoint, save_checkpoint
from archdsl.grow.heir import heir
from archdsl.ir.graph import Program
from archdsl.ir.types import Weight
from archdsl.load import load_network
from archdsl.passes.device import CPU, Device
from archdsl.passes.driver import DEPLOYMENT, Optimised, optimise
from archdsl.passes.names import network_weights
from archdsl.passes.shares import shares
from archdsl.passes.weights import UnequalBuffers
from archdsl.syntax.errors import fault

Tensors = Mapping[str, Tensor]

ZIPPED = b"PK\x03\x04"
WITHIN = ("shared.weights.", "weights.", "module.", "_orig_mod.")
"""Before the names of weights: in a search's checkpoint, and by DDP and torch.compile."""
SAVED = (".pt", ".pth", ".bin", ".ckpt", ".pkl")
"""How a file of `torch.save` begins, and what else is called so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inheritance:
    """What became of every tensor of the new network.

    `carried` are as they were; `grown` are those of a narrower operation, with copies; `begun` are
    new, and begin so that they change nothing; `reshaped` have the name and another shape (name,
    old, new) and are fresh, like `fresh`, which have no predecessor; `dropped` had no successor.
    `changed` are the places at which the new network computes something else in evaluation, None
    where that is not known: the weights were a supernet's.
    """

    carried: tuple[str, ...]
    grown: tuple[str, ...] = ()
    begun: tuple[str, ...] = ()
    changed: tuple[str, ...] | None = None
    reshaped: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    fresh: tuple[str, ...]
    dropped: tuple[str, ...]
    carried_params: int
    params: int


def inherit(
    weights: Path,
    before: Program,
    after: Program,
    out: Path,
    *,
    level: int = 1,
    seed: int = 0,
    device: Device | None = CPU,
) -> Inheritance:
    """Write the weights of `after` to `out`, those that `before` has in common taken over.

    By the diff of the two, so that `after` computes what `before` does where that can be had
    (`grow.heir`). `before` may be a space: then the file holds a supernet, whose weights are taken
    by their names, and an elastic network takes slices. The others are initialised as in a new
    network, from `seed`. `level` and `device` are those of the network that will load them, and,
    at level 1, of the file.

    Raises:
        ArchError: E0708 for a file that cannot be read, E0812 where it does not hold exactly
            the weights of `before`, E0813 where the optimised network cannot take them.
    """
    known = as_written(read_weights(weights), before, weights, device=device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        new = dict(load_network(after).state_dict())
    taken = _by_name if any(graph.holes for graph in before.modules.values()) else _by_diff
    tensors, report = taken(known, before, after, new, seed)
    write_weights(out, tensors, after, level, device)
    return report


def _by_name(
    known: Tensors, before: Program, after: Program, new: Tensors, seed: int
) -> tuple[Tensors, Inheritance]:
    """A network's weights from those of a supernet, under their names."""
    found = shares(before, after)
    old = {**known, **found.forward(known)}
    used = {share.name for name, share in found.entries.items() if share.name in known}
    carried = [name for name in new if name in old and old[name].shape == new[name].shape]
    report = Inheritance(
        carried=tuple(carried),
        reshaped=tuple(
            (name, tuple(old[name].shape), tuple(tensor.shape))
            for name, tensor in new.items()
            if name in old and old[name].shape != tensor.shape
        ),
        fresh=tuple(name for name in new if name not in old),
        dropped=tuple(name for name in known if name not in used | set(new)),
        carried_params=_params(after, carried),
        params=_params(after, new),
    )
    return {**new, **{name: old[name] for name in carried}}, report


def _by_diff(
    known: Tensors, before: Program, after: Program, new: Tensors, seed: int
) -> tuple[Tensors, Inheritance]:
    """A network's weights from those of another, by the diff of the two."""
    found = heir(before, after, seed=seed)
    tensors = found.weights(known, new)
    sources = found.sources()
    same = [n for n, source in sources.items() if source and known[source].shape == new[n].shape]
    grown = [n for n, source in sources.items() if source and n not in set(same)]
    report = Inheritance(
        carried=tuple(same),
        grown=tuple(grown),
        begun=tuple(name for name, source in sources.items() if not source),
        reshaped=(),
        fresh=tuple(name for name in new if name not in sources),
        dropped=tuple(name for name in known if name not in set(sources.values())),
        changed=found.changed,
        carried_params=_params(after, [*same, *grown]),
        params=_params(after, new),
    )
    return tensors, report


def _params(program: Program, names: Iterable[str]) -> int:
    """How many parameters some weights of a network have; statistics are none."""
    sizes = {name: w.elements for name, w in network_weights(program).items() if not w.buffer}
    return sum(sizes.get(name, 0) for name in names)


def refuse_to_replace(weights: Path, files: Sequence[Path]) -> None:
    """Raise ArchError E0709 where one of the files to write is the one that is read."""
    for path in files:
        if path.exists() and weights.exists() and path.samefile(weights):
            raise fault(
                "E0709",
                f"{weights} would be replaced by what it cannot be got back from",
                found=f"{path} as the file to write",
                expected="another place",
            )


def read_weights(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file.

    Raises ArchError E0708 for a file that cannot be read, E0812 for what level 2 has computed.
    """
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise fault(
            "E0708",
            f"{path} is not a file",
            found="a folder" if path.is_dir() else "a pipe or a device",
            expected="weights in a safetensors file",
        )
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            level = _level(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise fault(
            "E0708",
            f"{path} cannot be read: {error}",
            found=str(path),
            expected="weights in a safetensors file",
            hint=_rewriting(path),
        ) from None
    if level >= DEPLOYMENT:
        raise fault(
            "E0812",
            f"{path} holds what -O {level} made of weights",
            found="weights for inference, from which the others cannot be got back",
            expected="those of -O 0 or -O 1",
            hint="give the file that it was made from",
        )
    return tensors


def _level(metadata: Mapping[str, str]) -> int:
    """The level that the weights were written for, where a file of ours says so."""
    try:
        level = json.loads(metadata["values"])["level"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return 0
    return level if isinstance(level, int) else 0


def _readings(tensors: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """What may be a network's weights: all, or those that a search or wrappers name so."""
    yield tensors
    for prefix in WITHIN:
        if inner := below(tensors, prefix):
            yield from _readings(inner)


def _rewriting(path: Path) -> str:
    """For a file of torch.save, which would have to be unpickled: the command that turns it."""
    try:
        with path.open("rb") as file:
            saved = file.read(len(ZIPPED)) == ZIPPED or path.suffix in SAVED
    except OSError:
        return ""
    if not saved:
        return ""
    names = repr(str(path)), repr(str(path.with_suffix(".safetensors")))
    load = f"torch.load({names[0]}, map_location='cpu', weights_only=True)"
    kept = f"{{k: v.clone() for k, v in {load}.items()}}"
    script = f"import torch; from safetensors.torch import save_file; save_file({kept}, {names[1]})"
    return f"pickled files are not opened; where they hold a state dict: python -c {quote(script)}"


def as_written(
    tensors: dict[str, Tensor],
    program: Program,
    path: Path,
    whose: str = "--from",
    device: Device | None = CPU,
) -> Tensors:
    """The tensors under the names of the text, whichever of levels 0 and 1 they were saved at.

    They may be the shared weights of a search's checkpoint, or have the prefix of DDP or of
    torch.compile, and may leave out how many batches a norm has seen. `whose` is how messages
    call the network. Raises ArchError E0812 where the tensors are not exactly its weights.
    """
    wanted = network_weights(program)
    readings = tuple(_readings(tensors))
    for given in readings:
        if (found := _all_of(wanted, given)) is not None:
            _check_each(found, wanted, path, whose)
            return found
    optimised = optimise(program, device=device)
    names = network_weights(optimised.program)
    for given in readings:
        if (found := _all_of(names, given)) is not None:
            _check_each(found, names, path, whose)
            return optimised.weights.backward(found)
    _refuse(max(readings, key=lambda given: len(given.keys() & wanted.keys())), wanted, path, whose)


def _all_of(wanted: Mapping[str, Weight], given: dict[str, Tensor]) -> dict[str, Tensor] | None:
    """Tensors with exactly the names of a network; counts of batches that are left out are 0."""
    missing = wanted.keys() - given.keys()
    if given.keys() - wanted.keys() or not all(_counts(wanted[name]) for name in missing):
        return None
    return {**given, **{name: torch.zeros((), dtype=torch.int64) for name in missing}}


def _counts(weight: Weight) -> bool:
    """Whether it is how many batches a norm has seen."""
    return weight.buffer and not weight.shape


def _check_each(tensors: Tensors, wanted: Mapping[str, Weight], path: Path, whose: str) -> None:
    """Raise ArchError E0812 at the first tensor of another shape, or of no finite numbers."""
    for name, weight in wanted.items():
        tensor = tensors[name]
        if tuple(tensor.shape) != weight.shape:
            raise fault(
                "E0812",
                f"{name} in {path} has another shape than in {whose}",
                found=str(tuple(tensor.shape)),
                expected=str(weight.shape),
                hint="say which architecture the weights are of, parameters included",
            )
        if not (tensor.is_floating_point() or (_counts(weight) and tensor.dtype is torch.int64)):
            raise fault(
                "E0812",
                f"{name} in {path} is not of real numbers",
                found=str(tensor.dtype).removeprefix("torch."),
                expected="float32, or floats of another length",
                hint="quantised weights have to be turned back first",
            )
        if not tensor.isfinite().all():
            raise fault(
                "E0812",
                f"{name} in {path} holds what is no number",
                found="nan" if tensor.isnan().any() else "inf",
                expected="finite weights",
                hint="a training that diverged leaves such weights",
            )


def _refuse(tensors: Tensors, wanted: Iterable[str], path: Path, whose: str) -> NoReturn:
    missing = [name for name in wanted if name not in tensors]
    more = [name for name in tensors if name not in set(wanted)]
    raise fault(
        "E0812",
        f"{path} does not hold the weights of {whose}: "
        f"{len(missing)} are missing, {len(more)} belong to something else",
        found=f"{more[0]}, ..." if more else "",
        expected=f"{missing[0]}, ..." if missing else "",
        hint="say which architecture the weights are of, parameters included",
    )


def write_weights(
    out: Path, tensors: Tensors, program: Program, level: int, device: Device | None = CPU
) -> None:
    """One safetensors file with the names that a network of that level loads."""
    optimised = optimise(program, level, device=device)
    save_checkpoint(out, Checkpoint.of(program, laid_out(optimised, tensors), {"level": level}))


def laid_out(optimised: Optimised, tensors: Tensors) -> dict[str, Tensor]:
    """The weights that an optimised network loads. Raises ArchError E0813 where it cannot.

    What level 2 computes of short floats has more digits than they do, so it becomes float32.
    """
    if optimised.program.deployed:
        tensors = {n: t.float() if _is_short(t) else t for n, t in tensors.items()}
    try:
        return optimised.weights.forward(tensors)
    except UnequalBuffers as error:
        raise fault("E0813", f"{error}", hint="write them with -O 0") from None


def _is_short(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.itemsize < torch.float32.itemsize
