"""Literals of other tools: Python's, JSON's and YAML's, as values that know their place.

Nothing is evaluated: Python's own parser (which reads JSON as well) and PyYAML's give trees, and
only numbers, texts, flags, nulls, sequences, mappings, `range(...)` of numbers and calls of one
named constructor (`Genotype(...)`, also `genotypes.Genotype(...)`) are taken over.
"""

from __future__ import annotations

import ast
import warnings
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from archdsl.formats.brackets import unpaired
from archdsl.syntax.errors import fault
from archdsl.syntax.tree import Source, Span

if TYPE_CHECKING:
    import yaml

MAX_CHARACTERS = 64 * 1024
MAX_NESTING = 40
MAX_RANGE = 1_000

CONSTANTS = {"true": True, "false": False, "null": None}
"""JSON's words, which are names to Python."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A number, a text, a flag or nothing."""

    value: int | float | str | bool | None
    span: Span = field(compare=False, repr=False)

    def __str__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A list, a tuple, or a `range`."""

    items: tuple[Value, ...]
    span: Span = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"{len(self.items)} items"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """A mapping by texts; with `name`, the keyword arguments of a call of that name."""

    fields: tuple[tuple[str, Value], ...]
    name: str = ""
    span: Span = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.name}(...)" if self.name else f"{len(self.fields)} fields"


Value: TypeAlias = Scalar | Items | Fields


def read_python(text: str, name: str, what: str) -> Value:
    """The value of a Python or JSON literal; `what` says in errors what was expected.

    Raises:
        ArchError: E0640 for text that is none, E0644 for text that is too large.
    """
    source = _source(text, name, what)
    try:
        node = _parsed(source.text)
    except SyntaxError as problem:
        _check_brackets(source, what)
        lines = _Lines(source)
        start = lines.offset(problem.lineno or 1, max((problem.offset or 1) - 1, 0), bytes_=False)
        raise _broken(Span(source=source, start=start, end=start + 1), what) from None
    except (RecursionError, MemoryError, ValueError):
        raise _broken(_whole(source), what) from None
    return _Python(source, what, _Lines(source)).value(node, 0)


def _parsed(text: str) -> ast.expr:
    """The tree of an expression, or of the right side of `NAME = expression`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # of `1or 2`: it is refused anyway
        match ast.parse(text).body:
            case [ast.Expr(value=value)]:
                return value
            case [ast.Assign(targets=[ast.Name()], value=value)]:
                return value
            case _:
                return ast.parse(text, mode="eval").body


def read_yaml(text: str, name: str, what: str) -> Value:
    """The value of a YAML document of plain values (no tags, no anchors).

    Raises:
        ArchError: E0640 for text that is none, E0644 for text that is too large.
    """
    import yaml

    source = _source(text, name, what)
    try:
        root = yaml.compose(source.text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as problem:
        _check_brackets(source, what)
        mark = getattr(problem, "problem_mark", None)
        start = min(mark.index if mark else 0, len(source.text))
        raise _broken(Span(source=source, start=start, end=start + 1), what) from None
    except RecursionError:
        raise _broken(_whole(source), what) from None
    if root is None:
        raise _broken(_whole(source), what)
    return _Yaml(source, what).value(root, 0)


def _source(text: str, name: str, what: str) -> Source:
    if len(text) > MAX_CHARACTERS:
        raise fault(
            "E0644",
            f"{what} is too large",
            found=f"{len(text):,} characters",
            expected=f"at most {MAX_CHARACTERS:,}",
        )
    return Source(name=name, text=text.strip())


def _whole(source: Source) -> Span:
    return Span(source=source, start=0, end=len(source.text))


def _broken(span: Span, what: str, found: str = "") -> Exception:
    text = span.source.text[span.start : span.start + 40]
    return fault(
        "E0640",
        f"not {what}",
        span,
        found=found or (f"'{text.splitlines()[0]}'" if text else "the end"),
        expected=what,
    )


def _check_brackets(source: Source, what: str) -> None:
    """Raise E0640 at the first bracket without a partner, where there is one."""
    found = unpaired(source.text)
    if found is None:
        return
    shows = "the end of the text"
    if found.shows < len(source.text):
        line = source.text.count("\n", 0, found.shows) + 1
        shows = f"`{source.text[found.shows]}` in line {line}"
    fails = "is never closed" if found.wanted else "closes nothing"
    raise fault(
        "E0640",
        f"not {what}: this `{source.text[found.at]}` {fails}",
        Span(source=source, start=found.at, end=found.at + 1),
        found=shows,
        expected=f"`{found.wanted}`" if found.wanted else "no closing bracket: none is open",
    )


class _Lines:
    """Places by line and column -> offsets. Python counts columns in bytes of UTF-8."""

    def __init__(self, source: Source) -> None:
        self.lines = source.text.splitlines(keepends=True) or [""]
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))

    def offset(self, line: int, column: int, *, bytes_: bool = True) -> int:
        index = min(line, len(self.lines)) - 1
        text = self.lines[index]
        if bytes_ and not text.isascii():
            column = len(text.encode()[:column].decode(errors="ignore"))
        return min(self.starts[index] + column, self.starts[-1])

    def line(self, offset: int) -> int:
        return bisect_right(self.starts, offset)


