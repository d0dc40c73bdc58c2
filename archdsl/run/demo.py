"""The demonstration: search, derive, retrain, compare, on the digits, in minutes.

    python -m archdsl.run.demo [-o FOLDER] [--quiet]

What it runs stands in demo.toml. It can be stopped and started again like any run.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from archdsl.diff import as_text as diff_text
from archdsl.diff import diff
from archdsl.ir.graph import Program
from archdsl.library import Library
from archdsl.run.retrain import retrain
from archdsl.run.search import search
from archdsl.run.settings import RetrainSettings, SearchSettings
from archdsl.run.summary import RetrainSummary, SearchSummary
from archdsl.run.tables import percent, signal_rows
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError

PLAN = Path(__file__).with_name("demo.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """One row of the table."""

    title: str
    program: Program
    summary: RetrainSummary


def main(arguments: list[str] | None = None) -> int:
    """Run the demonstration; returns the exit status."""
    parser = argparse.ArgumentParser(prog="archdsl.run.demo", description=__doc__)
    parser.add_argument("-o", "--out", type=Path, default=Path("runs/demo"))
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    chosen = parser.parse_args(arguments)
    plan = tomllib.loads(PLAN.read_text(encoding="utf-8"))
    try:
        demonstrate(plan, chosen.out, chosen.quiet)
    except ArchError as error:
        for diagnostic in error.diagnostics:
            print(f"{diagnostic.code}: {diagnostic.message}. {diagnostic.hint}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(str(stop) or "stopped; the same command goes on", file=sys.stderr)
        return 130
    return 0


def demonstrate(plan: dict[str, Any], out: Path, quiet: bool) -> None:
    """Run a plan (demo.toml) in the folder `out` and print what it found."""
    library, console = Library(), Console(width=100)
    space = library.space(plan["first"]["space"], plan["parameters"])
    first = _search(space, plan, plan["first"], out / "search", quiet)
    found = space.resolve(space.parse(first.best))
    networks = [("found", found)]
    for row in plan["baselines"]:
        given = plan["parameters"] | row["parameters"]
        plain = library.space(row["space"], given)
        networks.append((row["title"], plain.resolve(plain.unrank(0))))
    trained = [_retrain(title, network, plan, out, quiet) for title, network in networks]
    other = library.space(plan["second"]["space"], plan["second"]["parameters"])
    second = _search(other, plan, plan["second"], out / "second", quiet)

    console.print(comparison(trained))
    console.print(signals([first, second]))
    best = max(trained[1:], key=lambda row: row.summary.test)
    console.print(Text(f"From the best baseline ({best.title}) to what was found:"))
    console.print(Text(diff_text(diff(best.program, found))))
    console.print(Text(f"\nThe network, with nothing but torch: {out / 'found' / 'network.py'}"))
    console.print(Text(f"The supernet:                        {out / 'search' / 'supernet.py'}"))
    console.print(Text(f"The string:  {first.best}"))


def comparison(trained: list[Trained]) -> Table:
    """All retrained networks in one table; accuracies on the test images."""
    images = trained[0].summary.test_images
    table = Table(box=box.SIMPLE, title=Text(f"Retrained from fresh weights, {images} test images"))
    table.add_column("network")
    for name in ("accuracy", "parameters", "MACs", "seconds"):
        table.add_column(name, justify="right")
    for row in trained:
        found = row.summary
        table.add_row(
            row.title,
            percent(found.test),
            f"{found.params:,}",
            f"{found.macs:,}",
            f"{found.seconds:.1f}",
        )
    return table


def signals(summaries: list[SearchSummary]) -> Table:
    """Whether the rewards of each search tell its architectures apart."""
    table = Table(box=box.SIMPLE, title=Text("Do rewards tell architectures apart?"))
    table.add_column("")
    for summary in summaries:
        table.add_column(Text(summary.space.partition("(")[0]))
    columns = [dict(signal_rows(summary.signal)) for summary in summaries]
    for name in columns[0]:
        table.add_row(name, *(Text(column[name]) for column in columns))
    table.add_row("best of all validation", *(percent(summary.accuracy) for summary in summaries))
    table.add_row("seconds", *(f"{summary.seconds:.1f}" for summary in summaries))
    return table


def _search(
    space: SearchSpace, plan: dict[str, Any], part: dict[str, Any], out: Path, quiet: bool
) -> SearchSummary:
    settings = SearchSettings(**plan["settings"], **part["search"])
    return search(space, out=out, settings=settings, quiet=quiet)


def _retrain(title: str, network: Program, plan: dict[str, Any], out: Path, quiet: bool) -> Trained:
    settings = RetrainSettings(**plan["settings"], **plan["retrain"])
    folder = out / title.lower().replace(" ", "_")
    return Trained(
        title=title,
        program=network,
        summary=retrain(network, out=folder, settings=settings, quiet=quiet),
    )


if __name__ == "__main__":
    sys.exit(main())
