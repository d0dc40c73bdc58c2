"""What the templates lay out: finished values, nothing left to decide."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldView:
    """A field of a NamedTuple; `note` is the comment behind it."""

    name: str
    type: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceView:
    """The choice of one definition."""

    name: str
    doc: tuple[str, ...]
    fields: tuple[FieldView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasView:
    """A name for a type that several fields share."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionView:
    """A function at module level."""

    name: str
    parameters: str
    doc: tuple[str, ...]
    body: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassView:
    """One module, of the class `base`. `init` are the lines below `super().__init__()`.

    `evaluates`: it refuses to train.
    """

    name: str
    doc: tuple[str, ...]
    parameters: str
    init: tuple[str, ...]
    inputs: str
    result: str
    shape: str
    forward: tuple[str, ...]
    evaluates: bool = False
    base: str = "nn.Module"


@dataclass(frozen=True, slots=True, kw_only=True)
class HelperView:
    """A class or function that comes with an operation, as source text."""

    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckView:
    """The self-check at the end of a file. `choice` is empty for a network; `argument` names it."""

    model: str
    inputs: str
    choice: str
    argument: str
    parameters: str
    shapes: tuple[str, ...]
    several: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FileView:
    """One generated file, top to bottom."""

    doc: tuple[str, ...]
    imports: tuple[str, ...]
    typing: str
    functional: bool
    torch_imports: tuple[str, ...]
    constant: str
    text: str
    aliases: tuple[AliasView, ...]
    choices: tuple[ChoiceView, ...]
    parts: tuple[FunctionView | ClassView | HelperView, ...]
    check: CheckView
    origin: tuple[str, ...]
