"""Classes and shared functions as finished views."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from archdsl.codegen import checkpoint
from archdsl.codegen.classes import Class, Classes, Draft
from archdsl.codegen.code import join
from archdsl.codegen.functions import function_emitter
from archdsl.codegen.literals import docstring, in_docstring, literal, paragraphs, sentence
from archdsl.codegen.modules import Alias, Kept, Made, New, Several, Slot
from archdsl.codegen.naming import IMPORTED, Taken, camel, stem
from archdsl.codegen.series import runs
from archdsl.codegen.steps import Chain, Leaf, Part, Step, Unit, UnitKey, Use
from archdsl.codegen.told import parameter
from archdsl.codegen.types import Types
from archdsl.codegen.view import ClassView, FunctionView, HelperView
from archdsl.ir.types import TensorType
from archdsl.ops.base import Helper, Operation
from archdsl.syntax.tree import ModuleKind

AXES = {1: "(B, C)", 2: "(B, N, C)", 3: "(B, C, H, W)"}
FIRST_BY_POSITION = frozenset(
    {"dim", "in_channels", "out_channels", "in_features", "out_features", "channels"}
)


FEW = 3
"""More results than these are not listed one by one in a signature."""


WHOLE = {
    "choice": "Every network of the space, with one set of weights; runs the one that is chosen.",
    "gates": "All networks of the space at once: every alternative runs, times its weight.",
    "paths": "Every network of the space: the alternatives that have a gate run, each times it.",
}
"""What the class of a supernet says, by what its calls take."""


@dataclass(slots=True)
class Renderer:
    """Turns the classes of a program into views, and names them."""

    classes: Classes
    types: Types
    root_name: str
    helpers: Mapping[str, Helper]
    again: frozenset[UnitKey] = frozenset()
    """The units whose classes run again in the backward pass."""
    names: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        taken = Taken(set(self.helpers) | set(IMPORTED) | self.types.names)
        if self.again:
            taken.names |= checkpoint.NAMES
        root = self.classes.root
        self.names[root.number] = taken.claim(self.root_name, f"{self.root_name}Net")
        by_name: dict[str, list[Class]] = {}
        for item in self.classes.ordered():
            if item is not root:
                by_name.setdefault(camel(item.model.unit.name), []).append(item)
        for name, items in by_name.items():
            suffix = _suffix(items[0].model.unit)
            if len(items) == 1:
                self.names[items[0].number] = taken.claim(name, f"{name}{suffix}")
                continue
            free = name if name not in taken.names else f"{name}{suffix}"
            for number, item in enumerate(items, start=1):
                self.names[item.number] = taken.claim(f"{free}{number}", f"{free}{suffix}{number}")

    # --- parts of the file -------------------------------------------------------------------

    def parts(self) -> Iterator[FunctionView | ClassView | HelperView]:
        """Helpers, shared functions and classes, each before what uses it."""
        if self.again:
            yield HelperView(source=checkpoint.SOURCE.strip("\n"))
        done: set[str] = set()
        shared: set[object] = set()
        for item in self.classes.ordered():
            for name in self._helpers_of(item.model):
                if name not in done:
                    done.add(name)
                    yield HelperView(source=self.helpers[name].source.strip("\n"))
            for key in self.classes.functions.used_by(item.model.forward):
                if key not in shared:
                    shared.add(key)
                    yield self._function(key)
            yield self.class_view(item)

    def _helpers_of(self, draft: Draft) -> list[str]:
        steps = draft.unit.steps if draft.attributes or draft.forward else ()
        return list(dict.fromkeys(n for step in steps for n in helpers_of(step)))

    def _function(self, key: object) -> FunctionView:
        emitter, holes, modules = function_emitter(self.classes.functions, key)
        unit = emitter.plan.unit
        body = emitter.function()
        parameters = [f"{emitter.names[value]}: Tensor" for value in unit.inputs]
        parameters += [
            f"{name}: {self.types.of_hole(emitter.plan.diagrams.holes[hole])}"
            for hole, name in holes.items()
        ]
        parameters += [f"{name}: nn.Module" for name in modules]
        labels = [label for hole in holes for label in emitter.plan.diagrams.holes[hole].labels]
        doc = in_docstring(f"What was chosen: {', '.join(labels[:-1])} or {labels[-1]}.")
        return FunctionView(
            name=self.classes.functions.names[key],
            parameters=join(parameters),
            doc=tuple(docstring([doc])),
            body=tuple(body),
        )

    def class_view(self, item: Class) -> ClassView:
        draft = item.model
        unit = draft.unit
        parameters = [p.declaration for p in item.parameters.parameters]
        inputs = [f"{draft.emitter.names_of_inputs[value]}: Tensor" for value in unit.inputs]
        inputs += [f"{parameter(name)}: {_annotation(unit, name)}" for name in unit.parameters]
        if choice := self.choice_type(draft):
            inputs.append(f"{self.classes.layout.argument}: {choice}")
        results = len(unit.outputs)
        several = "Tensor, ..." if results > FEW else join(["Tensor"] * results)
        result = "Tensor" if results == 1 else f"tuple[{several}]"
        return ClassView(
            name=self.names[item.number],
            doc=tuple(docstring(self._doc(item))),
            parameters=join(["self", *parameters]),
            init=tuple(self._init(item)),
            inputs=join(["self", *inputs]),
            result=result,
            shape=self._shape(item),
            forward=(*self._memory_format(item), *draft.forward),
            evaluates=self._deployed(item),
            base=self._base(item),
        )

    def _base(self, item: Class) -> str:
        again = any(draft.unit.key in self.again for draft in item.drafts)
        return checkpoint.BASE if again else "nn.Module"

    def _deployed(self, item: Class) -> bool:
        return item is self.classes.root and self.classes.flow.program.deployed

    def _memory_format(self, item: Class) -> Iterator[str]:
        """The inputs of a network whose convolutions want the channels last."""
        if item is self.classes.root and self.classes.flow.program.channels_last:
            for name in item.model.emitter.names_of_inputs.values():
                yield f"{name} = {name}.contiguous(memory_format=torch.channels_last)"

    def choice_type(self, draft: Draft) -> str:
        """The type of the `choice` that a class's `forward` takes, if it takes one."""
        layout = self.classes.layout
        choices = layout.of(draft.unit.key[0])
        takes = not draft.unit.key[1] or any(
            draft.emitter.choice_inside(step) for step in draft.unit.steps
        )
        return layout.type_name(choices) if choices is not None and takes else ""

    def _shape(self, item: Class) -> str:
        unit = item.model.unit
        if not unit.inputs:
            return ""
        types = [unit.type_of(value) for value in unit.inputs]
        if item is self.classes.root:
            return join(f"({join(('B', *map(str, type_.shape)))})" for type_ in types)
        return _axes(types[0])

    # --- documentation -----------------------------------------------------------------------

    def _doc(self, item: Class) -> list[str]:
        unit = item.model.unit
        if unit.doc:
            return paragraphs(unit.doc)
        if item is self.classes.root:
            return [self._whole()]
        if unit.key[1]:
            return [sentence(in_docstring(_describe(item)))]
        words = unit.name.replace("_", " ")
        inner = [n for n in _inside(unit)]
        return [sentence(in_docstring(f"{words}: {', '.join(inner)}" if inner else words))]

    def _whole(self) -> str:
        layout = self.classes.layout
        if layout.of(self.classes.flow.program.root) is None:
            return "The whole network."
        return WHOLE[layout.argument]

    # --- __init__ ----------------------------------------------------------------------------

    def _init(self, item: Class) -> Iterator[str]:
        texts = iter(item.parameters.expressions)
        for line in item.model.attributes:
            made = self._made(line.made, texts)
            note = "  # never reached"
            yield f"self.{line.name} = {made}{note if line.dead else ''}"
        if self._deployed(item):
            last = self.classes.flow.program.channels_last
            yield f"self.eval(){'.to(memory_format=torch.channels_last)' if last else ''}"

    def _made(self, made: Made, texts: Iterator[str]) -> str:
        match made:
            case Kept():
                return next(texts)
            case Alias(access):
                return access
            case New(of, slots):
                name = of if isinstance(of, str) else self.names[of]
                return f"{name}({join(_arguments(slots, texts))})"
            case Several(of, members, names):
                written = [self._made(member, texts) for member in members]
                if names:
                    rows = zip(names, written, strict=True)
                    return f"{of}({{{join(f'{literal(k)}: {v}' for k, v in rows)}}})"
                return _several(of, written)


