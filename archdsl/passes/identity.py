"""When two networks are the same: a name for what a network computes and can learn.

Two networks have one identity if they are equal up to the names of weights, the order and
nesting of sums, dead code, zeros, identities, and repeated operations without weights. Weights
count: an operation with weights is never merged with another, nor dropped because its input is
zero, so networks with one identity have the same live parameters.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from archdsl.ir.graph import Program
from archdsl.ir.printer import print_graph
from archdsl.ir.resolve import resolve
from archdsl.ir.scopes import deciding
from archdsl.passes.shape import MAX_KEPT, Shaped, shaped
from archdsl.passes.terms import INNER, Form, Known, form_of
from archdsl.passes.uses import Decided, Use, distinct, uses
from archdsl.space.forest import Partial


def identity(program: Program) -> str:
    """The identity of a network as 32 hex digits, the same on every machine.

    Raises ValueError for a space: its holes are not decided.
    """
    if any(graph.holes for graph in program.modules.values()):
        raise ValueError("a space has no identity, only its architectures have")
    return Identities(program, ()).of(())


class _Undecided(Exception):
    """What has to be named has holes: the architecture is to be resolved first."""


class _Named(NamedTuple):
    """A module under its decisions: the name of its canonical form, and what is known of it."""

    digest: bytes
    known: Known


@dataclass(slots=True, eq=False)
class _Forms:
    """What graphs of one shape are, by what they decide and use."""

    shape: Shaped
    forms: dict[Hashable, Form] = field(default_factory=dict)

    def get(self, decided: Decided, inner: Sequence[_Named | None], names: Sequence[bytes]) -> Form:
        known = tuple([used and used.known for used in inner])
        ranks = tuple([names.index(used.digest) if used else 0 for used in inner])
        key = (decided, known, ranks) if inner else decided
        found = self.forms.get(key)
        if found is None:
            if len(self.forms) >= MAX_KEPT:
                self.forms.clear()
            found = self.forms[key] = form_of(self.shape, decided, known, ranks)
        return found


class Identities:
    """The identities of the architectures of one program.

    What a module is under its decisions is worked out once for all widths at which it is used,
    whatever else an architecture decides.
    """

    def __init__(self, program: Program, keys: Sequence[str]) -> None:
        """`keys` are those of the program's decisions, in the order of an architecture's."""
        self._root = uses(program, keys)
        self._known: dict[Partial, str] = {}
        self._shaped: dict[int, Shaped] = {}
        self._forms: dict[int, _Forms] = {}
        self._program = program
        self._keys = tuple(keys)
        self._open = deciding(program)
        self._elastic = any(
            node.sizes is not None for graph in program.modules.values() for node in graph.nodes
        )
        shapes: dict[object, _Forms] = {}
        for use in distinct(self._root):
            shape = shaped(use)
            self._shaped[id(use)] = shape
            self._forms[id(use)] = shapes.setdefault(shape.key, _Forms(shape))

    def of(self, choices: Partial) -> str:
        """The identity of the architecture with these choices, as `identity` gives it."""
        found = self._known.get(choices)
        if found is None:
            if len(self._known) >= MAX_KEPT:
                self._known.clear()
            found = self._known[choices] = self._find(choices)
        return found

    def _find(self, choices: Partial) -> str:
        if self._elastic:
            return self._resolved(choices)
        try:
            return self._named(self._root, choices, {}).digest.hex()
        except _Undecided:
            return self._resolved(choices)

    def _resolved(self, choices: Partial) -> str:
        """By way of a program for the architecture alone."""
        pairs = zip(self._keys, choices, strict=True)
        taken = {key: took for key, took in pairs if took is not None}
        return identity(resolve(self._program, taken, ""))

    def _named(self, use: Use, choices: Partial, done: dict[int, _Named]) -> _Named:
        known = done.get(id(use))
        if known is not None:
            return known
        shape, decided = self._shaped[id(use)], use.decided(choices)
        inner: list[_Named | None] = [None] * len(shape.inner)
        for number, tied in shape.alive(decided):
            inner[number] = self._inner(shape.inner[number], choices, done, tied)
        names = sorted({used.digest for used in inner if used}) if inner else []
        form = self._forms[id(use)].get(decided, inner, names)
        parts = [shape.digests[i] if i < INNER else names[i - INNER] for i in form.labels]
        digest = blake2b(b"".join((form.digest, *parts)), digest_size=16).digest()
        made = done[id(use)] = _Named(digest, form.known)
        return made

    def _inner(self, use: Use, choices: Partial, done: dict[int, _Named], tied: bool) -> _Named:
        used = self._named(use, choices, done)
        if not (tied and used.known.weights):
            return used
        # Tied uses with different types share weights by name, so names matter below.
        if use.module in self._open:
            raise _Undecided
        written = print_graph(use.graph, "").encode()
        return used._replace(digest=blake2b(used.digest + written, digest_size=16).digest())
