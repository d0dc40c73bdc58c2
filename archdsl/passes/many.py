"""Costs and identities of many architectures of one space, without a network of each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from weakref import WeakKeyDictionary

from archdsl.passes.figures import figures
from archdsl.passes.identity import Identities
from archdsl.passes.prices import Prices
from archdsl.passes.tariff import Unpriced
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace

FEW = 64
"""Up to so many networks are priced before arrays of them pay for themselves."""


class Many:
    """What is known of the architectures of a space, kept for the next ones."""

    def __init__(self, space: SearchSpace) -> None:
        self._program = space.program
        self._keys = tuple(decision.key for decision in space.decisions)

    @cached_property
    def _identities(self) -> Identities:
        return Identities(self._program, self._keys)

    @cached_property
    def _prices(self) -> Prices | None:
        try:
            return Prices(self._program, self._keys)
        except Unpriced:
            return None

    def prepare(self) -> None:
        """Work out now what the first question would wait for."""
        _ = self._identities, self._prices

    def identity(self, architecture: Architecture) -> str:
        """As `identity` gives it for the network."""
        return self._identities.of(architecture.choices)

    def costs(self, architectures: Sequence[Architecture]) -> list[dict[str, int]]:
        """As `figures` gives them for each network."""
        if len(architectures) <= FEW or self._prices is None:
            return [figures(_space(one).resolve(one)) for one in architectures]
        return list(self._prices.of([one.choices for one in architectures]))


def _space(architecture: Architecture) -> SearchSpace:
    assert architecture.space is not None
    return architecture.space


_KNOWN: WeakKeyDictionary[SearchSpace, Many] = WeakKeyDictionary()


def many(space: SearchSpace) -> Many:
    """What is known of a space so far."""
    found = _KNOWN.get(space)
    if found is None:
        found = _KNOWN[space] = Many(space)
    return found
