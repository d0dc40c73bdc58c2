"""Commands on text alone: check, lint, fmt, new, spaces, explain."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

import typer

from archdsl.cli.command import FINDINGS, Session, Several, command
from archdsl.cli.output import exit_code, put, put_json, report
from archdsl.space.wording import exact, number, short
from archdsl.syntax import tree
from archdsl.syntax.errors import ArchError, Diagnostic, fault

if TYPE_CHECKING:
    from archdsl.library import Found
    from archdsl.recipes import Recipe
    from archdsl.space.view import SearchSpace

app = typer.Typer()

NARROWEST = 24
"""Characters below which a column is not worth its place."""


# --- check -----------------------------------------------------------------------------------


@command(app)
def check(session: Session, named: Several) -> int:
    """Say what is wrong with texts and strings.

    Place, found, expected and hint; several findings in one run. Every space of a file is
    elaborated with its defaults; '-' reads one file. Standard output has one line for each X
    that is fine.
    """
    worst = 0
    for name in named:
        try:
            found = list(_checked(session, name))
        except ArchError as error:
            worst = max(worst, FINDINGS if _is_of(error, name) else exit_code(error))
            _refused(session, name, error)
        else:
            _accepted(session, name, found)
    return worst


def _is_of(error: ArchError, file: str) -> bool:
    """Whether a file itself has all that is wrong, whatever its code says elsewhere."""
    places = [one.span for one in error.diagnostics]
    return all(place is not None and place.source.name == str(Path(file)) for place in places)


def _checked(session: Session, name: str) -> Iterator[Found | Recipe | str]:
    """All of a file, or what a string names; a method as the words for it.

    Raises ArchError with what is wrong in any of them.
    """
    if name == "-" or name.endswith(".arch"):
        yield from _in_file(session, Path(name))
        return
    found = session.library.find(name)
    if found.architecture is not None:
        found.keep_constraints()
    yield found


def _in_file(session: Session, path: Path) -> Iterator[Found | Recipe | str]:
    findings: list[Diagnostic] = []
    things = session.library.all_in(path)
    while True:
        try:
            one = next(things)
            yield _method(session, one) if isinstance(one, tree.Method) else one
        except StopIteration:
            break
        except ArchError as error:
            findings += error.diagnostics
    if findings:
        raise ArchError(findings)


def _method(session: Session, written: tree.Method) -> str:
    """A method in words.

    Raises ArchError E0860 where it means nothing, E0831 for a recipe that nobody knows.
    """
    from archdsl.methods import whole_method

    found = whole_method(written)
    for stage in found.stages:
        if stage.around.recipe:
            with stage.reading("recipe"):
                session.library.written_recipe(stage.around.recipe)
    return f"method {found.name}: {', '.join(stage.name for stage in found.stages)}"


def _accepted(session: Session, name: str, found: list[Found | Recipe | str]) -> None:
    if session.json:
        put_json({"name": name, "ok": True, "errors": []})
    elif not session.quiet:
        from archdsl.recipes import Recipe

        for one in found:
            if isinstance(one, str):
                put(f"{name}: fine: {one}")
                continue
            if isinstance(one, Recipe):
                put(f"{name}: fine: train {one.name}, {number(one.epochs)} epochs")
                continue
            what = one.program.genotype
            size = "" if one.architecture else f", {_size(one)}"
            put(f"{name}: fine{size}" if what == name else f"{name}: fine: {what}{size}")


def _size(found: Found) -> str:
    """How many architectures there are; what `where` leaves takes longer to tell."""
    size = f"{number(found.space.size)} architectures"
    if not found.program.constraints:
        return size
    return f"{size} before its `where`; archdsl show tells how many satisfy it"


def _refused(session: Session, name: str, error: ArchError, kind: str = "error") -> None:
    """Findings are this command's data, so with `--json` they go to standard output."""
    if session.json:
        from archdsl.syntax.render import as_json

        put_json({"name": name, "ok": False, "errors": [as_json(d) for d in error.diagnostics]})
    else:
        report(error, kind=kind)


