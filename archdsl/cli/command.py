"""What every command has: a session made from its common options, and one driver for errors.

    @command(app)
    def id_(session: Session, named: Named) -> None: ...

The decorator replaces `session` by the common options and answers every way to fail: exit 1 for
findings in the user's text, 2 for wrong use and failed tools, 130 after Ctrl-C. No traceback.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from archdsl.cli.output import exit_code, note, report
from archdsl.syntax.errors import ArchError, fault

if TYPE_CHECKING:
    from archdsl.library import Library

FINDINGS, FAILED, BROKEN_PIPE, INTERRUPTED = 1, 2, 141, 130
DEBUG = "ARCHDSL_DEBUG"
"""Set in the environment, errors of archdsl itself keep their traceback."""
LONG = 300
"""Characters of what it says that are shown without it."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """The common options of one invocation, and the spaces it has opened.

    `given` are the command's own options that were written, whatever their values.
    """

    spaces: tuple[Path, ...] = ()
    json: bool = False
    quiet: bool = False
    max_params: int | None = None
    max_macs: int | None = None
    given: frozenset[str] = frozenset()

    @cached_property
    def library(self) -> Library:
        """Spaces by name: those of `--space` first. Raises ArchError for a wrong file."""
        from archdsl.ir.limits import Limits
        from archdsl.library import Library

        given = {"params": self.max_params, "macs": self.max_macs}
        raised = {name: value for name, value in given.items() if value is not None}
        files = [path for path in self.spaces if not _ships(path)]
        return Library(files, Limits(**raised))

    @property
    def meant(self) -> str:
        """The space that ships and that `--space` names, parameters and all; empty without one."""
        return next((str(path) for path in reversed(self.spaces) if _ships(path)), "")

    def tell(self, text: str) -> None:
        """A message, unless `--quiet`."""
        if not self.quiet:
            note(text)


def _ships(path: Path) -> bool:
    """Whether `--space` names a space that ships, not a file."""
    from archdsl.resources import shipped_spaces

    return str(path).partition("(")[0] in shipped_spaces()


# --- options ---------------------------------------------------------------------------------


def count(text: str) -> int:
    """`1500000`, `12M`, `2.5G` as the language writes numbers."""
    match = re.fullmatch(r"(\d{1,15})(?:\.(\d{1,9}))?([KMGT]?)", text.strip())
    if match is None:
        raise typer.BadParameter(f"'{text}' is no number such as 1500000, 12M or 2.5G")
    whole, part, suffix = match.groups()
    scale = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}[suffix]
    return int(whole) * scale + (int(part) * scale // 10 ** len(part) if part else 0)


def space_names(incomplete: str) -> list[str]:
    """What the shell may complete where a space or a string begins."""
    from archdsl.resources import shipped_spaces

    return [name for name in shipped_spaces() if name.startswith(incomplete)]


X = "A string, a file (.arch), a generated .py, or RUN:best."

Named = Annotated[str, typer.Argument(metavar="X", help=X, autocompletion=space_names)]
Several = Annotated[
    list[str],
    typer.Argument(
        metavar="X...", help=f"{X} '-' reads strings, one a line.", autocompletion=space_names
    ),
]
For = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="cpu|gpu|none|FILE",
        help="What it should be fast on; a file is of `archdsl tune`.",
    ),
]
Level = Annotated[
    int,
    typer.Option(
        "-O",
        min=0,
        max=2,
        metavar="0|1|2",
        help="0: as written. 1: exact in training. 2: for inference, norms within the weights.",
    ),
]

SpaceFiles = Annotated[
    list[Path],
    typer.Option("--space", metavar="FILE", help="A file whose spaces are known by name."),
]
MaxParams = Annotated[
    str | None, typer.Option(metavar="N", help="Raise the limit of parameters (2G by default).")
]
MaxMacs = Annotated[
    str | None, typer.Option(metavar="N", help="Raise the limit of MACs (10T by default).")
]
AsJson = Annotated[bool, typer.Option("--json", help="Data and errors as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No messages.")]

COMMON: dict[str, tuple[Any, Any]] = {
    "space": (SpaceFiles, ()),
    "max_params": (MaxParams, None),
    "max_macs": (MaxMacs, None),
    "json": (AsJson, False),
    "quiet": (Quiet, False),
}
"""Options of every command: name, annotation, default."""


def session_of(before: Session | None, options: dict[str, Any]) -> Session:
    """The session that options make, those before the command included."""
    before = before or Session()
    limits: dict[str, Any] = {
        name: count(options[name]) if options[name] is not None else getattr(before, name)
        for name in ("max_params", "max_macs")
    }
    return Session(
        spaces=(*before.spaces, *options["space"]),
        json=before.json or options["json"],
        quiet=before.quiet or options["quiet"],
        **limits,
    )


def common_parameters(own: Mapping[str, Any]) -> list[inspect.Parameter]:
    """The common options, as parameters of a function; `own` are annotations instead of theirs."""
    kind = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(name, kind, annotation=own.get(name, annotation), default=default)
        for name, (annotation, default) in COMMON.items()
    ]


# --- commands --------------------------------------------------------------------------------

Decorated = TypeVar("Decorated", bound=Callable[..., int | None])


def command(
    app: typer.Typer, name: str | None = None, **options: object
) -> Callable[[Decorated], Decorated]:
    """Add a command. Its function takes a Session, then its own arguments; it may return the
    exit code. `options` describe common options that mean something else to it."""

    def add(function: Decorated) -> Decorated:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        context = inspect.Parameter(
            "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
        )
        parameters = [context, *own, *common_parameters(options)]
        # Keyword-only throughout: arguments without a default may follow options with one.
        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]

        def run(**given: Any) -> None:
            context: typer.Context = given.pop("context")
            session = session_of(context.obj, {name: given.pop(name) for name in COMMON})
            session = replace(session, given=frozenset(_written(context)))
            raise typer.Exit(guarded(session, lambda: function(session, **given)))

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        run.__doc__ = function.__doc__
        app.command(name or function.__name__)(run)
        return function

    return add


def _written(context: typer.Context) -> Iterator[str]:
    """The names of what is not at its default."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name not in ("DEFAULT", "DEFAULT_MAP"):
            yield name


