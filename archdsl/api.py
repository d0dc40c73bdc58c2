"""archdsl from Python: what the commands do, as functions. `import archdsl` is enough.

    import archdsl

    space = archdsl.Space("NAME", nodes=7)       # a space that ships; or a file; or the text of one
    a = space.sample(seed=0)                     # an Architecture; a.text is its string
    archdsl.cost(a)["params"]
    archdsl.costs(space, space.samples(10_000))  # many at once; ids(...) as well
    network = archdsl.load(a)                    # a torch.nn.Module
    supernet = archdsl.load(space, supernet=True)
    supernet(x, a)                               # one path; a string does too

X below is an architecture string, a path (.arch, generated .py), `RUN:best`, the text of a file,
an `Architecture` or a `Space`. `space` says where to look the name up, if it is not one that
ships. Nothing but `load` imports torch. Wrong input raises `ArchError`, whose `diagnostics` hold
place, message, found, expected and hint.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from os import PathLike, fspath
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

from archdsl.library import Found, Library, open_space
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.space.wording import exact
from archdsl.syntax.errors import ArchError, Diagnostic, fault
from archdsl.syntax.parse import parse as _parse
from archdsl.syntax.tree import Document

if TYPE_CHECKING:
    from torch import nn

    from archdsl.diff.edits import Diff
    from archdsl.ir.graph import Static

X: TypeAlias = "str | PathLike[str] | Architecture | Space"
Level: TypeAlias = Literal[0, 1]


# --- spaces ----------------------------------------------------------------------------------


class Space:
    """A search space: its size, its architectures, and ways from one to the next. No torch.

    Architectures are given as strings or as `Architecture`; every `seed` is a number or a
    `random.Random`, which is then advanced.
    """

    def __init__(self, named: str | PathLike[str], **parameters: Static) -> None:
        """Open a space by name, file or text, with other parameters than its defaults.

        Raises ArchError for what does not exist or does not make sense.
        """
        opened = _find(named, None).space
        if parameters:
            changed = dict(opened.program.changed) | parameters
            (tree,) = _parse(opened.program.text, opened.program.space).spaces
            opened = open_space(tree, changed)
        self._view = opened

    @property
    def view(self) -> SearchSpace:
        """The space as controllers see it: decisions, choices, prefixes."""
        return self._view

    @property
    def name(self) -> str:
        """Its name, with the parameters that are not at their defaults."""
        return self._view.program.genotype

    @property
    def text(self) -> str:
        """Its canonical text."""
        return self._view.program.text

    @property
    def size(self) -> int:
        """The number of architectures, exact."""
        return self._view.size

    def __len__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        return f"Space({self.name!r}, size={exact(self.size)})"

    def parse(self, text: str | Architecture) -> Architecture:
        """The architecture of a string. Raises ArchError with place, found and expected."""
        if isinstance(text, Architecture):
            return self._view.own(text)
        return self._view.parse(text)

    def parse_many(self, texts: Iterable[str | Architecture]) -> list[Architecture]:
        """The architectures of many strings. Raises ArchError for the first that is wrong."""
        return [self.parse(text) for text in texts]

    def sample(self, seed: int | Random = 0) -> Architecture:
        """An architecture; every one is as likely."""
        return self._view.sample(_random(seed))

    def samples(self, n: int, seed: int | Random = 0) -> list[Architecture]:
        """n architectures, drawn independently."""
        rng = _random(seed)
        return [self._view.sample(rng) for _ in range(n)]

    def rank(self, architecture: str | Architecture) -> int:
        """Its number, from 0 to `size - 1`."""
        return self._view.rank(self.parse(architecture))

    def unrank(self, number: int) -> Architecture:
        """The architecture with a number. Raises ArchError where there is none."""
        return self._view.unrank(number)

    def neighbours(self, architecture: str | Architecture) -> Iterator[Architecture]:
        """All architectures that differ in one decision."""
        return self._view.neighbours(self.parse(architecture))

    def mutate(
        self, architecture: str | Architecture, seed: int | Random = 0, n: int = 1
    ) -> Architecture:
        """The architecture after n random changes of one decision each."""
        return self._view.mutate(self.parse(architecture), _random(seed), n)

    def crossover(
        self, first: str | Architecture, second: str | Architecture, seed: int | Random = 0
    ) -> Architecture:
        """A child that takes every decision as one of its parents does."""
        return self._view.crossover(self.parse(first), self.parse(second), _random(seed))

    def legal(self, prefix: str = "") -> tuple[str, ...]:
        """The tokens that may follow a prefix of a string; `""` stands for the end."""
        return self._view.legal(prefix)

    def extend(self, prefix: str, token: str) -> str:
        """A prefix and one of its legal tokens, spelled canonically."""
        return self._view.extend(prefix, token)


def _random(seed: int | Random) -> Random:
    return seed if isinstance(seed, Random) else Random(seed)


def _find(x: X, space: Space | None) -> Found:
    if isinstance(x, Space):
        view = x.view
        return Found(space=view, architecture=None if view.decisions else view.unrank(0))
    if isinstance(x, Architecture):
        if space is None and x.space is not None:
            return Found(space=x.space, architecture=x)
        x = x.text
    if space is not None and isinstance(x, str):
        return Found(space=space.view, architecture=space.view.parse(x))
    named = fspath(x)
    if "{" in named and not named.endswith((".arch", ".py")):  # no string has braces: a text
        return Library().text(named)
    return Library().find(named)


# --- texts -----------------------------------------------------------------------------------


def parse(text: str, name: str = "<text>") -> Document:
    """The tree of the text of a file; `name` is what errors call it."""
    return _parse(text, name)


def cost(x: X, space: Space | None = None) -> dict[str, int]:
    """What a network costs for one input, exactly, from its text alone.

    `params`, `macs`, `flops` (2 MACs), `live_params` and `live_macs` (what outputs need),
    `activation_bytes` and `peak_bytes` (float32).
    """
    from archdsl.passes.figures import figures

    return figures(_find(x, space).network())


def identity(x: X, space: Space | None = None) -> str:
    """32 hex digits, equal for networks that compute and learn the same: `archdsl id`."""
    from archdsl.passes.identity import identity as named

    return named(_find(x, space).network())


def costs(space: Space, architectures: Iterable[str | Architecture]) -> list[dict[str, int]]:
    """`cost` of many architectures of a space, some hundred times as fast as one by one.

    Raises ArchError for the first string that is wrong.
    """
    from archdsl.passes.many import many

    return many(space.view).costs(space.parse_many(architectures))


def ids(space: Space, architectures: Iterable[str | Architecture]) -> list[str]:
    """`identity` of many architectures of a space: what they have in common is worked out once.

    Raises ArchError for the first string that is wrong.
    """
    from archdsl.passes.many import many

    known = many(space.view)
    return [known.identity(architecture) for architecture in space.parse_many(architectures)]


def diff(a: X, b: X, space: Space | None = None) -> Diff:
    """What turns a into b: `edits` to apply, `changes` to read, costs before and after."""
    from archdsl.diff import diff as compare

    before, after = _find(a, space), _find(b, space)
    common = before.space.program if before.space is after.space else None
    return compare(before.program, after.program, common)


# --- code ------------------------------------------------------------------------------------


@overload
def compile(
    x: X,
    out: None = None,
    *,
    level: Level = 1,
    supernet: bool = False,
    space: Space | None = None,
    device: str | PathLike[str] = "cpu",
) -> str: ...


@overload
def compile(
    x: X,
    out: str | PathLike[str],
    *,
    level: Level = 1,
    supernet: bool = False,
    space: Space | None = None,
    device: str | PathLike[str] = "cpu",
) -> list[Path]: ...


def compile(
    x: X,
    out: str | PathLike[str] | None = None,
    *,
    level: Level = 1,
    supernet: bool = False,
    space: Space | None = None,
    device: str | PathLike[str] = "cpu",
) -> str | list[Path]:
    """The Python of a network, or of a whole space with `supernet`; with `out`, written there.

    `level` 0 is the network as written, 1 optimised, exact in training, for a `device`: `cpu`,
    `gpu`, `none`, or a file that `archdsl tune` wrote. Raises ArchError E0709 for another one
    or another level, E0711 for a file that holds something else.
    """
    from archdsl.compiler import Options, compile_to, source
    from archdsl.passes.device import device_of

    _check_level(level)
    options = Options(level=level, supernet=supernet, device=device_of(fspath(device)))
    found = _find(x, space)
    return source(found, options) if out is None else compile_to(found, Path(out), options)


def load(
    x: X,
    *,
    supernet: bool = False,
    mode: Literal["path", "paths", "mixture"] = "path",
    level: Level = 0,
    checkpoint: bool = False,
    partial_tokens: Fraction | float | None = None,
    partial_channels: Fraction | float | None = None,
    space: Space | None = None,
    device: str | PathLike[str] = "cpu",
) -> nn.Module:
    """A fresh network from its generated file, or the supernet of a space; in training mode.

    A supernet is called with its inputs and an architecture: `supernet(x, choice)`, where
    `choice` is a string, an `Architecture`, or the `Choice` of the generated file. With the mode
    `mixture` all alternatives run, weighed by `gates`: the weights of each decision by its key,
    the gates of the generated file, or an architecture, for 1 and 0. `load_mixture` of the module
    `archdsl.load` says the keys. With the mode `paths` those alternatives run that are given a
    gate, by number: as `archdsl.evaluate.two_paths` draws them. With `checkpoint` cells and blocks
    run again in the backward pass instead of keeping what they compute. Raises ArchError E0906
    where a hole has no mixture, E0907 where `checkpoint` finds no cell and no block. With
    `partial_tokens` the mixtures of tokens run on that share of them (DASViT takes 1/4), the best;
    E0908 where none can.
    With `partial_channels` mixtures of maps run on that share of the channels (PC-DARTS takes 1/4),
    the first; E0909. E0709 for a mode or a share that what is asked for has no use for.
    `device`, of mixtures and of networks at level 1, whose names of weights follow from it: as in
    `compile`.
    """
    from archdsl.compiler import partial
    from archdsl.load import (
        Chosen,
        Running,
        Weighed,
        load_mixture,
        load_network,
        load_paths,
        load_supernet,
    )
    from archdsl.passes.device import device_of
    from archdsl.passes.driver import optimised

    given = {"tokens": partial_tokens, "channels": partial_channels}
    shares = {w: Fraction(k).limit_denominator() for w, k in given.items() if k is not None}
    _check_level(level)
    _check_mode(mode, shares, supernet=supernet)
    rates = device_of(fspath(device))
    found = _find(x, space)
    if not supernet:
        network = optimised(found.network(), level, device=rates)
        return load_network(network, checkpoint=checkpoint)
    if mode == "mixture":
        whole = partial(found, **shares).space
        mixture = load_mixture(whole, checkpoint=checkpoint, device=rates)
        mixture.module.register_forward_pre_hook(Weighed(mixture))
        return mixture.module
    if mode == "paths":
        several = load_paths(found.space, checkpoint=checkpoint)
        several.module.register_forward_pre_hook(Running(several))
        return several.module
    loaded = load_supernet(found.space, checkpoint=checkpoint)
    loaded.module.register_forward_pre_hook(Chosen(loaded))
    return loaded.module


def _check_level(level: int) -> None:
    """Raise E0709 for a level that a network without weights does not have."""
    if level not in (0, 1):
        raise fault(
            "E0709",
            "a network without weights has no such level",
            found=repr(level),
            expected="0 or 1",
            hint="level 2 computes weights anew: archdsl compile -O 2 --weights FILE",
        )


def _check_mode(mode: str, shares: Mapping[str, Fraction], *, supernet: bool) -> None:
    """Raise E0709 for what would mean nothing: a mixture of one network, tokens of a path."""
    if mode not in ("path", "paths", "mixture"):
        raise fault(
            "E0709",
            "a supernet has no such mode",
            found=repr(mode),
            expected="'path', 'paths' or 'mixture'",
        )
    if mode != "path" and not supernet:
        raise fault(
            "E0709",
            f"one network has no {mode}" if mode == "paths" else "one network is no mixture",
            found=f"mode={mode!r} without supernet=True",
            hint=f"write load(space, supernet=True, mode={mode!r})",
        )
    for what, share in shares.items():
        if mode != "mixture":
            raise fault(
                "E0709",
                f"a part of the {what} is for a mixture",
                found=f"partial_{what}={share} without mode='mixture'",
                hint=f"write load(space, supernet=True, mode='mixture', partial_{what}=...)",
            )
        if not 0 < share <= 1:
            raise fault(
                "E0709",
                f"a share of the {what} is out of range",
                found=str(share),
                expected="a number above 0 and up to 1, as 1/4",
            )


__all__ = [
    "ArchError",
    "Architecture",
    "Diagnostic",
    "Document",
    "Space",
    "compile",
    "cost",
    "costs",
    "diff",
    "identity",
    "ids",
    "load",
    "parse",
]