# --- lint ------------------------------------------------------------------------------------


@command(app)
def lint(session: Session, named: Several) -> int:
    """Say what is legal in spaces, and yet hardly meant.

    Values, definitions, parameters and holes that nothing takes, alternatives that are the same,
    spaces with many equal architectures. A comment `# lint: CODE why` on the line of a finding,
    or right above it, allows it. Exits with 1 where something is found.
    """
    worst = 0
    for name in named:
        try:
            worst = max(worst, _linted(session, name))
        except ArchError as error:
            worst = max(worst, exit_code(error))
            _refused(session, name, error)
    return worst


def _linted(session: Session, name: str) -> int:
    from archdsl.lint import lint_all

    linted = [lint_all(space) for space in _spaces(session, name)]
    findings = [one for shown, _ in linted for one in shown]
    allowed = sorted({one.code for _, hidden in linted for one in hidden})
    if findings:
        _refused(session, name, ArchError(findings), "warning")
        return FINDINGS
    if session.json:
        put_json({"name": name, "ok": True, "errors": [], "allowed": allowed})
    elif not session.quiet:
        told = f", but for what its text allows: {', '.join(allowed)}" if allowed else ""
        put(f"{name}: nothing found{told}")
    return 0


def _spaces(session: Session, name: str) -> Iterator[SearchSpace]:
    if name == "-" or name.endswith(".arch"):
        from archdsl.library import Found

        things = session.library.all_in(Path(name))
        yield from (found.space for found in things if isinstance(found, Found))
    else:
        yield session.library.find(name).space


# --- fmt -------------------------------------------------------------------------------------

Check = Annotated[
    bool, typer.Option("--check", help="Write nothing; exit 1 where something would change.")
]
Diff = Annotated[bool, typer.Option("--diff", help="Write nothing; print what would change.")]


@command(app)
def fmt(session: Session, named: Several, check: Check = False, diff: Diff = False) -> int:
    """Rewrite files in the one layout, print strings canonically.

    '-' reads a file, or one string, from standard input and prints the result.
    """
    worst = 0
    for name in named:
        try:
            before, after, write = _formatted(session, name)
        except ArchError as error:
            report(error, as_json=session.json)
            worst = max(worst, exit_code(error))
            continue
        changed = before != after
        if diff:
            put_difference(before, after, name)
        if check:
            worst = max(worst, FINDINGS if changed else 0)
        if check and changed:
            session.tell(f"would reformat {name}")
        if not check and not diff:
            write(after)
        if session.json:
            put_json({"name": name, "changed": changed})
    return worst


def _formatted(session: Session, name: str) -> tuple[str, str, Callable[[str], None]]:
    """The text before and after, and what to do with the latter."""
    from archdsl.files import read_text
    from archdsl.syntax.printer import format_text

    show: Callable[[str], None] = _nothing if session.json else put
    if not (name == "-" or name.endswith(".arch")):
        return f"{name}\n", f"{_canonical(session, name)}\n", show
    before = read_text(Path(name))
    if name != "-":
        return before, format_text(before, name), _writer(session, Path(name), before)
    if _is_string(before):
        return before, f"{_canonical(session, before.strip())}\n", show
    return before, format_text(before, "<stdin>"), show


def _canonical(session: Session, text: str) -> str:
    """The one spelling of a string; a string of an unknown form is answered as such."""
    if text.endswith(".py") or ":" in text:
        raise fault("E0709", f"{text} cannot be formatted", expected="a .arch file or a string")
    return session.library.string(text).program.genotype


def _is_string(text: str) -> bool:
    """Whether standard input holds one architecture string rather than a file."""
    line = text.strip()
    return "\n" not in line and "{" not in line and line.split(maxsplit=1)[:1] != ["archdsl"]


