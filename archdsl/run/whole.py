"""A whole run: a space searched by a method, what was found retrained, and others beside it.

    STAGE/          each search of the method
    found/          the retraining of what the last of them found
    against/TITLE/  the same for every network to compare with

Each part goes on where it was killed, so the whole does: the same command is given again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from archdsl.codegen import network_source
from archdsl.diff import as_text, diff
from archdsl.evaluate.data import classifies, open_data
from archdsl.evaluate.followed import refuse_drop_paths
from archdsl.evaluate.ranks import joined
from archdsl.files import write_whole
from archdsl.ir.graph import Apply, Program
from archdsl.methods import Method
from archdsl.methods.method import AGAINST, FOUND
from archdsl.ops.dropout import DropPath
from archdsl.recipes import Recipe
from archdsl.run.against import Other
from archdsl.run.explore import HERE, How
from archdsl.run.folder import SETTINGS
from archdsl.run.record import COMPARED, METHOD
from archdsl.run.retrain import retrain
from archdsl.run.running import folder_of
from archdsl.run.searches import Recipes, Searched, check_levels, run_stages
from archdsl.run.settings import RetrainSettings, RunSettings, check_settings, remember
from archdsl.run.stop import Interrupted, graceful
from archdsl.run.summary import RetrainSummary
from archdsl.space.view import SearchSpace

ALONE = timedelta(days=7)
"""How long the first of several processes may measure, while the others wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A network that was retrained, under its title."""

    title: str
    summary: RetrainSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The result of a run. `networks` begins with what was found; `change` says what turns the
    first of the others into it, empty without others."""

    space: SearchSpace
    method: Method
    recipe: Recipe
    settings: RunSettings
    best: str
    searches: Sequence[Searched]
    networks: Sequence[Trained]
    change: str


def run_whole(
    space: SearchSpace,
    method: Method,
    recipe: Recipe,
    *,
    out: Path,
    settings: RunSettings,
    recipes: Recipes,
    against: Sequence[Other] = (),
    how: How = HERE,
    quiet: bool = False,
) -> Whole:
    """Run all parts in the folder `out`, or go on with those that are there.

    `recipes` are those of the method's stages (`recipes_of`), `recipe` that of all retraining.
    Raises ArchError (E08xx) for what does not fit, and Interrupted after Ctrl-C, when everything
    is saved.
    """
    check_settings(settings)
    check_levels(space, method)
    programs = [space.program, *(one.program for one in against)]
    _check_data(programs, settings.data)
    _check_drop_paths(programs, recipe)
    texts = {
        METHOD: method.text,
        "recipe": recipe.text,
        **{f"recipe of {name}": one.text for name, one in recipes.items()},
        **{COMPARED + one.title: one.program.genotype for one in against},
    }
    with (
        joined(settings.device, silence=ALONE) as ranks,
        folder_of(out, ranks) as folder,
        graceful() as stopped,
    ):
        remember(folder / SETTINGS, space.program, settings, texts, processes=ranks.world)
        write_whole(folder / "space.arch", space.program.text)

        def pause() -> None:
            if any(ranks.sums([stopped()])):
                raise Interrupted(folder)

        try:
            searches = run_stages(
                space,
                method,
                out=folder,
                settings=settings,
                recipes=recipes,
                pause=pause,
                how=how,
                ranks=ranks,
                quiet=quiet,
            )
            best = searches[-1].summary.best
            found = space.resolve(space.parse(best))
            write_whole(folder / "network.py", network_source(found))
            parts = [(FOUND, FOUND, found)]
            parts += [(one.title, f"{AGAINST}/{one.folder}", one.program) for one in against]
            networks = []
            for title, name, program in parts:
                pause()
                summary = _retrain(program, folder / name, settings, recipe, quiet)
                networks.append(Trained(title=title, summary=summary))
        except Interrupted:
            raise Interrupted(folder) from None
    return Whole(
        space=space,
        method=method,
        recipe=recipe,
        settings=settings,
        best=best,
        searches=searches,
        networks=networks,
        change=as_text(diff(against[0].program, found)) if against else "",
    )


def _check_data(programs: Sequence[Program], data: str) -> None:
    """Refuse what does not fit the images before the first search, not after the last.

    Raises ArchError E0802 to E0804.
    """
    for image, classes in dict.fromkeys(classifies(program.net) for program in programs):
        open_data(data, shape=image, classes=classes, batch_size=1)


def _check_drop_paths(programs: Sequence[Program], recipe: Recipe) -> None:
    """Refuse drop paths that a network cannot have. Raises ArchError E0810."""
    for program in programs:
        nodes = (node.kind for graph in program.modules.values() for node in graph.nodes)
        if not any(isinstance(one, Apply) and isinstance(one.operation, DropPath) for one in nodes):
            refuse_drop_paths(recipe, 0)


def _retrain(
    program: Program, out: Path, here: RunSettings, recipe: Recipe, quiet: bool
) -> RetrainSummary:
    own = RetrainSettings(data=here.data, seed=here.seed, threads=here.threads, device=here.device)
    return retrain(program, out=out, settings=own, recipe=recipe, quiet=quiet)
