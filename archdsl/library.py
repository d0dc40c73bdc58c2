"""What a user names: a string, a file, a generated `.py`, `RUN:best`; and spaces by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from archdsl.files import read_text
from archdsl.ir.elaborate import elaborate
from archdsl.ir.graph import Program, Static
from archdsl.ir.limits import Limits
from archdsl.recipes import Recipe, whole_recipe
from archdsl.resources import shipped_space, shipped_spaces
from archdsl.space.architecture import Architecture
from archdsl.space.parameters import parameters_of
from archdsl.space.view import SearchSpace
from archdsl.space.wording import number, similar
from archdsl.syntax import tree
from archdsl.syntax.errors import ArchError, Diagnostic, fault, hints
from archdsl.syntax.parse import parse, parse_genotype
from archdsl.syntax.use import joined
from archdsl.texts import METHODS, RECIPES, keep, twice

FROM_A_FILE = "a space of your own is known where --space FILE gives its file"

Given = tuple[tuple[str, Static], ...]
"""Parameters of a space, sorted by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a user named: a space, or one architecture of it.

    `architecture` is None where holes are left open.
    """

    space: SearchSpace
    architecture: Architecture | None

    @property
    def program(self) -> Program:
        """The network as written, or the whole space with its holes."""
        if self.architecture is None:
            return self.space.program
        return self.space.resolve(self.architecture)

    def keep_constraints(self) -> None:
        """Raise E0522 where an architecture breaks a `where` of its space."""
        if self.architecture is not None and self.space.program.constraints:
            from archdsl.passes.constraints import rules

            rules(self.space).require(self.architecture)

    def network(self) -> Program:
        """The network; E0705 for a space whose holes are open."""
        return self.space.resolve(self.require())

    def require(self) -> Architecture:
        """The architecture; E0705 for a space whose holes are open."""
        if self.architecture is None:
            raise fault(
                "E0705",
                f"{self.space.program.genotype} is a whole space, not one architecture",
                found=f"{number(self.space.size)} architectures",
                hint=f"name one, or draw one: archdsl sample {_reached(self.space.program)}",
            )
        return self.architecture


def _reached(program: Program) -> str:
    """How a command reaches a space: by name if it ships, else with its file."""
    span = program.net.span
    file = span.source.name if span is not None else ""
    if program.space in shipped_spaces() or not file.endswith(".arch"):
        return f"'{program.genotype}'"
    return f"'{program.genotype}' --space {file}" if program.changed else file


class Library:
    """Finds spaces by name: in the given files first, then among those that ship.

    Elaborated spaces are kept, so that a thousand strings of one space cost one elaboration.
    """

    def __init__(self, files: Sequence[Path] = (), limits: Limits | None = None) -> None:
        """Raises ArchError where a file cannot be read or parsed, or two spaces share a name."""
        self.limits = limits or Limits()
        self._trees: dict[str, tree.Space] = {}
        self._opened: dict[tuple[str, Given], SearchSpace] = {}
        self._heads: dict[str, SearchSpace] = {}
        self._uses: list[str] = []
        self._recipes: dict[str, tree.Train] = {}
        self._methods: dict[str, tree.Method] = {}
        self._documents: dict[str, tree.Document] = {}
        for file in files:
            self._add(parse(read_text(file), str(file)), file.parent)
        self.given = tuple(self._trees)
        """The spaces of the given files, whose names come before those that ship."""

    def _add(self, document: tree.Document, folder: Path | None = None) -> None:
        keep(self._recipes, document.recipes, "recipes")
        keep(self._methods, document.methods, "methods")
        used = self._used(document, folder)
        keep(self._trees, (joined(space, used) for space in document.spaces), "spaces")

    # --- what is named -------------------------------------------------------------------------

    def find(self, named: str) -> Found:
        """What a string, a file, a generated `.py` or `RUN:best` stands for.

        Raises ArchError for whatever does not exist or does not make sense.
        """
        if named == "-" or named.endswith(".arch"):
            folder = None if named == "-" else Path(named).parent
            document = self._documents[named] = parse(read_text(Path(named)), named)
            return self._only(document, named, folder)
        if named.endswith(".py"):
            return self._generated(Path(named))
        if ":" in named:
            return self._run(named)
        return self.string(named)

    def text(self, text: str, name: str = "<text>") -> Found:
        """The only space of a text, as `find` gives it for a file."""
        return self._only(parse(text, name), name)

    def string(self, text: str) -> Found:
        """The architecture that a string names, or the space where it names no more."""
        known = self._heads.get(text.partition("/")[0])
        if known is not None and "/" in text:  # seen before: no need to read the head again
            return Found(space=known, architecture=known.parse(text))
        return self._genotype(_read(text))

    def space(self, name: str, parameters: Mapping[str, Static] | None = None) -> SearchSpace:
        """A space by its name, with parameters."""
        return self._open(self._tree(name, None), parameters or {})

    def names(self) -> tuple[str, ...]:
        """The spaces of the given files, then those that ship."""
        return tuple(dict.fromkeys((*self.given, *shipped_spaces())))

    def all_in(self, path: Path) -> Iterator[Found | Recipe | tree.Method]:
        """Every space of a file, with its parameters at their defaults, then every recipe, then
        every method as it is written. `-` is standard input. Its recipes are known from then on,
        after those of the given files.

        Raises ArchError with what is wrong in any of them, after the last that is right.
        """
        document = parse(read_text(path), str(path))
        used = self._used(document, None if str(path) == "-" else path.parent)
        findings: list[Diagnostic] = []
        for space in document.spaces:
            try:
                yield _whole(open_space(joined(space, used), None, self.limits))
            except ArchError as error:
                findings += error.diagnostics
        for recipe in document.recipes:
            try:
                yield whole_recipe(recipe)
            except ArchError as error:
                findings += error.diagnostics
        self._know(document)
        yield from document.methods
        findings += twice(document.spaces, "spaces")
        findings += twice(document.recipes, "recipes")
        findings += twice(document.methods, "methods")
        if findings:
            raise ArchError(findings)

    def recipe(self, named: str) -> Recipe:
        """The recipe that a file holds alone, or that one of the given files or ours calls so.

        Raises ArchError E0831 where there is none, E0830 where it means nothing.
        """
        return whole_recipe(self.written_recipe(named))

    def written_recipe(self, named: str, beside: str = "") -> tree.Train:
        """The same as it is written; before it comes the only one of the file `beside`, where that
        has any. Raises ArchError E0831 where there is none."""
        return RECIPES.find(named, self._recipes, self._document, beside)

    def written_method(self, named: str, beside: str = "") -> tree.Method:
        """The method that a file holds alone, or that one of the given files or ours calls so;
        before it comes the only one of the file `beside`, where that has any. The recipes that
        stand in its file are known from then on, after those of the given files.

        Raises ArchError E0861 where there is none.
        """
        found = METHODS.find(named, self._methods, self._document, beside)
        document = self._documents.get(found.span.source.name)
        if document:
            self._know(document)
        return found

    def _know(self, document: tree.Document) -> None:
        """Add the recipes of a document that is no given file, where the name is free."""
        for recipe in document.recipes:
            self._recipes.setdefault(recipe.name, recipe)

    def _document(self, path: str) -> tree.Document:
        """What a file holds, read once where `find` has just read it."""
        if path not in self._documents:
            self._documents[path] = parse(read_text(Path(path)), path)
        return self._documents[path]

    def _only(self, document: tree.Document, name: str, folder: Path | None = None) -> Found:
        self._know(document)
        if not document.spaces:
            raise fault(
                "E0704",
                f"{name} holds no space",
                (document.recipes or document.methods)[0].span,
                found=f"train {document.recipes[0].name}"
                if document.recipes
                else f"method {document.methods[0].name}",
                expected="space NAME { ... }",
                hint=f"archdsl run SPACE --{'recipe' if document.recipes else 'method'} {name}",
            )
        first, *others = document.spaces
        if others:
            raise fault(
                "E0704",
                f"{name} holds {len(document.spaces)} spaces",
                others[0].span,
                found=", ".join(space.name for space in document.spaces),
                hint=f"name one: {first.name} --space {name}",
            )
        return _whole(open_space(joined(first, self._used(document, folder)), None, self.limits))

    def _generated(self, path: Path) -> Found:
        """A generated file: the string and the text of its space that it carries."""
        from archdsl.carried import carried

        name, text = carried(read_text(path), path)
        own = Library(limits=self.limits)
        own._add(parse(text, f"{path} (the space at its end)"))
        genotype = parse_genotype(name, str(path))
        if genotype.space not in own._trees:  # never another space of that name
            raise fault(
                "E0706",
                f"{path} does not carry the space of its architecture",
                found=", ".join(own._trees),
                expected=genotype.space,
            )
        return own._genotype(genotype)

    def _run(self, named: str) -> Found:
        folder, _, which = named.rpartition(":")
        path = Path(folder) / "network.py"
        if which != "best":
            from archdsl.formats.hints import no_string

            unknown = fault(
                "E0702",
                f"'{which}' of a run is not known",
                found=named,
                expected="RUN:best",
                hint="a string has no `:`, a run is named with `:best`",
            )
            raise no_string(unknown, named)
        if not path.is_file():
            raise fault(
                "E0702",
                f"{folder} has no best architecture yet",
                found=f"no {path}",
                expected="a folder of a finished search",
                hint="run archdsl search with -o to the end first",
            )
        return self._generated(path)

    # --- spaces --------------------------------------------------------------------------------

    def _genotype(self, genotype: tree.Genotype) -> Found:
        space = self._tree(genotype.space, genotype.span)
        _check_names(space, genotype)
        opened = self._open(space, parameters_of(genotype))
        if not genotype.groups and opened.decisions:
            return Found(space=opened, architecture=None)
        found = Found(space=opened, architecture=opened.parse(genotype))
        self._heads[opened.program.genotype] = opened
        return found

    def _tree(self, name: str, span: tree.Span | None) -> tree.Space:
        if name not in self._trees:
            text = shipped_space(name)
            if text is None:
                known = sorted({*self._trees, *shipped_spaces()})
                raise fault(
                    "E0701",
                    f"no space is called {name}",
                    span and replace(span, end=span.start + len(name)),
                    found=name,
                    expected=", ".join(known),
                    hint=f"{name}.arch is here: give it with --space {name}.arch"
                    if Path(f"{name}.arch").is_file()
                    else hints(similar(name, known), FROM_A_FILE),
                )
            document = parse(text, f"{name}.arch")
            for space in document.spaces:
                self._trees.setdefault(space.name, joined(space, self._used(document)))
        return self._trees[name]

    def _open(self, space: tree.Space, parameters: Mapping[str, Static]) -> SearchSpace:
        key = (space.name, tuple(sorted(parameters.items())))
        if key not in self._opened:
            self._opened[key] = open_space(space, parameters, self.limits)
        return self._opened[key]

    def _used(self, document: tree.Document, folder: Path | None = None) -> list[tree.Space]:
        """The spaces that `use NAME` names: of given files, of files beside it, or that ship."""
        return [self._using(name, _place(document, name), folder) for name in document.uses]

    def _using(self, name: str, span: tree.Span, folder: Path | None) -> tree.Space:
        if name in self._uses:
            raise fault(
                "E0311",
                f"{name} uses itself",
                span,
                found=" -> ".join((*self._uses[self._uses.index(name) :], name)),
                hint="move what both need into a third space",
            )
        self._uses.append(name)
        try:
            beside = folder / f"{name}.arch" if folder else None
            if name in self._trees or beside is None or not beside.is_file():
                return self._tree(name, span)
            document = parse(read_text(beside), str(beside))
            spaces = {space.name: space for space in document.spaces}
            if name not in spaces:
                raise fault(
                    "E0701",
                    f"no space in {beside} is called {name}",
                    span,
                    found=", ".join(spaces),
                    expected=name,
                )
            return joined(spaces[name], self._used(document, folder))
        finally:
            self._uses.pop()


def _read(text: str) -> tree.Genotype:
    """A string as a tree. Raises ArchError, with a hint where it is another tool's."""
    try:
        return parse_genotype(text)
    except ArchError as error:
        from archdsl.formats.hints import no_string

        raise no_string(error, text) from None