def _nothing(text: str) -> None:
    pass


def _writer(session: Session, path: Path, before: str) -> Callable[[str], None]:
    from archdsl.files import write_whole

    def write(after: str) -> None:
        if after != before:
            write_whole(path, after)
            session.tell(f"reformatted {path}")

    return write


def put_difference(before: str, after: str, name: str) -> None:
    """A unified diff on standard output; nothing where nothing changes."""
    from difflib import unified_diff

    lines = unified_diff(
        before.splitlines(), after.splitlines(), name, f"{name} (formatted)", lineterm=""
    )
    text = "\n".join(lines)
    if text:
        put(text)


# --- new -------------------------------------------------------------------------------------


@command(app)
def new(
    session: Session,
    name: Annotated[str, typer.Argument(help="The space; its file becomes NAME.arch.")],
) -> None:
    """Begin a space: a small file to edit, that compiles. Never overwrites."""
    from archdsl.resources import templates
    from archdsl.syntax.printer import format_text

    template = (templates() / "new.arch").read_text(encoding="utf-8")
    try:
        text = format_text(template.replace("NAME", name), name)
    except ArchError as error:
        message = f"'{name}' cannot be the name of a space"
        expected = "letters, digits and _, beginning with a letter; no word of the language"
        raise fault("E0709", message, found=name, expected=expected) from error
    path = Path(f"{name}.arch")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise fault("E0707", f"{path} exists; it is left as it is", found=str(path)) from None
    except OSError as error:
        raise fault("E0707", f"{path} cannot be written: {error.strerror}") from None
    put_json({"path": str(path)}) if session.json else put(str(path))
    session.tell(f"try: archdsl show {path}")


# --- spaces and codes ------------------------------------------------------------------------


@command(app)
def spaces(session: Session) -> None:
    """List the spaces that are known: name, size, what it is."""
    from archdsl.catalogue import catalogue, known

    rows = {} if session.spaces else catalogue()
    rows = rows or known(session.library)
    if session.json:
        for name, row in rows.items():
            size = exact(row.size)
            put_json({"name": name, "size": size, "title": row.title, "about": row.about})
        return
    width = max(map(len, rows), default=0)
    digits = max((len(short(row.size)) for row in rows.values()), default=0)
    for name, row in rows.items():
        put(_row(f"{name:<{width}}  {short(row.size):>{digits}}  ", row.about))


def _row(begin: str, about: str) -> str:
    """A row of a table; on a terminal its last column is wrapped, so that no word is cut."""
    from textwrap import wrap

    if not sys.stdout.isatty():
        return f"{begin}{about}".rstrip()
    columns = get_terminal_size().columns
    if columns < len(begin) + NARROWEST:
        return "\n".join(
            (begin.rstrip(), *(f"  {line}" for line in wrap(about, max(columns - 2, NARROWEST))))
        )
    lines = wrap(about, columns - len(begin)) or [""]
    return "\n".join((f"{begin}{lines[0]}".rstrip(), *(" " * len(begin) + x for x in lines[1:])))


@command(app)
def explain(
    session: Session,
    code: Annotated[str, typer.Argument(metavar="CODE", help="As in error[E0203].")],
) -> None:
    """Explain a code of an error, with a wrong and a right text."""
    from dataclasses import asdict

    from archdsl.syntax.codes import CODES
    from archdsl.syntax.codes import explain as explanation

    if code.upper() not in CODES:
        raise fault(
            "E0709",
            f"no error has the code {code}",
            found=code,
            expected="one that archdsl printed, such as E0203",
        )
    if session.json:
        put_json(asdict(CODES[code.upper()]))
    else:
        put(_wrapped(explanation(code)))


def _wrapped(text: str) -> str:
    """Paragraphs in lines of 80 characters; examples, which are indented, as they are."""
    from textwrap import fill

    return "\n".join(line if line.startswith(" ") else fill(line, 80) for line in text.split("\n"))
