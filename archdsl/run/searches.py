"""The searches of a method, one after the other, each in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from archdsl.controllers import gates_method, is_learned, method_of
from archdsl.evaluate.evaluators import evaluator_of
from archdsl.evaluate.latency import clock_of
from archdsl.evaluate.objectives import objectives_of, rule_of
from archdsl.evaluate.paths import paths_of
from archdsl.evaluate.ranks import SINGLE, Ranks
from archdsl.library import Library
from archdsl.methods import Method, Stage
from archdsl.part import fixed
from archdsl.recipes import Recipe
from archdsl.run.explore import HERE, How, explore
from archdsl.run.folder import LEDGER
from archdsl.run.gates import search_gates
from archdsl.run.ledger import copied, reading
from archdsl.run.search import search
from archdsl.run.settings import PROPOSING, ExploreSettings, RunSettings
from archdsl.run.summary import (
    ExploreSummary,
    GatesSummary,
    SearchSummary,
    summarise_exploration,
)
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError, Diagnostic, fault

Summary = SearchSummary | GatesSummary | ExploreSummary
Recipes = Mapping[str, Recipe]
"""How shared weights are trained, for the stages that name a recipe."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A stage that is at its end, and what it found."""

    stage: Stage
    space: SearchSpace
    summary: Summary


def recipes_of(method: Method, library: Library) -> Recipes:
    """What the stages name. Raises ArchError for all that can be told to be wrong before a start:
    E0831 for recipes, E0801, E0818, E0820 and others for controllers and evaluators, E0860 for
    settings that do not go together."""
    found: dict[str, Recipe] = {}
    findings: list[Diagnostic] = []
    for stage in method.stages:
        findings += _findings(stage)
        if stage.around.recipe:
            try:
                found[stage.name] = _recipe(stage, library)
            except ArchError as error:
                findings += error.diagnostics
    if findings:
        raise ArchError(findings)
    return found


def check_levels(space: SearchSpace, method: Method) -> None:
    """Refuse a method that fixes all of a space. Raises ArchError E0864."""
    deepest = max((space.levels[i] for i in space.free), default=0)
    for stage in method.stages:
        if stage.around.fixed and stage.around.levels > deepest:
            raise fault(
                "E0864",
                f"{stage.name} has nothing to search: {stage.around.fixed} fixes every decision",
                found=f"levels = {stage.around.levels}, and {space.program.space} has as many",
                expected="a space with decisions inside the alternatives of others",
                hint="another --method: `archdsl show` says what the decisions of a space are",
            )


def run_stages(
    space: SearchSpace,
    method: Method,
    *,
    out: Path,
    settings: RunSettings,
    recipes: Recipes,
    pause: Callable[[], None] = lambda: None,
    how: How = HERE,
    ranks: Ranks = SINGLE,
    quiet: bool = False,
) -> list[Searched]:
    """Run every stage in a folder of its name in `out`, or go on with those that are there.

    `pause` is called before each, and may end the run. Raises ArchError (E08xx) for what does not
    fit, E0862 where a stage found nothing, and Interrupted after Ctrl-C, when all is saved.
    """
    done: list[Searched] = []
    for stage in method.stages:
        pause()
        part = _part(space, stage, done)
        summary = _search(stage, part, out / stage.name, settings, recipes, how, ranks, quiet)
        if not summary.best:
            raise _nothing(stage, summary)
        done.append(Searched(stage=stage, space=part, summary=summary))
    return done


def _part(space: SearchSpace, stage: Stage, done: Sequence[Searched]) -> SearchSpace:
    """What a stage searches: the space, or what is left of it where some is fixed."""
    if not stage.around.fixed:
        return space
    (before,) = (one for one in done if one.stage.name == stage.around.fixed)
    return fixed(space, space.parse(before.summary.best), stage.around.levels)


def _search(
    stage: Stage,
    space: SearchSpace,
    out: Path,
    here: RunSettings,
    recipes: Recipes,
    how: How,
    ranks: Ranks,
    quiet: bool,
) -> Summary:
    settings = stage.at(here)
    if isinstance(settings, ExploreSettings):
        beside = bool(stage.weights)
        if not ranks.first:
            return _heard(space, out / LEDGER, settings, ranks)
        summary = explore(space, out=out, settings=settings, how=how, beside=beside, quiet=quiet)
        if ranks.several:
            ranks.spread(copied(out / LEDGER))
        return summary
    recipe = recipes.get(stage.name)
    gates = gates_method(settings.controller)
    if gates is None:
        return search(space, out=out, settings=settings, recipe=recipe, quiet=quiet)
    return search_gates(space, gates, out=out, settings=settings, recipe=recipe, quiet=quiet)


def _heard(
    space: SearchSpace, path: Path, settings: ExploreSettings, ranks: Ranks
) -> ExploreSummary:
    """What a search with an evaluator found, which the first process runs alone: from its ledger,
    put at `path`."""
    content = ranks.spread(b"")
    path.parent.mkdir()
    path.write_bytes(content)
    with reading(path) as ledger:
        return summarise_exploration(space, settings, ledger.entries(), ledger.seconds())


def _findings(stage: Stage) -> list[Diagnostic]:
    """What no search takes, before there is one."""
    settings = stage.settings
    read: dict[str, Callable[[str], object]] = {"controller": method_of}
    if isinstance(settings, ExploreSettings):
        read |= {"evaluator": evaluator_of, "reward": rule_of, "objectives": objectives_of}
        read |= {"latency": clock_of} if settings.latency else {}
        needless = {"recipe"}
    elif is_learned(settings.controller):
        read, needless = {"controller": gates_method}, set(PROPOSING)
    else:
        read |= {"paths": paths_of}
        needless = set()
    findings: list[Diagnostic] = []
    for name, reader in read.items():
        try:
            with stage.reading(name):
                reader(getattr(settings, name))
        except ArchError as error:
            findings += error.diagnostics
    given = stage.given | ({"recipe"} if stage.around.recipe else set())
    for name in sorted(needless & given):
        findings.append(
            Diagnostic(
                code="E0860",
                message=f"{stage.name}: {name} is not for {settings.controller.partition('(')[0]}",
                span=stage.places.get(name),
                found=name,
                hint="leave it out",
            )
        )
    return findings


def _recipe(stage: Stage, library: Library) -> Recipe:
    """The recipe of a stage, for as many epochs as the stage says."""
    with stage.reading("recipe"):
        found = library.recipe(stage.around.recipe)
    settings = stage.settings
    if isinstance(settings, ExploreSettings) or "epochs" not in stage.given:
        return found
    return replace(found, epochs=settings.epochs)


def _nothing(stage: Stage, summary: Summary) -> ArchError:
    why = summary.first_failure if isinstance(summary, ExploreSummary) else ""
    return fault(
        "E0862",
        f"every evaluation of {stage.name} failed: there is nothing to go on with",
        found=why,
        expected="one architecture at least that its evaluator can judge",
    )
