"""Other people's weights: whose tensor is which of ours, by rules on names.

A rule renames what another library calls a module or a tensor. Nothing goes by order or by shape
alone: two layers of one shape would change places unseen. What the rules do not say, what is left
over and what has another shape is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from archdsl.syntax.errors import ArchError, fault

Shapes = Mapping[str, tuple[int, ...]]
SHOWN = 3
HINT = "name the architecture with the parameters of these weights: depth, width, classes"


@dataclass(frozen=True, slots=True)
class Rule:
    """`theirs` is a name with places for numbers, `layer{i}.{j}.conv1.`; `ours` may count from
    another number, `stage{i-1}.{j}.`. Ending with a dot both are modules, whose tensors have one
    name on both sides.
    """

    theirs: str
    ours: str

    def rename(self, name: str) -> str | None:
        """Our name for one of theirs, or None where the rule does not speak of it."""
        places = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>0|[1-9]\\d*)", re.escape(self.theirs))
        rest = r"(?P<tensor_>[^.]+)" if self.theirs.endswith(".") else ""
        found = re.fullmatch(places + rest, name)
        if found is None:
            return None
        numbers = {key: value for key, value in found.groupdict().items() if key != "tensor_"}

        def written(place: re.Match[str]) -> str:
            return str(int(numbers[place[1]]) + int(place[2] or 0))

        return re.sub(r"\{(\w+?)([+-]\d+)?\}", written, self.ours) + (
            found["tensor_"] if rest else ""
        )


Rules = tuple[Rule, ...]


def rules(text: str) -> Rules:
    """Rules, one a line: `theirs -> ours`. The first that speaks of a name counts."""
    pairs = (line.split("->") for line in text.splitlines() if line.strip())
    return tuple(Rule(theirs.strip(), ours.strip()) for theirs, ours in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Whose weights they are, and the rules for each of our spaces whose network it has."""

    name: str
    spaces: Mapping[str, Rules]

    def rules_for(self, space: str) -> Rules:
        """Raises ArchError: E0646 for a space that the library is not known to have."""
        if space not in self.spaces:
            raise fault(
                "E0646",
                f"it is not known how {self.name} names the weights of {space}",
                found=space,
                expected=", ".join(self.spaces),
            )
        return self.spaces[space]


def assign(rules: Rules, theirs: Shapes, ours: Shapes, source: str) -> dict[str, str]:
    """Our name -> theirs, for all of ours and all of theirs, each once.

    Shapes agree but for axes of length 1. `source` is what the file is called in errors.

    Raises:
        ArchError: E0647, once for each way in which the two sets do not fit.
    """
    found: dict[str, list[str]] = {}
    unknown: list[str] = []
    for name in theirs:
        renamed = next((new for rule in rules if (new := rule.rename(name)) is not None), None)
        if renamed in ours:
            found.setdefault(str(renamed), []).append(name)
        else:
            unknown.append(name)
    missing = [name for name in ours if name not in found]
    twice = [name for names in found.values() if len(names) > 1 for name in names]
    first = {mine: names[0] for mine, names in found.items()}
    unequal = [(m, t) for m, t in first.items() if _long(ours[m]) != _long(theirs[t])]
    errors = [*_refusals(unknown, missing, twice, source), *_shapes(unequal, theirs, ours, source)]
    if errors:
        raise ArchError([finding for error in errors for finding in error.diagnostics])
    return first


def _long(shape: Iterable[int]) -> tuple[int, ...]:
    """A shape without its axes of length 1, which only say where a tensor repeats."""
    return tuple(axis for axis in shape if axis != 1)


def _refusals(
    unknown: list[str], missing: list[str], twice: list[str], source: str
) -> Iterator[ArchError]:
    if unknown:
        yield fault(
            "E0647",
            f"{source} holds {_tensors(unknown)} that the network has no place for",
            found=_listed(unknown),
            hint=HINT,
        )
    if missing:
        yield fault(
            "E0647",
            f"{source} lacks {_tensors(missing)} of the network",
            expected=_listed(missing),
            hint=HINT,
        )
    if twice:
        yield fault("E0647", f"{source} holds tensors for one place twice", found=_listed(twice))


def _shapes(
    unequal: list[tuple[str, str]], theirs: Shapes, ours: Shapes, source: str
) -> Iterator[ArchError]:
    for mine, name in unequal[:SHOWN]:
        yield fault(
            "E0647",
            f"{name} in {source} has another shape than {mine} of the network",
            found=" x ".join(map(str, theirs[name])),
            expected=" x ".join(map(str, ours[mine])),
            hint=HINT,
        )


def _tensors(names: list[str]) -> str:
    return f"{len(names)} tensor{'s' if len(names) > 1 else ''}"


def _listed(names: list[str]) -> str:
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