def _annotation(unit: Unit, name: str) -> str:
    """The type of a size that a use tells."""
    whole = all(isinstance(row[name], int) for row in unit.graph.rows)
    return "int" if whole else "float"


def _axes(type_: TensorType) -> str:
    """What a reader calls the axes of a value."""
    return "(B, T)" if type_.below is not None else AXES.get(len(type_.shape), "")


def _arguments(slots: Sequence[Slot], texts: Iterator[str]) -> Iterator[str]:
    """The arguments of a constructor call; `texts` are the expressions of the slots."""
    named = False
    for number, (slot, text) in enumerate(zip(slots, texts, strict=False)):
        if slot.default is not None and text == literal(slot.default):
            continue
        by_name = bool(slot.keyword)
        if slot.ours:
            first = number < 2 and slot.role in FIRST_BY_POSITION
            by_name = named or not (text == slot.keyword or first)
        named = named or by_name
        yield f"{slot.keyword}={text}" if by_name else text


def _several(of: str, written: Sequence[str]) -> str:
    """`nn.Sequential(a, b)`, with comprehensions for members that repeat or count up."""
    found = runs(written)
    if len(found) == 1 and found[0][1] > 1:
        text, count, variable = found[0]
        inner = f"{text} for {variable} in range({count})"
        return f"{of}(*({inner}))" if of == "nn.Sequential" else f"{of}({inner})"
    members = [
        f"*({text} for {variable} in range({count}))" if count > 1 else text
        for text, count, variable in found
    ]
    tail = "," if len(members) > 1 else ""
    inner = f"{join(members)}{tail}"
    return f"{of}({inner})" if of == "nn.Sequential" else f"{of}([{inner}])"


