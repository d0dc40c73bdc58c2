"""Diffs as JSON: written whole, read strictly.

A script that is read may come from anywhere: every field is checked for its type, operations
pass through the language's own checks, and whatever is wrong is an E0742 that says where.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any as Json
from typing import assert_never

from archdsl.diff import codec
from archdsl.diff.constraints import decode_constraints, encode_constraints
from archdsl.diff.edits import (
    Change,
    Diff,
    Edit,
    Insert,
    Move,
    Remove,
    Rewire,
    Subject,
    Update,
    Value,
)
from archdsl.diff.plain import (
    Codec,
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
    text,
    texts,
)
from archdsl.ir.graph import Graph, Node
from archdsl.ir.types import Cost
from archdsl.syntax.errors import ArchError, fault

VERSION = 1

_TEXT: Codec[str] = Codec(str, text)
_TEXTS: Codec[tuple[str, ...]] = Codec(list, texts)
_STATICS = Codec(dict, statics)

FIELDS: dict[str, Codec[Json]] = {
    "space": _TEXT,
    "title": _TEXT,
    "text": _TEXT,
    "hash": _TEXT,
    "genotype": _TEXT,
    "parameters": _STATICS,
    "changed": _STATICS,
    "constraints": Codec(encode_constraints, decode_constraints),
    "key": _TEXT,
    "definition": _TEXT,
    "family": Codec(list, integers),
    "arguments": _STATICS,
    "holes": Codec(codec.encode_holes, codec.decode_holes),
    "frames": Codec(codec.encode_frames, codec.decode_frames),
    "doc": _TEXTS,
    "path": _TEXTS,
    "label": _TEXT,
    "types": Codec(codec.encode_types, codec.decode_types),
    "under": Codec(codec.encode_formula, codec.decode_formula),
}
"""How the fields that an `Update` may name are written."""

_MODULE_KIND: Codec[Json] = Codec(lambda kind: kind.value, codec.decode_module_kind)
_NODE_KIND: Codec[Json] = Codec(codec.encode_kind, codec.decode_kind)


def as_json(diff: Diff) -> dict[str, Json]:
    """A diff as plain data: dictionaries, lists, texts and numbers, ready for `json.dumps`."""
    return {
        "archdsl_diff": VERSION,
        "before": asdict(diff.before),
        "after": asdict(diff.after),
        "changes": [
            {name: value for name, value in asdict(change).items() if value}
            for change in diff.changes
        ],
        "edits": [_encode(edit) for edit in diff.edits],
    }


def from_json(data: str | dict[str, Json]) -> Diff:
    """The diff that `as_json` gave, from its text or its data.

    Raises:
        ArchError: E0742 for anything else.
    """
    try:
        loaded = json.loads(data) if isinstance(data, str) else data
        return _diff(loaded)
    except json.JSONDecodeError as error:
        raise _refuse(f"{error.msg} in line {error.lineno}, column {error.colno}") from None
    except Malformed as error:
        raise _refuse(str(error)) from None
    except (RecursionError, ValueError):  # deep nesting; integers too long to be read
        raise _refuse("values nested too deeply or too long") from None


def _refuse(found: str) -> ArchError:
    expected = "what `archdsl diff --format json` prints"
    return fault("E0742", "not an edit script", found=found, expected=expected)


def _diff(value: Json) -> Diff:
    given = record(
        value,
        archdsl_diff=integer,
        before=_subject,
        after=_subject,
        changes=items(_change),
        edits=_edits,
    )
    if given.pop("archdsl_diff", None) != VERSION:
        raise Malformed(f"no `archdsl_diff` of version {VERSION}")
    if {"before", "after"} - given.keys():
        raise Malformed("`before` or `after` is missing")
    return Diff(**given)


def _subject(value: Json) -> Subject:
    return build(Subject, value, genotype=text, hash=text, cost=_cost)


def _cost(value: Json) -> Cost:
    return build(Cost, value, **{field.name: integer for field in fields(Cost)})


def _change(value: Json) -> Change:
    return build(Change, value, where=text, what=text, before=text, after=text, unit=text)


def _edits(value: Json) -> tuple[Edit, ...]:
    edits = []
    for number, item in enumerate(expect(value, list, "a list of edits"), start=1):
        try:
            edits.append(_decode(item))
        except Malformed as error:
            raise Malformed(f"edit {number}: {error}") from None
    return tuple(edits)


# --- edits -----------------------------------------------------------------------------------


def _encode(edit: Edit) -> dict[str, Json]:
    data: dict[str, Json] = {"edit": type(edit).__name__.lower()}
    if edit.module is not None:
        data["module"] = edit.module
    if edit.node is not None:
        data["node"] = edit.node
    match edit:
        case Insert(value=value) | Remove(value=value):
            data["value"] = _part(value)
        case Update(field=field, before=before, after=after):
            known = _field(field, edit.node)
            data |= {"field": field, "before": known.encode(before), "after": known.encode(after)}
        case Move(to=to):
            data["to"] = to
        case Rewire(before=before, after=after):
            data |= {"before": list(before), "after": list(after)}
        case _:
            assert_never(edit)
    return data


def _part(value: Node | Graph) -> Json:
    return codec.encode_node(value) if isinstance(value, Node) else codec.encode_graph(value)


def _field(field: str, node: int | None) -> Codec[Json]:
    """How a field is written; nodes and modules both have a `kind`."""
    if field == "kind":
        return _MODULE_KIND if node is None else _NODE_KIND
    if field not in FIELDS:
        raise Malformed(f"an unknown field {shorten(field)}")
    return FIELDS[field]


def _decode(value: Json) -> Edit:
    data: dict[str, Json] = dict(expect(value, dict, "an edit"))
    sort = data.pop("edit", None)
    match sort:
        case "insert" | "remove":
            part = codec.decode_graph if data.get("node") is None else codec.decode_node
            if sort == "insert":
                return build(Insert, data, module=text, node=integer, value=part)
            return build(Remove, data, module=text, node=integer, value=part)
        case "update":
            return _update(data)
        case "move":
            return build(Move, data, module=text, node=integer, to=integer)
        case "rewire":
            return build(Rewire, data, module=text, node=integer, before=integers, after=integers)
        case _:
            raise Malformed(f"{shorten(sort)} where insert, remove, update, ... belongs")


def _update(data: dict[str, Json]) -> Update:
    known = _field(text(data.get("field")), data.get("node"))
    value: Decoder[Value] = known.decode
    return build(Update, data, module=text, node=integer, field=text, before=value, after=value)
