"""An audit: do the scores of a search say which architectures are good?

    sample      architectures that have a score, one of each stratum of as many scores
    truth       each retrained from fresh weights and tested, or what an evaluator measures
    agreement   Kendall's tau of the scores with the truth, and of what costs nothing: the numbers
                of parameters and of MACs

An audit is a folder of its own, with a retraining in it for every architecture; killed at any
moment, the same command goes on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from archdsl.evaluate.data import opened_for
from archdsl.ir.cost import cost
from archdsl.recipes import Recipe
from archdsl.run.agreement import advantage, agreement, parts
from archdsl.run.audited import Audited, AuditSummary, Compared, write_audit_summary
from archdsl.run.judge import Judge, Judged
from archdsl.run.ledger import Entry
from archdsl.run.record import Record, Score
from archdsl.run.retrain import retrain
from archdsl.run.running import Running, running
from archdsl.run.settings import AuditSettings, ExploreSettings, check_settings
from archdsl.seeds import stream
from archdsl.space.wording import count as number
from archdsl.syntax.errors import fault

KIND = "truth"
FEWEST = 3


def audit(
    record: Record,
    *,
    out: Path,
    settings: AuditSettings,
    recipe: Recipe | None = None,
    quiet: bool = False,
) -> AuditSummary:
    """Audit a run in the folder `out`, or go on with the audit that is there.

    `recipe` says how architectures are retrained, in place of the settings' own numbers. Raises
    ArchError (E08xx; E0832 where the run scores too few), and Interrupted after Ctrl-C.
    """
    check_settings(settings)
    scores = record.scores()
    if len(scores) < FEWEST:
        raise fault(
            "E0832",
            f"{record.folder} scores too few architectures",
            found=f"{len(scores)} with a score, of a {record.kind.value}",
            expected=f"at least {FEWEST}",
        )
    chosen = sampled(scores, settings.samples, settings.seed)
    measure = _measure(record, settings, recipe)
    with running(
        out,
        record.space.program,
        settings,
        also={"recipe": recipe.text if recipe else "", "scores": _fingerprint(scores)},
        files={},
        title="audit",
        total=len(chosen),
        quiet=quiet,
    ) as here:
        for step, text in enumerate(chosen):
            row = here.ledger.ask(step, 0, KIND, text)
            if row.detail is None:
                here.pause(lambda: None)
                found = measure(here, step, text)
                here.ledger.tell(step, found.reward, found.detail)
            here.advance(step + 1)
        entries, seconds = here.ledger.entries(), here.ledger.seconds()
        summary = summarise_audit(record, settings, recipe, entries, seconds)
        write_audit_summary(here.folder, summary)
    return summary


def sampled(scores: Mapping[str, Score], count: int, seed: int) -> list[str]:
    """So many architectures, each drawn from a stratum of as many scores; all, where there are no
    more.

    Pairs within a stratum, hard to order, are never drawn: tau of a sample is by up to a share of
    1 / `count` above that of all."""
    order = sorted(scores, key=lambda text: (scores[text].reward, text))
    count = min(count, len(order))
    edges = [i * len(order) // count for i in range(count + 1)]
    return [order[stream(seed, "audit", i).randrange(edges[i], edges[i + 1])] for i in range(count)]


def _fingerprint(scores: Mapping[str, Score]) -> str:
    """What says whether the run still has the scores that the sample was drawn by."""
    told = sorted((text, score.reward) for text, score in scores.items())
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


Measure = Callable[[Running, int, str], Judged]
"""The truth of one architecture, which is number `step` of the audit."""


def _measure(record: Record, settings: AuditSettings, recipe: Recipe | None) -> Measure:
    """An evaluator, where one is named; else a retraining in a folder of its own."""
    if settings.truth:
        judge = Judge(record.space, ExploreSettings(evaluator=settings.truth))
        return lambda here, step, text: judge.keep_in(here.folder)(text, step, 0)

    # Refused before there is a folder, which would belong to what was refused.
    opened_for(record.space.program.net, settings.data, (recipe or settings.recipe).batch_size)

    def retrained(here: Running, step: int, text: str) -> Judged:
        summary = retrain(
            record.network(record.architecture(text)),
            out=here.folder / "networks" / f"{step:03d}",
            settings=settings.retraining,
            recipe=recipe,
            quiet=True,
        )
        values = {"validation": summary.validation, "seconds": summary.seconds}
        return Judged(summary.test, {"values": values})

    return retrained


# --- what came out ---------------------------------------------------------------------------


def summarise_audit(
    record: Record,
    settings: AuditSettings,
    recipe: Recipe | None,
    entries: Sequence[Entry],
    seconds: float,
) -> AuditSummary:
    """Read the result of a finished audit off its ledger."""
    scores = record.scores()
    known = [_audited(record, scores, entry) for entry in entries if entry.reward is not None]
    failures = [entry.detail or {} for entry in entries if entry.reward is None]
    epochs = recipe.epochs if recipe else settings.epochs
    return AuditSummary(
        space=record.space.program.genotype,
        hash=record.space.program.hash,
        truth=settings.truth or f"test accuracy after {number(epochs, 'epoch')} on {settings.data}",
        seed=settings.seed,
        scored=len(scores),
        failed=len(failures),
        first_failure=str(failures[0].get("message", "")) if failures else "",
        compared=_compared(known, settings.seed),
        place=_place(known),
        architectures=known,
        seconds=seconds,
    )


def _audited(record: Record, scores: Mapping[str, Score], entry: Entry) -> Audited:
    price = cost(record.network(record.architecture(entry.text)))
    assert entry.reward is not None
    return Audited(
        architecture=entry.text,
        score=scores[entry.text].reward,
        truth=entry.reward,
        params=price.params,
        macs=price.macs,
    )


def _compared(known: Sequence[Audited], seed: int) -> list[Compared]:
    """Every part of the sample, as far as there is one."""
    if len(known) < FEWEST:
        return []
    found = []
    for part, places in parts([one.truth for one in known]).items():
        inside = [known[i] for i in places]
        truth = [one.truth for one in inside]
        score = [one.score for one in inside]
        params = [float(one.params) for one in inside]
        macs = [float(one.macs) for one in inside]
        found.append(
            Compared(
                part=part,
                score=agreement(score, truth, seed=seed),
                params=agreement(params, truth, seed=seed),
                macs=agreement(macs, truth, seed=seed),
                over_params=advantage(score, params, truth, seed=seed),
                over_macs=advantage(score, macs, truth, seed=seed),
            )
        )
    return found


def _place(known: Sequence[Audited]) -> int:
    """Where the truth puts what the scores put first, from 1; 0 where nothing was measured."""
    if not known:
        return 0
    first = max(known, key=lambda one: one.score)
    return 1 + sum(one.truth > first.truth for one in known)
