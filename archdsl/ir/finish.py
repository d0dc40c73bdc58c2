"""A module that is whole becomes a graph: places become names, drafts become nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace

from archdsl.ir import cases
from archdsl.ir.builder import Builder
from archdsl.ir.drafts import Draft, condition
from archdsl.ir.formula import All, Any, Formula, Not, Taken, all_of, any_of, negate
from archdsl.ir.graph import Apply, Choose, Graph, Invoke, Kind, Node, Path, Sizes
from archdsl.ir.paths import name_all, name_paths
from archdsl.ir.types import Weight
from archdsl.ir.values import Tensor
from archdsl.ops.base import Operation, Types
from archdsl.syntax.errors import fault

Owned = tuple[Operation | Kind, tuple[Weight, ...]]


def finish(builder: Builder, outputs: Sequence[Tensor], **attributes: object) -> Graph:
    """The graph, with its final names."""
    paths, frames = name_paths([draft.steps for draft in builder.drafts], builder.holed)
    _check_ties(builder.drafts, paths)
    names = name_all([(d.base, d.place, d.indices) for d in builder.hole_drafts])
    renamed = {
        draft.hole.name: name for draft, name in zip(builder.hole_drafts, names, strict=True)
    }
    return Graph(
        nodes=tuple(
            [
                _finished(draft, path, renamed)
                for draft, path in zip(builder.drafts, paths, strict=True)
            ]
        ),
        outputs=tuple(output.node for output in outputs),
        holes=tuple(
            replace(
                draft.hole,
                name=renamed[draft.hole.name],
                under=rename(draft.hole.under, renamed),
                governor=renamed[draft.hole.governor] if draft.hole.governor else "",
                parent=(renamed[draft.hole.parent[0]], draft.hole.parent[1])
                if draft.hole.parent
                else None,
            )
            for draft in builder.hole_drafts
        ),
        frames=frames,
        **attributes,  # type: ignore[arg-type]
    )


def _check_ties(drafts: Sequence[Draft], paths: Sequence[Path]) -> None:
    """Operations under one path have one set of weights, so these must be alike."""
    known: dict[Path, Draft] = {}
    for draft, path in zip(drafts, paths, strict=True):
        if not draft.steps:
            continue
        first = known.setdefault(path, draft)
        if first is not draft:
            _check_tie(draft, first, path, drafts)


def _check_tie(draft: Draft, first: Draft, path: Path, drafts: Sequence[Draft]) -> None:
    types, first_types = (
        tuple([t for arg in use.args for t in drafts[arg].types]) for use in (draft, first)
    )
    own, other = _owned(draft.kind, types), _owned(first.kind, first_types)
    if any(step.place[:1] == (-1,) for step in draft.steps):
        if own != other:
            raise fault(
                "E0405",
                f"@{path[-1]} ties what cannot share weights",
                draft.span,
                found=_tied(own, types, other),
                expected=_tied(other, first_types, own),
                hint="tie operations of one kind, with the same options, on inputs with the same "
                "channels",
            )
    elif own[1] or isinstance(draft.kind, Invoke):
        raise fault(  # what is not tied owns its weights: a second use is a fault of ours
            "E0910",
            f"two applications would share the weights of {'.'.join(path)}",
            draft.span,
            found="one name for both",
            hint="give one of them a name of its own, and report this text as a bug",
        )


def _options(operation: Operation, other: object) -> Iterator[str]:
    """What is said of an operation, where another of its class says otherwise."""
    for one in fields(operation) if type(operation) is type(other) else ():
        if (value := getattr(operation, one.name)) != getattr(other, one.name):
            yield f"no {one.name}" if value is None else f"{one.name}={value}"


def _owned(kind: Kind, inputs: Types) -> Owned:
    """What nodes under one path must have in common."""
    if isinstance(kind, Apply):
        return kind.operation, kind.operation.weights(inputs)
    return kind, ()


def _tied(own: Owned, inputs: Types, other: Owned) -> str:
    tied, weights = own
    if isinstance(tied, Operation):
        shapes = ", ".join(f"{w.name} {' x '.join(map(str, w.shape))}" for w in weights)
        options = "".join(f", {option}" for option in _options(tied, other[0]))
        return f"{tied.describe()}, {shapes or 'no weights'}{options}"
    given = ", ".join(str(type_) for type_ in inputs)
    return f"{tied.module.split('#')[0]} on {given}" if isinstance(tied, Invoke) else "a value"


def _finished(draft: Draft, path: Path, names: Mapping[str, str]) -> Node:
    kind = draft.kind
    match kind:
        case Choose(hole):
            kind = Choose(names[hole])
        case Apply(operation, when) if when:
            kind = Apply(operation, tuple(rename(formula, names) for formula in when))
        case _:
            pass
    return Node(
        kind=kind,
        args=draft.args,
        types=draft.types,
        path=path,
        label=draft.label,
        under=condition(
            tuple([(names[hole], taken) for hole, taken in draft.under]), rename(draft.given, names)
        ),
        sizes=draft.sizes and _renamed(draft.sizes, names),
        span=draft.span,
    )


def _renamed(sizes: Sizes, names: Mapping[str, str]) -> Sizes:
    return replace(
        sizes,
        variants=cases.rename(sizes.variants, names),
        numbers=tuple(
            replace(number, values=cases.rename(number.values, names)) for number in sizes.numbers
        ),
    )


def rename(formula: Formula, names: Mapping[str, str]) -> Formula:
    """A formula with its holes renamed."""
    match formula:
        case Taken(hole, alternative):
            return Taken(names[hole], alternative)
        case All(terms):
            return all_of(rename(term, names) for term in terms) if terms else formula
        case Any(terms):
            return any_of(rename(term, names) for term in terms)
        case Not(term):
            return negate(rename(term, names))
