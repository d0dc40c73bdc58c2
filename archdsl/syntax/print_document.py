"""Documents to lines: statements and definitions begin on lines of their own.

The source says where comments and blank lines were; a tree built by a program has none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import assert_never

from archdsl.syntax import tree as t
from archdsl.syntax.comments import Comments
from archdsl.syntax.layout import INDENT, SOFT, SPACE, Group, Layout, Nest, join, set_lines
from archdsl.syntax.numbers import number_text
from archdsl.syntax.print_expression import Expressions, quoted

GAP = r"(?:\s|#[^\n]*)*"
VERSION = re.compile(rf"{GAP}archdsl{GAP}[0-9]+")
USE = re.compile(rf"{GAP}use{GAP}[A-Za-z][A-Za-z_0-9]*")

PARAMETERS = 90
"""Columns for the parameters of a header in one line."""

Line = t.Operation | t.Constant | t.Title | t.Where | t.Vary | t.Return | t.Bind
Thing = t.Space | t.Train | t.Method | t.Stage | t.Item | t.Statement


class DocumentPrinter:
    """Writes lines. `last` is the place in the source where the last printed thing ended."""

    def __init__(self, doc: t.Document, comments: tuple[t.Comment, ...], *, plain: bool) -> None:
        self.doc = doc
        self.plain = plain
        self.text = doc.span.source.text
        self.all = comments
        self.comments = Comments(self.text, comments)
        self.expressions = Expressions(self.comments, plain=plain)
        # Comments in headers go to the line of the header, so its expressions take none.
        self.headers = Expressions(Comments("", ()), plain=plain)
        self.lines: list[str] = []
        self.last = -1
        self.apart = False

    # --- lines, blank lines and comments ----------------------------------------------------

    def put(self, indent: int, text: str, start: int, end: int) -> None:
        if self.lines and (self.apart or self._blank(start)):
            self.lines.append("")
        self.lines += [" " * indent + text] if text else [""]
        self.last, self.apart = end, False

    def _blank(self, start: int) -> bool:
        return self.last >= 0 and not self.plain and self.text.count("\n", self.last, start) > 1

    def comment_lines(self, indent: int, start: int, end: int) -> None:
        for begin, finish, text in self.comments.take_placed(start, end):
            self.put(indent, text, begin, finish)

    def trail(self, end: int) -> None:
        for text in self.comments.take_trailing(end, len(self.text)):
            self.lines[-1] += text
            self.last = self.text.find("\n", end)
            self.last = len(self.text) if self.last < 0 else self.last

    def write(self, indent: int, node: t.Node, layout: Layout, doc: Sequence[str] = ()) -> None:
        """A thing that has no body: its comments, its documentation, its text."""
        start = self.beginning(node, doc)
        for text in self.comments.take(node.span.start, node.span.end):
            self.put(indent, text, start, start)
        self.documentation(indent, doc, start)
        self.put(indent, set_lines(layout, indent), node.span.start, node.span.end)
        self.trail(node.span.end)

    def documentation(self, indent: int, doc: Sequence[str], start: int) -> None:
        for line in doc:
            self.put(indent, f"## {' '.join(line.splitlines())}".rstrip(), start, start)
            self.last = -1

    def beginning(self, node: t.Node, doc: Sequence[str]) -> int:
        """Where a thing begins, counting its documentation."""
        start = node.span.start
        for _ in doc if self.text else ():
            start = self.text.rfind("##", 0, self.text.rfind("\n", 0, start))
            line = self.text.rfind("\n", 0, start) + 1
            start = line + len(self.text[line:]) - len(self.text[line:].lstrip(" \t"))
        return start

    def opening(self, indent: int, start: int, header: Layout, body: int) -> None:
        """The line of a header up to its `{`, with the comment that stood on it."""
        self.put(indent, set_lines([header, " {"], indent), start, start)
        for text in self.comments.take_header(start, body):
            self.lines[-1] += text
        self.last = -1

    def closing(self, indent: int, start: int, end: int) -> None:
        """The rest of the comments of a body, and its `}`."""
        self.comment_lines(indent + INDENT, start, end)
        self.last = -1
        if self.lines[-1].endswith("{"):
            self.lines[-1] += "}"
            self.last = end
        else:
            self.put(indent, "}", end, end)

    # --- documents and definitions ----------------------------------------------------------

    def document(self) -> str:
        end = self._header_line(VERSION, self.doc.span.start, f"archdsl {self.doc.version}")
        for name in self.doc.uses:
            end = self._header_line(USE, end, f"use {name}")
        doc = self.doc
        things: tuple[Thing, ...] = (*doc.spaces, *doc.recipes, *doc.methods)
        for thing in sorted(things, key=lambda thing: thing.span.start) if self.text else things:
            self.apart = True
            self.thing(0, thing)
        self.comment_lines(0, 0, len(self.text) + 1)
        return "\n".join(self.lines) + "\n"

    def _header_line(self, pattern: re.Pattern[str], start: int, text: str) -> int:
        match = pattern.match(self.text, start)
        end = match.end() if match else start
        for begin, finish, comment in self.comments.take_placed(0, end):
            self.put(0, comment, begin, finish)
        words = re.search(r"(?:archdsl|use)\b(?!.*(?:archdsl|use)\b)", self.text[start:end])
        begin = start + (words.start() if words else 0)
        self.put(0, text, begin, end)
        self.trail(end)
        return end

    def things(self, indent: int, things: Sequence[Thing]) -> None:
        for i, thing in enumerate(things):
            if self.plain and i and isinstance(thing, t.Module):
                self.apart = True
            self.thing(indent, thing)
            if self.plain and isinstance(thing, t.Module) and thing is not things[-1]:
                self.apart = True

    def thing(self, indent: int, thing: Thing) -> None:
        doc = _doc(thing)
        self.comment_lines(indent, 0, self.beginning(thing, doc))
        match thing:
            case t.Space():
                self._space(indent, thing)
            case t.Train():
                self._block(indent, thing, f"train {thing.name}", thing.settings, thing.doc)
            case t.Method():
                self._block(indent, thing, f"method {thing.name}", thing.items, thing.doc)
            case t.Stage():
                self._block(indent, thing, thing.name, thing.settings)
            case t.Module():
                self._module(indent, thing)
            case t.For():
                header = [f"for {thing.name} in ", self.headers.layout(thing.values)]
                self._block(indent, thing, header, thing.body)
            case t.If():
                self._if(indent, thing)
            case _:
                self.write(indent, thing, self._line(thing), doc)

    def _line(self, thing: Line) -> Layout:
        """The layout of a thing without a body."""
        match thing:
            case t.Operation():
                head = ["op ", thing.name, self._parameters(thing.parameters)]
                return [head, self.expressions.bound(thing.value)]
            case t.Constant():
                return [thing.name, self.expressions.bound(thing.value)]
            case t.Title():
                return f"title {quoted(thing.value, thing.span)}"
            case t.Where():
                return ["where ", self._several(thing.constraints)]
            case t.Vary():
                rule = t.Call(name=thing.operation, arguments=thing.arguments, span=thing.span)
                within = [" in ", ", ".join(thing.within)] if thing.within else []
                return ["vary ", self._value(rule), *within]
            case t.Return():
                return ["return ", self._several(thing.values)]
            case t.Bind():
                names = [[r.name, self.headers.index(r.index)] for r in thing.targets]
                return [join(" = ", names), self.expressions.bound(thing.value)]
        assert_never(thing)

    def _value(self, expression: t.Expression) -> Layout:
        return self.expressions.layout(expression)

    def _several(self, values: Sequence[t.Expression]) -> Layout:
        if len(values) == 1:
            return self._value(values[0])
        return Group(Nest(join([",", SPACE], [self._value(value) for value in values])))

    def _block(
        self,
        indent: int,
        node: t.Node,
        header: Layout,
        body: Sequence[Thing],
        doc: Sequence[str] = (),
    ) -> None:
        start, end = self.beginning(node, doc), node.span.end
        self.documentation(indent, doc, start)
        first = self.beginning(body[0], _doc(body[0])) if body else end
        self.opening(indent, start, header, first)
        self.things(indent + INDENT, body)
        self.closing(indent, node.span.start, end)
        self.trail(end)

    def _space(self, indent: int, node: t.Space) -> None:
        header = ["space ", node.name, self._parameters(node.parameters), _elastic(node)]
        self._block(indent, node, header, node.items, node.doc)

    def _module(self, indent: int, node: t.Module) -> None:
        family = f"[{', '.join(node.family)}]" if node.family else ""
        names = f"{node.kind.value} {node.name}{family}"
        header = [names, self._header(node), _elastic(node)]
        match node.body:
            case (t.Return(values=(value,)),) if node.short or self.plain:
                self.write(indent, node, [header, self.expressions.bound(value)], node.doc)
            case _:
                self._block(indent, node, header, node.body, node.doc)

    def _header(self, node: t.Module) -> Layout:
        if not node.inputs and not node.parameters:
            return ""
        inside = join([",", SPACE], [self._input(item) for item in node.inputs])
        if node.parameters:
            inside.append([";", SPACE, self._listed(node.parameters)])
        return Group(["(", Nest([SOFT, inside]), SOFT, ")"])

    def _parameters(self, parameters: Sequence[t.Parameter]) -> Layout:
        if not parameters:
            return ""
        return Group(["(", Nest([SOFT, self._listed(parameters)]), SOFT, ")"])

    def _listed(self, parameters: Sequence[t.Parameter]) -> Layout:
        """As many in a line as fit: breaks stand only where lines would be too long."""
        lines: list[str] = []
        for node in parameters:
            text = set_lines(self._parameter(node), 0)
            if lines and len(lines[-1]) + len(text) <= PARAMETERS:
                lines[-1] += f", {text}"
            else:
                lines.append(text)
        return join([",", SPACE], lines)

    def _input(self, node: t.Input) -> Layout:
        if not node.shape:
            return node.name
        below = [" of ", self._dimension(node.below)] if node.below is not None else []
        shape = join(" x ", [self._dimension(size) for size in node.shape])
        return [node.name, ": ", shape, *below]

    def _dimension(self, size: t.Expression) -> Layout:
        match size:
            case t.Number() if number_text(size.value).isdigit():
                return number_text(size.value)
            case t.Ref(name=name, index=()):
                return name
            case _:
                return ["(", self.headers.layout(size), ")"]

    def _parameter(self, node: t.Parameter) -> Layout:
        if node.default is None:
            return node.name
        return [node.name, "=", self.headers.layout(node.default)]

    # --- branches ---------------------------------------------------------------------------

    def _if(self, indent: int, node: t.If) -> None:
        header = ["if ", self.headers.layout(node.condition)]
        if not node.no:
            self._block(indent, node, header, node.yes)
            return
        turn = self._brace_after(node)
        first = node.yes[0].span.start if node.yes else turn
        self.opening(indent, node.span.start, header, first)
        self.things(indent + INDENT, node.yes)
        self.closing(indent, node.span.start, turn)
        self.lines[-1] += " else {"
        for text in self.comments.take_header(turn, node.no[0].span.start):
            self.lines[-1] += text
        self.last = -1
        self.things(indent + INDENT, node.no)
        self.closing(indent, turn, node.span.end)
        self.trail(node.span.end)

    def _brace_after(self, node: t.If) -> int:
        """Where the first body of an `if` closes."""
        last: t.Node = node.yes[-1] if node.yes else node.condition
        ends = {c.span.start: c.span.end for c in self.all}
        place = last.span.end
        while place < len(self.text) and self.text[place] != "}":
            place = ends.get(place, place + 1)
        return place


def _doc(thing: Thing) -> tuple[str, ...]:
    documented = t.Space | t.Train | t.Method | t.Module | t.Operation
    return thing.doc if isinstance(thing, documented) else ()


def _elastic(node: t.Space | t.Module) -> str:
    return " elastic" if node.elastic else ""
