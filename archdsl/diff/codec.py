"""Parts of programs as plain data, and back: what edits in JSON are made of.

Reading believes nothing; see plain.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from typing import Any as Json
from typing import TypeVar, assert_never

from archdsl.diff.plain import (
    Decoder,
    Malformed,
    build,
    expect,
    integer,
    integers,
    items,
    record,
    shorten,
    statics,
    tagged,
    text,
    texts,
)
from archdsl.ir.formula import ALWAYS, All, Any, Formula, Not, Taken
from archdsl.ir.graph import (
    Apply,
    Choose,
    Frame,
    FrameKind,
    Graph,
    Hole,
    Input,
    Invoke,
    Item,
    Kind,
    Node,
    Path,
)
from archdsl.ir.types import TensorType
from archdsl.ops import lookup
from archdsl.ops.base import Operation, OperationError
from archdsl.ops.binding import bind
from archdsl.syntax.tree import ModuleKind, Quantity

Member = TypeVar("Member", bound=Enum)


# --- formulas and types ----------------------------------------------------------------------


def encode_formula(formula: Formula) -> Json:
    match formula:
        case Taken(hole, alternative):
            return {"taken": [hole, alternative]}
        case All(terms):
            return {"all": [encode_formula(term) for term in terms]}
        case Any(terms):
            return {"any": [encode_formula(term) for term in terms]}
        case Not(term):
            return {"not": encode_formula(term)}
        case _:
            assert_never(formula)


def decode_formula(value: Json) -> Formula:
    terms = items(decode_formula)
    decoders: dict[str, Decoder[Formula]] = {
        "taken": _taken,
        "all": lambda inner: All(terms(inner)),
        "any": lambda inner: Any(terms(inner)),
        "not": lambda inner: Not(decode_formula(inner)),
    }
    return tagged(value, decoders, "a condition")


def _taken(value: Json) -> Taken:
    pair: list[Json] = expect(value, list, "a hole and an alternative")
    if len(pair) != 2:
        raise Malformed(f"{shorten(value)} where a hole and an alternative belong")
    return Taken(text(pair[0]), integer(pair[1]))


def encode_types(types: tuple[TensorType, ...]) -> Json:
    return [_encode_type(type_) for type_ in types]


def _encode_type(type_: TensorType) -> Json:
    shape: Json = list(type_.shape)
    return shape if type_.below is None else {"shape": shape, "below": type_.below}


def decode_types(value: Json) -> tuple[TensorType, ...]:
    return items(_decode_type)(value)


def _decode_type(value: Json) -> TensorType:
    if not isinstance(value, dict):
        return TensorType(integers(value))
    return TensorType(integers(value.get("shape")), integer(value.get("below")))


# --- operations and nodes --------------------------------------------------------------------


def encode_operation(operation: Operation) -> Json:
    """Its name and the arguments that are not at their default."""
    arguments = {
        field.name: value
        for field in fields(operation)
        if (value := getattr(operation, field.name)) != field.default
    }
    return {"operation": operation.keyword, **arguments}


def decode_operation(data: dict[str, Json]) -> Operation:
    keyword = text(data.get("operation"))
    try:
        found = lookup(keyword)
        if found is None:
            raise Malformed(f"an unknown operation {shorten(keyword)}")
        arguments = {text(name): item for name, item in data.items() if name != "operation"}
        return bind(found, (), arguments)
    except OperationError as error:
        raise Malformed(str(error)) from None


def encode_kind(kind: Kind) -> Json:
    match kind:
        case Input(name):
            return {"input": name}
        case Apply(operation, when):
            applied = encode_operation(operation)
            return (
                {"apply": applied, "when": [encode_formula(f) for f in when]} if when else applied
            )
        case Invoke(module, steps):
            return {"scan": [module, steps]} if steps else {"invoke": module}
        case Choose(hole):
            return {"choose": hole}
        case Item(index):
            return {"item": index}
        case _:
            assert_never(kind)


def _scan(value: Json) -> Kind:
    pair: list[Json] = expect(value, list, "a module and a number of steps")
    if len(pair) != 2 or integer(pair[1]) < 1:
        raise Malformed(f"{shorten(value)} where a module and a number of steps belong")
    return Invoke(text(pair[0]), integer(pair[1]))


def decode_kind(value: Json) -> Kind:
    data: dict[str, Json] = expect(value, dict, "what a node does")
    if "operation" in data:
        return Apply(decode_operation(data))
    if "apply" in data:
        given = record(
            data,
            apply=lambda inner: decode_operation(expect(inner, dict, "an operation")),
            when=items(decode_formula),
        )
        return Apply(given["apply"], given.get("when", ()))
    decoders: dict[str, Decoder[Kind]] = {
        "input": lambda inner: Input(text(inner)),
        "invoke": lambda inner: Invoke(text(inner)),
        "scan": _scan,
        "choose": lambda inner: Choose(text(inner)),
        "item": lambda inner: Item(integer(inner)),
    }
    return tagged(value, decoders, "what a node does")


def encode_node(node: Node) -> Json:
    data = {"kind": encode_kind(node.kind), "types": encode_types(node.types)}
    if node.args:
        data["args"] = list(node.args)
    if node.path:
        data["path"] = list(node.path)
    if node.label:
        data["label"] = node.label
    if node.under != ALWAYS:
        data["under"] = encode_formula(node.under)
    return data


def decode_node(value: Json) -> Node:
    return build(
        Node,
        value,
        kind=decode_kind,
        types=decode_types,
        args=integers,
        path=texts,
        label=text,
        under=decode_formula,
    )


# --- modules ---------------------------------------------------------------------------------


def encode_holes(holes: tuple[Hole, ...]) -> Json:
    return [
        {
            "name": hole.name,
            "quantity": hole.quantity.value,
            "count": hole.count,
            "labels": list(hole.labels),
            "under": encode_formula(hole.under),
            "entry": hole.entry,
            **({"parent": [hole.parent[0], list(hole.parent[1])]} if hole.parent else {}),
        }
        for hole in holes
    ]


def decode_holes(value: Json) -> tuple[Hole, ...]:
    return items(_hole)(value)


def _hole(value: Json) -> Hole:
    return build(
        Hole,
        value,
        name=text,
        quantity=lambda inner: _member(Quantity, inner),
        count=integer,
        labels=texts,
        under=decode_formula,
        entry=integer,
        parent=_parent,
    )


def _parent(value: Json) -> tuple[str, tuple[int, ...]]:
    pair: list[Json] = expect(value, list, "a hole and its alternatives")
    if len(pair) != 2:
        raise Malformed(f"{shorten(value)} where a hole and its alternatives belong")
    return text(pair[0]), integers(pair[1])


def encode_frames(frames: Mapping[Path, Frame]) -> Json:
    return [
        {"path": list(path), "kind": frame.kind.value, "name": frame.name, "doc": list(frame.doc)}
        for path, frame in frames.items()
    ]


def decode_frames(value: Json) -> dict[Path, Frame]:
    frames: dict[Path, Frame] = {}
    for item in expect(value, list, "a list of frames"):
        given = record(item, path=texts, kind=lambda i: _member(FrameKind, i), name=text, doc=texts)
        if {"path", "kind", "name"} - given.keys():
            raise Malformed("a frame without path, kind or name")
        path = given.pop("path")
        frames[path] = Frame(**given)
    return frames


def _member(enum: type[Member], value: Json) -> Member:
    try:
        return enum(value)
    except ValueError:
        raise Malformed(f"{shorten(value)} is no {enum.__name__}") from None


def decode_module_kind(value: Json) -> ModuleKind:
    return _member(ModuleKind, value)


def encode_graph(graph: Graph) -> Json:
    return {
        "definition": graph.definition,
        "kind": graph.kind.value,
        "family": list(graph.family),
        "arguments": dict(graph.arguments),
        "nodes": [encode_node(node) for node in graph.nodes],
        "outputs": list(graph.outputs),
        "holes": encode_holes(graph.holes),
        "frames": encode_frames(graph.frames),
        "doc": list(graph.doc),
    }


def decode_graph(value: Json) -> Graph:
    return build(
        Graph,
        value,
        definition=text,
        kind=decode_module_kind,
        family=integers,
        arguments=statics,
        nodes=items(decode_node),
        outputs=integers,
        holes=decode_holes,
        frames=decode_frames,
        doc=texts,
    )