def helpers_of(step: Step) -> Iterator[str]:
    """The helpers that a step needs, in order."""
    match step.what:
        case Leaf(_, code):
            yield from code.helpers
        case Chain(members):
            for member in members:
                yield from helpers_of(member)
        case _:
            return


def all_helpers(units: Sequence[Unit]) -> dict[str, Helper]:
    """Every helper that a program needs."""
    found: dict[str, Helper] = {}

    def visit(step: Step) -> None:
        match step.what:
            case Leaf(operation, code):
                found.update(_known(operation, code.helpers))
            case Chain(members):
                for member in members:
                    visit(member)
            case _:
                pass

    for unit in units:
        for step in unit.steps:
            visit(step)
    return found


def _known(operation: Operation, names: Sequence[str]) -> dict[str, Helper]:
    known = {helper.name: helper for helper in operation.helpers}
    return {name: known[name] for name in names}


def _describe(item: Class) -> str:
    """`relu, conv, batch norm`: what a composition does, in its order."""
    rows = [_words(draft.unit) for draft in item.drafts]
    if all(row == rows[0] for row in rows):
        return ", ".join(rows[0])
    plain = [_words(draft.unit, short=True) for draft in item.drafts]
    return ", ".join(plain[0])


def _words(unit: Unit, short: bool = False) -> list[str]:
    found = []
    for step in unit.steps:
        match step.what:
            case Leaf(operation, code) if operation.arity is not None:
                said = _spoken(operation, code.constructor).split()
                sized = [word for word in said if any(ch.isdigit() for ch in word)]
                plain = [word for word in said if word not in (*sized, "stride")]
                found.append(" ".join(plain if short else said))
            case Part() | Use():
                found.append(re.sub(r"(?<!\dx)\d+$", "", stem(step.path[-1])).replace("_", " "))
            case _:
                pass
    return found


def _spoken(operation: Operation, constructor: str) -> str:
    """An operation in words, under the spelling of torch where it is the same word: `ReLU`."""
    said, torch_name = operation.describe(), constructor.removeprefix("nn.")
    known = constructor.startswith("nn.")
    return torch_name if known and said == torch_name.lower() else said


def _inside(unit: Unit) -> list[str]:
    words = [word for word in _words(unit, short=True) if word]
    return list(dict.fromkeys(words))[:6]


def _suffix(unit: Unit) -> str:
    if unit.key[1]:
        return "Op"
    return "Block" if unit.graph.kind is ModuleKind.BLOCK else "Cell"