@dataclass(slots=True)
class _Python:
    """Python's tree of a literal, taken over value by value."""

    source: Source
    what: str
    lines: _Lines
    ranged: int = 0
    """How many numbers the ranges so far stand for."""

    def value(self, node: ast.expr, depth: int) -> Value:
        span = self._span(node)
        if depth > MAX_NESTING:
            raise self._refused(node, "deeper nesting than any such text has")
        match node:
            case ast.Constant(value=int() | float() | str() | None as value):
                return Scalar(value=value, span=span)
            case ast.Name(id=word) if word in CONSTANTS:
                return Scalar(value=CONSTANTS[word], span=span)
            case ast.UnaryOp(
                op=ast.USub(), operand=ast.Constant(value=int() | float() as value)
            ) if not isinstance(value, bool):
                return Scalar(value=-value, span=span)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return Items(items=tuple(self.value(i, depth + 1) for i in items), span=span)
            case ast.Dict(keys=keys, values=values):
                pairs = zip(keys, values, strict=True)
                fields = tuple((self._key(k, node), self.value(v, depth + 1)) for k, v in pairs)
                return self._unique(Fields(fields=fields, span=span))
            case ast.Call(func=ast.Name(id="range"), keywords=[], args=arguments):
                return self._range(node, [self.value(a, depth + 1) for a in arguments])
            case ast.Call(
                func=ast.Name(id=name) | ast.Attribute(value=ast.Name(), attr=name),
                args=[],
                keywords=keywords,
            ):
                fields = tuple((k.arg or "", self.value(k.value, depth + 1)) for k in keywords)
                return self._unique(Fields(fields=fields, name=name, span=span))
            case _:
                raise self._refused(node, "")

    def _key(self, key: ast.expr | None, mapping: ast.expr) -> str:
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            return key.value
        raise self._refused(key or mapping, "a key that is no text")

    def _unique(self, fields: Fields) -> Fields:
        _check_unique(fields, self.what)
        return fields

    def _range(self, node: ast.expr, arguments: Sequence[Value]) -> Items:
        span = self._span(node)
        numbers = [a.value for a in arguments if isinstance(a, Scalar) and type(a.value) is int]
        if len(numbers) != len(arguments) or not 1 <= len(numbers) <= 2:
            raise self._refused(node, "a range of something else than one or two numbers")
        start, stop = (0, *numbers) if len(numbers) == 1 else numbers
        self.ranged += max(stop - start, 0)
        if self.ranged > MAX_RANGE:
            raise self._refused(node, f"ranges of {self.ranged:,} numbers")
        return Items(items=tuple(Scalar(value=i, span=span) for i in range(start, stop)), span=span)

    def _span(self, node: ast.expr) -> Span:
        start = self.lines.offset(node.lineno, node.col_offset)
        end = self.lines.offset(node.end_lineno or node.lineno, node.end_col_offset or 0)
        return Span(source=self.source, start=start, end=max(start, end))

    def _refused(self, node: ast.expr, found: str) -> Exception:
        return _broken(self._span(node), self.what, found)


