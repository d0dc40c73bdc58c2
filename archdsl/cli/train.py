"""Commands that train: search, retrain. Both go on where they were stopped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from archdsl.cli.command import Session, X, command, space_names
from archdsl.cli.output import put, put_json

if TYPE_CHECKING:
    import archdsl.recipes
    from archdsl.controllers.gates import DartsSettings
    from archdsl.run.settings import SearchSettings
    from archdsl.space.view import SearchSpace

app = typer.Typer()

SHARED = "shared"
RUNNING = frozenset({"workers", "timeout", "ray"})
"""How a search is run, on which its result does not depend."""
ALONE = frozenset({"evaluator", "budget", "batch", "latency", "reward", "objectives"}) | RUNNING
"""The options of a search that has no shared weights, besides those of every search."""
PROPOSING = frozenset(
    {"paths", "controller_steps", "derive_samples", "frozen", "hypernetwork"}
    | {"measure_samples", "as_released"}
)
"""The options of a search whose controller proposes."""
SAID_BY_RECIPE = frozenset(
    {"epochs", "batch_size", "learning_rate", "weight_decay", "decay_every", "decay"}
    | {"checkpoint_every"}
)
"""The options of retraining that a recipe has a word for; epochs may be fewer all the same."""
EXPLORING = ALONE | {"controller", "seed"}

Data = Annotated[
    str,
    typer.Option(
        metavar="DATA",
        help="digits, cifar10:ROOT, cifar100:ROOT, flowers102:ROOT or folder:PATH.",
    ),
]
Run = Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="The folder of the run.")]
Seed = Annotated[int, typer.Option(help="Of everything that is random.")]
BatchSize = Annotated[int, typer.Option(help="Images in a batch.")]
Rate = Annotated[float, typer.Option(help="AdamW's learning rate.")]
Decay = Annotated[float, typer.Option(help="AdamW's weight decay.")]
Recipe = Annotated[
    str,
    typer.Option(metavar="NAME_OR_FILE", help="A `train NAME { ... }`: how weights are trained."),
]
Threads = Annotated[int, typer.Option(help="Of torch.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, ...")]


@command(app)
def search(
    session: Session,
    named: Annotated[str, typer.Argument(metavar="SPACE", help=X, autocompletion=space_names)],
    out: Run,
    controller: Annotated[
        str,
        typer.Option(
            metavar="NAME(SETTING=VALUE, ...)",
            help="random, reinforce, ppo, evolution, generations, pareto, local, halving, tree, "
            "qlearning, ddpg, predictor, pnas, nao, tnas, tpe or nsga2; darts learns gates. "
            "Yours: exec:COMMAND, call:MODULE:NAME.",
        ),
    ] = "reinforce",
    evaluator: Annotated[
        str,
        typer.Option(
            metavar="NAME(SETTING=VALUE, ...)",
            help="shared: paths of a supernet in training. train: each from scratch. "
            "supernet(run=...): shared weights of such a search. score: no training. "
            "table(file=..., reward=COLUMN): what somebody measured. Yours: exec:COMMAND, "
            "call:MODULE:NAME.",
        ),
    ] = SHARED,
    budget: Annotated[int, typer.Option(help="Evaluations, where they are not shared.")] = 100,
    batch: Annotated[int, typer.Option(help="Proposals at once, the same.")] = 1,
    latency: Annotated[
        str,
        typer.Option(
            metavar="NAME(SETTING=VALUE, ...)",
            help="A value: measured here, or operations(file=...) of `tune --operations`.",
        ),
    ] = "",
    reward: Annotated[
        str,
        typer.Option(
            metavar="NAME(SETTING=VALUE, ...)",
            help="Of what was measured: mnasnet(value=..., cost=..., target=...).",
        ),
    ] = "",
    objectives: Annotated[
        str,
        typer.Option(metavar="NAME, -NAME, ...", help="Several, a - before what is to be small."),
    ] = "",
    workers: Annotated[
        int, typer.Option(min=0, max=1024, help="Processes that measure; 0: this one does.")
    ] = 0,
    timeout: Annotated[
        float, typer.Option(min=0, help="Seconds for one proposal, in a worker; 0: any time.")
    ] = 0.0,
    ray: Annotated[
        str, typer.Option(metavar="ADDRESS", help="A Ray cluster that measures; local: one here.")
    ] = "",
    data: Data = "digits",
    seed: Seed = 42,
    paths: Annotated[
        str,
        typer.Option(
            metavar="NAME(SETTING=VALUE, ...)",
            help="What weights are trained along: controller, uniform, fair or sandwich.",
        ),
    ] = "controller",
    epochs: Annotated[int, typer.Option(help="Of weights and controller in turn.")] = 100,
    controller_steps: Annotated[int, typer.Option(help="Rewards in an epoch.")] = 100,
    derive_samples: Annotated[int, typer.Option(help="Proposals to derive from.")] = 10,
    frozen: Annotated[
        int,
        typer.Option(help="In their place: proposals judged on all of validation, and learned."),
    ] = 0,
    measure_samples: Annotated[int, typer.Option(help="Drawn to measure rewards.")] = 10,
    batch_size: BatchSize = 128,
    learning_rate: Rate = 1e-3,
    weight_decay: Decay = 1e-4,
    recipe: Recipe = "",
    calibration: Annotated[int, typer.Option(help="Batches that set statistics.")] = 2,
    hypernetwork: Annotated[
        int, typer.Option(help="Weights come from a code of so many numbers; 0: shared.")
    ] = 0,
    as_released: Annotated[
        bool, typer.Option("--as-released", help="With the faults of the published code.")
    ] = False,
    threads: Threads = 2,
    device: Device = "cpu",
) -> None:
    """Search a space: a controller proposes, an evaluator judges.

    Stopped anywhere, the same command goes on. The folder gets the space, the ledger,
    network.py of the best architecture and a summary, and supernet.py of shared weights.
    """
    given = _settings(locals(), "session", "named", "out", "recipe")
    space = session.library.find(named).space
    if evaluator != SHARED:
        others = (name for name in given if name not in EXPLORING)
        _only(session, f"is for --evaluator {SHARED}", others)
        _explore(session, space, out, {name: given[name] for name in EXPLORING})
        return
    _only(session, "is not for shared weights", sorted(ALONE - {"evaluator"}))
    given = {name: value for name, value in given.items() if name not in ALONE}

    from archdsl.controllers import gates_method
    from archdsl.run.search import search as run
    from archdsl.run.settings import SearchSettings

    method = gates_method(controller)
    followed = _recipe(session, recipe, epochs)
    if method is not None:
        _only(session, f"is not for {method.keyword}", sorted(PROPOSING))
        _learn_gates(session, space, out, method, SearchSettings(**given), followed)
        return
    from archdsl.run.tables import as_text, search_table

    summary = run(
        space, out=out, settings=SearchSettings(**given), recipe=followed, quiet=session.quiet
    )
    _put_summary(session, out, as_text(search_table(summary)))
    session.tell(f"the best: {out / 'network.py'}, known as {out}:best")


@command(app)
def retrain(
    session: Session,
    named: Annotated[
        str, typer.Argument(metavar="RUN_OR_X", help=f"The best of a run's folder. {X}")
    ],
    out: Run,
    recipe: Recipe = "",
    inherit: Annotated[
        Path | None,
        typer.Option(
            metavar="WEIGHTS", help="Begin with these: a search's checkpoint, or of inherit."
        ),
    ] = None,
    data: Data = "digits",
    seed: Seed = 42,
    epochs: Annotated[int, typer.Option(help="Of training.")] = 600,
    batch_size: BatchSize = 128,
    learning_rate: Rate = 1e-3,
    weight_decay: Decay = 1e-4,
    decay_every: Annotated[int, typer.Option(help="Epochs at one learning rate.")] = 50,
    decay: Annotated[float, typer.Option(help="The rate's factor after these.")] = 0.85,
    checkpoint_every: Annotated[int, typer.Option(help="Epochs between judgements.")] = 10,
    threads: Threads = 2,
    device: Device = "cpu",
) -> None:
    """Train an architecture from fresh weights, and test it.

    Stopped anywhere, the same command goes on. The folder gets network.py, the best weights
    on validation, and a summary.
    """
    given = _settings(locals(), "session", "named", "out", "inherit", "recipe")
    followed = _recipe(session, recipe, epochs)
    found = session.library.find(f"{named}:best" if Path(named).is_dir() else named)
    network = found.network()

    from archdsl.run.retrain import retrain as run
    from archdsl.run.settings import RetrainSettings
    from archdsl.run.tables import as_text, retrain_table

    settings = RetrainSettings(**given)
    summary = run(
        network, out=out, settings=settings, recipe=followed, inherit=inherit, quiet=session.quiet
    )
    _put_summary(session, out, as_text(retrain_table(summary)))
    session.tell(f"the weights: {out / 'best.safetensors'}, for {out / 'network.py'}")


def _learn_gates(
    session: Session,
    space: SearchSpace,
    out: Path,
    method: DartsSettings,
    settings: SearchSettings,
    recipe: archdsl.recipes.Recipe | None,
) -> None:
    from archdsl.run.gates import search_gates
    from archdsl.run.tables import as_text, gates_table

    summary = search_gates(
        space, method, out=out, settings=settings, recipe=recipe, quiet=session.quiet
    )
    _put_summary(session, out, as_text(gates_table(summary)))
    session.tell(f"the best: {out / 'network.py'}, known as {out}:best")


def _explore(session: Session, space: SearchSpace, out: Path, given: dict[str, Any]) -> None:
    from archdsl.run.explore import How, explore
    from archdsl.run.settings import ExploreSettings
    from archdsl.run.tables import as_text, explore_table

    how = How(**{name: given.pop(name) for name in RUNNING})
    if not isfinite(how.timeout):
        raise typer.BadParameter("--timeout is a number of seconds")
    summary = explore(
        space, out=out, settings=ExploreSettings(**given), how=how, quiet=session.quiet
    )
    _put_summary(session, out, as_text(explore_table(summary)))
    if not summary.best:
        session.tell("every evaluation failed: there is no network.py")
        raise typer.Exit(1)
    session.tell(f"the best: {out / 'network.py'}, known as {out}:best")


def _recipe(session: Session, named: str, epochs: int) -> archdsl.recipes.Recipe | None:
    """The recipe that is named, for so many epochs where the command says them."""
    if not named:
        return None
    _only(session, "is said by the recipe", sorted(SAID_BY_RECIPE - {"epochs"}))
    found = session.library.recipe(named)
    return replace(found, epochs=epochs) if "epochs" in session.given else found


def _only(session: Session, why: str, names: Iterable[str]) -> None:
    """Refuse options that were given and mean nothing."""
    for name in names:
        if name in session.given:
            raise typer.BadParameter(f"--{name.replace('_', '-')} {why}")


def _settings(values: Mapping[str, Any], *others: str) -> dict[str, Any]:
    """The options of a command that are settings of its run."""
    return {name: value for name, value in values.items() if name not in others}


def _put_summary(session: Session, out: Path, table: str) -> None:
    if not session.json:
        put(table)
        return
    import json

    put_json(json.loads((out / "summary.json").read_text(encoding="utf-8")))
