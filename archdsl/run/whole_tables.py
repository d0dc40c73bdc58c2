"""What a whole run found, as text for people and JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import sqrt
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from archdsl.evaluate.data import classifies
from archdsl.files import write_whole
from archdsl.run.searches import Searched
from archdsl.run.settings import SearchSettings
from archdsl.run.summary import SearchSummary
from archdsl.run.tables import as_text, percent, signal_rows, standard_error
from archdsl.run.whole import Whole
from archdsl.space.wording import exact

ERRORS = 2.0
"""Standard errors from which on a difference counts."""


def write_whole_summary(folder: Path, whole: Whole) -> str:
    """summary.json and summary.txt; the latter's text."""
    write_whole(folder / "summary.json", json.dumps(_data(whole), indent=2) + "\n")
    text = whole_text(whole)
    write_whole(folder / "summary.txt", text)
    return text


def whole_text(whole: Whole) -> str:
    """The retrained networks, the searches, and what was changed."""
    told = "".join(f"{line}\n" for line in verdicts(whole))
    parts = [as_text(comparison(whole)), *filter(None, [told]), as_text(searches(whole))]
    parts += signals(whole)
    if whole.change:
        parts.append(f"From {whole.networks[1].title} to what was found:\n\n{whole.change}")
    return "\n".join(parts)


def comparison(whole: Whole) -> Table:
    """All retrained networks in one table; accuracies on the test images, with standard errors."""
    images = whole.networks[0].summary.test_images
    title = f"Retrained by {whole.recipe.name}, {images:,} test images"
    table = Table(box=box.SIMPLE, title=Text(title))
    table.add_column("network")
    for name in ("accuracy", "parameters", "MACs", "epochs", "seconds"):
        table.add_column(name, justify="right")
    for one in whole.networks:
        found = one.summary
        table.add_row(
            Text(one.title),
            f"{percent(found.test)} ± {100 * standard_error(found.test, found.test_images):.1f}",
            f"{found.params:,}",
            f"{found.macs:,}",
            f"{found.epochs:,}",
            f"{found.seconds:.1f}",
        )
    return table


def verdicts(whole: Whole) -> list[str]:
    """Where accuracies are chance, or do not tell what was found from another network.

    Both by two standard errors of independent images, under the hypothesis that there is no
    difference. What another seed of the training would change is not in it.
    """
    told = []
    (_, classes) = classifies(whole.space.program.net)
    chance = 1 / classes
    for one in whole.networks:
        test, images = one.summary.test, one.summary.test_images
        if test - chance <= ERRORS * standard_error(chance, images):
            name = "What was found" if one is whole.networks[0] else one.title
            told.append(f"{name} is not above chance ({percent(chance)}): it has not learned.")
    found = whole.networks[0].summary
    for one in whole.networks[1:]:
        both = (found.test + one.summary.test) / 2
        error = standard_error(both, found.test_images) * sqrt(2)
        if abs(found.test - one.summary.test) <= ERRORS * error:
            told.append(
                f"What was found and {one.title} are not told apart by "
                f"{found.test_images:,} test images."
            )
    return told


def searches(whole: Whole) -> Table:
    """The stages of the method and what they found."""
    table = Table(box=box.SIMPLE, title=Text(f"Searched by {whole.method.name}"))
    table.add_column("stage")
    table.add_column("found", overflow="fold")
    table.add_column("seconds", justify="right")
    for one in whole.searches:
        table.add_row(one.stage.name, Text(one.summary.best), f"{one.summary.seconds:.1f}")
    return table


def signals(whole: Whole) -> list[str]:
    """Whether the rewards of each search with shared weights that has some tell its architectures
    apart."""
    told = []
    for one in whole.searches:
        settings = one.stage.settings
        rewarded = isinstance(settings, SearchSettings) and settings.controller_steps > 0
        if rewarded and isinstance(one.summary, SearchSummary):
            rows = "\n".join(f"  {name}: {text}" for name, text in signal_rows(one.summary.signal))
            told.append(f"Do the rewards of {one.stage.name} tell architectures apart?\n{rows}\n")
    return told


def _data(whole: Whole) -> dict[str, object]:
    program = whole.space.program
    return {
        "space": program.genotype,
        "hash": program.hash,
        "size": exact(whole.space.size),
        "method": whole.method.name,
        "recipe": whole.recipe.name,
        **asdict(whole.settings),
        "best": whole.best,
        "searches": [_search(one) for one in whole.searches],
        "verdicts": verdicts(whole),
        "networks": [{"title": one.title, **asdict(one.summary)} for one in whole.networks],
    }


def _search(one: Searched) -> dict[str, object]:
    summary = one.summary
    return {"stage": one.stage.name, "best": summary.best, "seconds": summary.seconds}
