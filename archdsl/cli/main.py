"""The command line: `archdsl COMMAND ...`."""

from __future__ import annotations

import gc
import sys
from typing import Annotated, Any

import typer

from archdsl import __version__
from archdsl.cli import build, compare, export, figures, grow, prove, show, text, train, tune
from archdsl.cli.command import AsJson, MaxMacs, MaxParams, Quiet, SpaceFiles, session_of

GROUPS = (text, show, figures, compare, grow, build, export, tune, prove, train)
"""Files with commands, in the order of `archdsl --help`."""

HELP = """A compiler for neural architectures: text in, standalone PyTorch files, costs, pictures
and diffs out.

X is an architecture string, a file (.arch), a generated .py, or RUN:best. Data goes to standard
output, messages to standard error. Exit codes: 0 fine, 1 findings in the text, 2 wrong use or a
failed tool."""

# Without rich in help and errors: importing it takes longer than most commands run.
app = typer.Typer(
    name="archdsl",
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for group in GROUPS:
    app.registered_commands += group.app.registered_commands


def _version(asked: bool) -> None:
    if asked:
        print(f"archdsl {__version__}")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    space: SpaceFiles = [],  # noqa: B006
    max_params: MaxParams = None,
    max_macs: MaxMacs = None,
    json: AsJson = False,
    quiet: Quiet = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print it.")
    ] = False,
) -> None:
    given: dict[str, Any] = {
        "space": space,
        "max_params": max_params,
        "max_macs": max_macs,
        "json": json,
        "quiet": quiet,
    }
    context.obj = session_of(None, given)


RARELY = (100_000, 20, 20)
"""When to look for cyclic garbage. By default a text command spends a fifth of its time on it."""


def main() -> None:
    """The entry point of `archdsl` and `python -m archdsl`."""
    gc.set_threshold(*RARELY)
    for stream in (sys.stdout, sys.stderr):
        # Files are UTF-8 whatever the locale says; nothing that is told may fail to be told.
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        app(prog_name="archdsl")
    finally:
        if "torch" not in sys.modules:  # torch's parts complain of what is left
            gc.freeze()  # and none on the way out
