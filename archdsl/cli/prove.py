"""Commands that run networks to compare or carry them: verify, inherit."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archdsl.cli.command import FINDINGS, For, Level, Named, Session, X, command
from archdsl.cli.output import put, put_json

if TYPE_CHECKING:
    from archdsl.library import Found
    from archdsl.run.inherit import Inheritance
    from archdsl.space.architecture import Architecture
    from archdsl.verify.verdict import Verdict

app = typer.Typer()


@command(app)
def verify(
    session: Session,
    named: Named,
    n: Annotated[int, typer.Option("-n", min=1, help="How many of a space.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Of samples, weights and images.")] = 0,
) -> int:
    """Run supernet path, network and optimised network; compare.

    Outputs and gradients, in float64 and float32, training and evaluation; weights after steps
    of SGD and AdamW. Of a space, n different architectures, or all. Exit 1 for a mismatch.
    """
    found = session.library.find(named)
    chosen = _chosen(found, n, seed)

    from archdsl.run.progress import progress
    from archdsl.verify.networks import Verifier

    verifier = Verifier(found.space, seed)
    wrong = 0
    with progress("verify", len(chosen), quiet=session.quiet) as advance:
        for number, architecture in enumerate(chosen, 1):
            verdict = verifier(architecture)
            wrong += not verdict.ok
            _put_verdict(session, verdict, whole=len(chosen) == 1)
            advance(number)
    session.tell(f"{len(chosen) - wrong} of {len(chosen)} equal" if wrong else "all equal")
    return FINDINGS if wrong else 0


def _chosen(found: Found, n: int, seed: int) -> list[Architecture]:
    """The architecture itself, or different ones of its space, in the order of drawing."""
    from random import Random

    if found.architecture is not None:
        return [found.architecture]
    space, rng = found.space, Random(seed)
    if space.size <= n and space.accept is None:
        return [space.unrank(i) for i in range(space.size)]
    drawn: dict[Architecture, None] = {}
    for _ in range(100 * n):
        drawn.setdefault(space.sample(rng))
        if len(drawn) == n:
            break
    return list(drawn)


def _put_verdict(session: Session, verdict: Verdict, whole: bool) -> None:
    if session.json:
        rows = [asdict(row) | {"ok": row.ok} for row in verdict.rows]
        put_json({"architecture": verdict.architecture, "ok": verdict.ok, "checks": rows})
    elif whole:
        put(str(verdict))
    else:
        lines = [f"{'ok' if verdict.ok else 'MISMATCH'}  {verdict.architecture}"]
        put("\n".join([*lines, *(f"  {row}" for row in verdict.mismatches)]))


# --- inherit ---------------------------------------------------------------------------------


@command(app)
def inherit(
    session: Session,
    weights: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="A safetensors file.")],
    before: Annotated[str, typer.Option("--from", metavar="A", help=f"Whose they are. {X}")],
    after: Annotated[str, typer.Option("--to", metavar="B", help="Who gets them.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="OUT", help="The new file.")],
    level: Level = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the weights that are fresh.")] = 0,
    device: For = "cpu",
) -> None:
    """Carry weights from A to B by their diff; the rest is fresh.

    B then computes what A does, where it can. A may be a space, whose weights are a supernet's and
    are carried by name. OUT loads into the network.py that
    `compile B` writes at the same -O, for the same --device. Reports what carried over, and what
    could not.
    """
    old, new = session.library.find(before), session.library.find(after)

    from archdsl.passes.device import device_of

    rates = device_of(device)

    from archdsl.run.inherit import inherit as carry

    report = carry(weights, old.program, new.network(), out, level=level, seed=seed, device=rates)
    if session.json:
        put_json({"path": str(out), **asdict(report)})
    else:
        put(str(out))
        session.tell("\n".join(_words(report)))


def _words(report: Inheritance) -> list[str]:
    own = (report.carried, report.grown, report.begun, report.reshaped, report.fresh)
    kept = len(report.carried) + len(report.grown)
    lines = [
        f"carried {kept} of {sum(map(len, own))} tensors, "
        f"{report.carried_params:,} of {report.params:,} parameters of the network as written"
    ]
    if report.reshaped:
        name, old, new = report.reshaped[0]
        lines.append(f"another shape: {len(report.reshaped)}, first {name}: {old} -> {new}")
    for word, names in (
        ("wider", report.grown),
        ("new, without effect", report.begun),
        ("fresh", report.fresh),
        ("dropped", report.dropped),
    ):
        if names:
            lines.append(f"{word}: {len(names)}, first {names[0]}")
    if report.changed is not None:
        lines.append(
            f"it computes something else, first at {report.changed[0]}"
            if report.changed
            else "it computes what --from does, in evaluation"
        )
    return lines