def guarded(session: Session, work: Callable[[], int | None]) -> int:
    """Run a command; the exit code, with every way to fail answered on standard error."""
    try:
        code = work() or 0
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except ArchError as error:
        report(error, as_json=session.json)
        return exit_code(error)
    except BrokenPipeError:  # the reader has seen enough; nothing more can be written
        _discard_output()
        return BROKEN_PIPE
    except KeyboardInterrupt as stop:
        note(str(stop) or "stopped")
        return INTERRUPTED
    except (RecursionError, MemoryError, OSError) as error:
        _discard_output()
        report(_plain(error), as_json=session.json)
        return FAILED
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except Exception as error:  # an error of ours: say so, and where
        if os.environ.get(DEBUG):
            raise
        _tell_internal(error)
        return FAILED


def _plain(error: BaseException) -> ArchError:
    """What the machine could not do, in words."""
    if isinstance(error, RecursionError):
        return fault("E0710", "the text is nested too deep for this machine")
    if isinstance(error, MemoryError):
        return fault("E0710", "the memory of this machine does not suffice")
    assert isinstance(error, OSError)
    where = f"{error.filename}: " if error.filename else ""
    return fault("E0710", f"{where}{error.strerror or error}")


def _tell_internal(error: Exception) -> None:
    """An error of ours, in words that need nothing else of archdsl to work."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = f" in {Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}" if last else ""
    note("error[E0905]: archdsl failed on this input; please report it")
    note(f"  = found: {type(error).__name__}{place}: {' '.join(str(error).split())[:LONG]}")
    note(f"  = hint: {DEBUG}=1 in the environment shows where")


def _discard_output() -> None:
    """Keep Python from failing again when it flushes standard output on its way out."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    with suppress(OSError, ValueError, AttributeError):  # not a real file, or none
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