@dataclass(slots=True)
class _Yaml:
    """PyYAML's nodes, taken over value by value; what is shared or tagged is refused."""

    source: Source
    what: str
    seen: set[int] = field(default_factory=set)

    def value(self, node: yaml.Node, depth: int) -> Value:
        import yaml

        start, end = node.start_mark.index, node.end_mark.index
        span = Span(source=self.source, start=start, end=max(start, end))
        if id(node) in self.seen or depth > MAX_NESTING:
            raise _broken(span, self.what, "an alias or too deep a nesting")
        self.seen.add(id(node))
        match node:
            case yaml.ScalarNode():
                return Scalar(value=self._scalar(node, span), span=span)
            case yaml.SequenceNode(value=items):
                return Items(items=tuple(self.value(i, depth + 1) for i in items), span=span)
            case yaml.MappingNode(value=pairs):
                fields = tuple((str(k.value), self.value(v, depth + 1)) for k, v in pairs)
                result = Fields(fields=fields, span=span)
                _check_unique(result, self.what)
                return result
            case _:
                raise _broken(span, self.what)

    def _scalar(self, node: yaml.ScalarNode, span: Span) -> int | float | str | bool | None:
        convert: Callable[[str], int | float | str | bool | None]
        match node.tag.rpartition(":")[2]:
            case "int":
                convert = int
            case "float":
                convert = float
            case "bool":
                convert = {"true": True, "false": False, "yes": True, "no": False}.__getitem__
            case "null":
                return None
            case "str":
                return str(node.value)
            case _:
                raise _broken(span, self.what)
        word = node.value.lower().lstrip("+-")
        if convert is int and word.startswith("0") and word != "0":
            raise _broken(span, self.what, f"'{node.value}', which YAML reads as octal")
        try:
            return convert(node.value.lower())
        except (ValueError, KeyError):
            raise _broken(span, self.what) from None


def _check_unique(fields: Fields, what: str) -> None:
    known: set[str] = set()
    for name, value in fields.fields:
        if name in known:
            raise _broken(value.span, what, f"{name} twice")
        known.add(name)


@dataclass(frozen=True, slots=True)
class Checked:
    """Reads values as the shapes that a format expects; what does not fit is an E0640."""

    what: str

    def fields(self, value: Value, *names: str, name: str = "") -> list[Value]:
        """The fields of these names, which must be all there are, in their order."""
        if not isinstance(value, Fields) or value.name != name:
            self.refuse(value, f"{name}(...)" if name else f"fields {', '.join(names)}")
        known = dict(value.fields)
        for missing in names:
            if missing not in known:
                self.refuse(value, f"a field {missing}")
        for extra, inner in value.fields:
            if extra not in names:
                self.refuse(inner, f"no field but {', '.join(names)}", found=extra)
        return [known[name] for name in names]

    def items(self, value: Value, count: int | None = None, expected: str = "") -> list[Value]:
        """The items of a sequence, of this number where it is given."""
        if not isinstance(value, Items) or count not in (None, len(value.items)):
            self.refuse(value, expected or (f"{count} items" if count else "a list"))
        return list(value.items)

    def integer(self, value: Value, least: int = 0, most: int = 10**9) -> int:
        """A whole number in a range."""
        if isinstance(value, Scalar) and type(value.value) is int and least <= value.value <= most:
            return value.value
        self.refuse(value, f"a whole number from {least} to {most}")

    def integers(self, value: Value, least: int = 0, most: int = 10**9) -> list[int]:
        return [self.integer(item, least, most) for item in self.items(value)]

    def number(self, value: Value) -> int | float:
        if isinstance(value, Scalar) and type(value.value) in (int, float):
            assert isinstance(value.value, (int, float))
            return value.value
        self.refuse(value, "a number")

    def text(self, value: Value, *words: str) -> str:
        """A text, one of these where any are given."""
        if isinstance(value, Scalar) and isinstance(value.value, str):
            if words and value.value not in words:
                self.refuse(value, ", ".join(words), code="E0641")
            return value.value
        self.refuse(value, "one of " + ", ".join(words) if words else "a text")

    def refuse(
        self, value: Value, expected: str, *, found: str = "", code: str = "E0640", hint: str = ""
    ) -> NoReturn:
        raise fault(
            code,
            f"not {self.what}",
            value.span,
            found=found or str(value),
            expected=expected,
            hint=hint,
        )
