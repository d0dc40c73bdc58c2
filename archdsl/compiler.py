"""The pipeline on one page: from what a user names to programs, and from programs to files.

    text --parse--> tree --elaborate--> program with holes --resolve--> network --optimise-->
    program --codegen--> Python

Everything here handles text only; torch is never imported.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from pathlib import Path

from archdsl.codegen import network_source, supernet_source
from archdsl.files import read_text, write_whole
from archdsl.ir.cost import cost
from archdsl.ir.elaborate import elaborate
from archdsl.ir.graph import Constraint, Program, Static
from archdsl.ir.printer import print_program
from archdsl.passes.driver import optimise
from archdsl.passes.live import live_nodes
from archdsl.resources import shipped_space, shipped_spaces
from archdsl.space.architecture import Architecture
from archdsl.space.parameters import parameters_of
from archdsl.space.view import SearchSpace
from archdsl.syntax import tree
from archdsl.syntax.errors import fault
from archdsl.syntax.parse import parse, parse_genotype
from archdsl.syntax.printer import canonical


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

    def network(self) -> Program:
        """The network; E0705 for a space whose holes are open."""
        if self.architecture is None:
            name = self.space.program.genotype
            raise fault(
                "E0705",
                f"{name} is a whole space, not one architecture",
                found=f"{self.space.size:,} architectures",
                hint=f"name one, or draw one: archdsl sample {name}",
            )
        return self.space.resolve(self.architecture)


class Library:
    """Finds spaces by name: in the given files first, then among those that ship.

    Elaborated spaces are kept, so that a thousand strings of one space cost one elaboration.
    """

    def __init__(self, files: Sequence[Path] = ()) -> None:
        """Raises ArchError where a file cannot be read or parsed, or two spaces share a name."""
        self._trees: dict[str, tree.Space] = {}
        self._spaces: dict[tuple[str, tuple[tuple[str, Static], ...]], SearchSpace] = {}
        for file in files:
            for space in read_document(file).spaces:
                if space.name in self._trees:
                    raise fault("E0703", f"two spaces are called {space.name}", space.span)
                self._trees[space.name] = space

    def find(self, named: str) -> Found:
        """What a string, a file, a generated `.py` or `RUN:best` stands for.

        Raises ArchError for whatever does not exist or does not make sense.
        """
        if named.endswith(".arch"):
            return self._whole(self._file(Path(named)), {})
        if named.endswith(".py"):
            return self._generated(Path(named))
        if ":" in named:
            return self._run(named)
        genotype = parse_genotype(named)
        return self._string(genotype)

    def space(self, name: str, parameters: Mapping[str, Static] | None = None) -> SearchSpace:
        """A space by its name, with parameters."""
        return self._open(self._tree(name, None), parameters or {})

    def _string(self, genotype: tree.Genotype) -> Found:
        space = self._open(self._tree(genotype.space, genotype.span), parameters_of(genotype))
        if not genotype.groups and space.decisions:
            return Found(space=space, architecture=None)
        return Found(space=space, architecture=space.parse(genotype))

    def _whole(self, space: tree.Space, parameters: Mapping[str, Static]) -> Found:
        opened = self._open(space, parameters)
        only = opened.unrank(0) if not opened.decisions else None
        return Found(space=opened, architecture=only)

    def _file(self, path: Path) -> tree.Space:
        spaces = read_document(path).spaces
        if len(spaces) != 1:
            names = ", ".join(space.name for space in spaces)
            raise fault(
                "E0704",
                f"{path} holds {len(spaces)} spaces",
                spaces[1].span,
                found=names,
                hint=f"name one: archdsl ... {spaces[0].name} --space {path}",
            )
        return spaces[0]

    def _generated(self, path: Path) -> Found:
        """A generated file: the string and the text of its space that it carries."""
        name, text = carried(read_text(path), path)
        own = Library()
        for space in parse(text, f"{path} (the space at its end)").spaces:
            own._trees[space.name] = space
        return own._string(parse_genotype(name, str(path)))

    def _run(self, named: str) -> Found:
        folder, _, which = named.rpartition(":")
        path = Path(folder) / "network.py"
        if which != "best":
            raise fault("E0702", f"{which} of a run is not known", found=which, expected="best")
        if not path.is_file():
            raise fault(
                "E0702",
                f"{folder} has no best architecture yet",
                found=f"no {path}",
                expected="a folder of a finished search",
                hint="run archdsl search with -o to the end first",
            )
        return self._generated(path)

    def _tree(self, name: str, span: tree.Span | None) -> tree.Space:
        if name not in self._trees:
            text = shipped_space(name)
            if text is None:
                raise fault(
                    "E0701",
                    f"no space is called {name}",
                    span and replace(span, end=span.start + len(name)),
                    found=name,
                    expected=", ".join(sorted({*self._trees, *shipped_spaces()})),
                    hint="give its file with --space FILE",
                )
            for space in parse(text, f"{name}.arch").spaces:
                self._trees.setdefault(space.name, space)
        return self._trees[name]

    def _open(self, space: tree.Space, parameters: Mapping[str, Static]) -> SearchSpace:
        key = (space.name, tuple(sorted(parameters.items())))
        known = self._trees.get(space.name)
        if known is not space or key not in self._spaces:
            opened = open_space(space, parameters)
            if known is not space:
                return opened
            self._spaces[key] = opened
        return self._spaces[key]


def open_space(space: tree.Space, parameters: Mapping[str, Static] | None = None) -> SearchSpace:
    """A space elaborated, with its `where` constraints on what is drawn from it."""
    program = elaborate(space, parameters)
    if not program.constraints:
        return SearchSpace(program)
    opened = SearchSpace(program)
    return SearchSpace(program, lambda one: not violated(opened.resolve(one)))


def read_document(path: Path) -> tree.Document:
    """A file parsed; `-` is standard input."""
    return parse(read_text(path), str(path))


COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}


def violated(network: Program) -> tuple[Constraint, ...]:
    """The constraints of its space that a network does not keep."""
    if not network.constraints:
        return ()
    known = figures(network)
    return tuple(
        constraint
        for constraint in network.constraints
        if not COMPARE[constraint.operator](known[constraint.metric], constraint.bound)
    )


def figures(network: Program) -> dict[str, int]:
    """The costs of a network by name; `live_` ones leave out what no output needs."""
    written, live = cost(network), cost(network, live_nodes(network))
    return {
        "params": written.params,
        "macs": written.macs,
        "live_params": live.params,
        "live_macs": live.macs,
        "flops": 2 * written.macs,
        "activation_bytes": written.activation_bytes,
        "peak_bytes": written.peak_bytes,
    }


# --- files -----------------------------------------------------------------------------------


class Stage(Enum):
    """Where `--emit` stops."""

    TREE = "tree"
    IR = "ir"
    IR_OPT = "ir-opt"
    CODE = "code"


def emit(found: Found, stage: Stage, *, level: int = 1, supernet: bool = False) -> str:
    """The text of one stage of the pipeline."""
    program = found.space.program if supernet else found.network()
    match stage:
        case Stage.TREE:
            return program.text
        case Stage.IR:
            return print_program(program)
        case Stage.IR_OPT:
            return print_program(program if supernet else optimise(program, level).program)
        case Stage.CODE:
            return source(found, level=level, supernet=supernet)


def source(found: Found, *, level: int = 1, supernet: bool = False, format: bool = True) -> str:
    """The Python of a network at an optimisation level, or of the whole space."""
    if supernet:
        return supernet_source(found.space.program, format=format)
    return network_source(optimise(found.network(), level).program, format=format)


def compile_to(
    found: Found, folder: Path, *, level: int = 1, supernet: bool = False, format: bool = True
) -> list[Path]:
    """Write `network.py`, and `supernet.py` where asked for or nothing else is there.

    Files are replaced whole. Raises ArchError E0707 where the folder cannot be written.
    """
    written = []
    if found.architecture is not None:
        text = source(found, level=level, format=format)
        written.append(write_whole(folder / "network.py", text))
    if supernet or found.architecture is None:
        text = source(found, supernet=True, format=format)
        written.append(write_whole(folder / "supernet.py", text))
    return written


HEADER = "# archdsl "


def carried(source: str, path: Path) -> tuple[str, str]:
    """The architecture string and the space's text that a generated file carries.

    Nothing of the file is run. Raises ArchError E0706 where it carries none.
    """
    name = None
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        body = []
    for statement in body:
        match statement:
            case ast.Assign(
                targets=[ast.Name(id="ARCHITECTURE" | "SPACE")], value=ast.Constant(value=str(text))
            ):
                name = text
            case _:
                pass
    lines = source.splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith(HEADER)]
    if name is None or not starts:
        raise fault(
            "E0706",
            f"{path} was not generated by archdsl",
            found="no architecture and space inside",
            expected="network.py or supernet.py as archdsl compile writes them",
        )
    return name, "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[starts[-1] :])