def _place(document: tree.Document, name: str) -> tree.Span:
    """Where a document says that it uses a space."""
    found = re.search(rf"\buse\s+({name})\b", document.span.source.text)
    start, end = found.span(1) if found else (0, 0)
    return replace(document.span, start=start, end=end)


def open_space(
    space: tree.Space,
    parameters: Mapping[str, Static] | None = None,
    limits: Limits | None = None,
) -> SearchSpace:
    """A space elaborated, with its `where` constraints on what is drawn from it."""
    program = elaborate(space, parameters, limits)
    if not program.constraints:
        return SearchSpace(program)
    from archdsl.passes.constraints import constrained

    return constrained(program)


def _whole(opened: SearchSpace) -> Found:
    """A space, or its only architecture where it leaves nothing to decide."""
    only = None if opened.decisions else opened.unrank(0)
    return Found(space=opened, architecture=only)


def _check_names(space: tree.Space, genotype: tree.Genotype) -> None:
    """Parameters of a string that its space does not have, told at their place in the string."""
    known = [parameter.name for parameter in space.parameters]
    findings = [
        Diagnostic(
            code="E0611",
            message=f"{space.name} has no parameter {argument.name}",
            span=argument.span,
            found=argument.name or "",
            expected=", ".join(known) or "no parameters",
            hint=similar(argument.name or "", known),
        )
        for argument in genotype.parameters
        if argument.name not in known
    ]
    if findings:
        raise ArchError(findings)
