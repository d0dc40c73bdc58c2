"""Recipes and methods by name: of given files, of a file alone, or those that ship."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from archdsl.resources import shipped_method, shipped_methods, shipped_recipe, shipped_recipes
from archdsl.space.wording import similar
from archdsl.syntax import tree
from archdsl.syntax.errors import ArchError, Diagnostic, fault, hints
from archdsl.syntax.parse import parse

Read = Callable[[str], tree.Document]
"""What a file holds, by its path."""
Written = TypeVar("Written", tree.Train, tree.Method)
Defined = TypeVar("Defined", tree.Space, tree.Train, tree.Method)


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts(Generic[Written]):
    """How recipes, or methods, are found by name."""

    what: str
    keyword: str
    code: str
    of: Callable[[tree.Document], Sequence[Written]]
    names: Callable[[], tuple[str, ...]]
    text: Callable[[str], str | None]

    def find(self, named: str, known: dict[str, Written], read: Read, beside: str = "") -> Written:
        """The only one of a file, one that is known, or one that ships and then is; before these
        comes the only one of the file `beside`, where that has any."""
        if beside and (found := self.of(read(beside))):
            return self._only(found, beside)
        if named.endswith(".arch"):
            return self._only(self.of(read(named)), named)
        if named not in known:
            text = self.text(named)
            if text is None:
                names = [*known, *self.names()]
                raise fault(
                    self.code,
                    f"no {self.what} is called {named}",
                    found=named,
                    expected=", ".join(names),
                    hint=hints(similar(named, names), "one of your own: a file NAME.arch"),
                )
            (known[named],) = self.of(parse(text, f"{named}.arch"))
        return known[named]

    def _only(self, found: Sequence[Written], named: str) -> Written:
        if len(found) != 1:
            raise fault(
                self.code,
                f"{named} holds {len(found)} {self.what}s",
                found=", ".join(one.name for one in found),
                expected=f"one `{self.keyword} NAME {{ ... }}`",
                hint=f"name one: --{self.what} {found[0].name} --space {named}" if found else "",
            )
        return found[0]


RECIPES: Texts[tree.Train] = Texts(
    what="recipe",
    keyword="train",
    code="E0831",
    of=lambda document: document.recipes,
    names=shipped_recipes,
    text=shipped_recipe,
)
METHODS: Texts[tree.Method] = Texts(
    what="method",
    keyword="method",
    code="E0861",
    of=lambda document: document.methods,
    names=shipped_methods,
    text=shipped_method,
)


def keep(known: dict[str, Defined], found: Iterable[Defined], what: str) -> None:
    """Add what a file has. Raises ArchError E0703 for each one whose name is known."""
    found = tuple(found)
    findings = twice((*known.values(), *found), what)
    if findings:
        raise ArchError(findings)
    known |= {one.name: one for one in found}


def twice(found: Iterable[Defined], what: str) -> list[Diagnostic]:
    """A finding E0703 for each one whose name another one before it has."""
    names: set[str] = set()
    findings = []
    for one in found:
        if one.name in names:
            said = f"two {what} are called {one.name}"
            findings.append(Diagnostic(code="E0703", message=said, span=one.span))
        names.add(one.name)
    return findings
