"""Random programs of the language: every form the grammar has, meaning nothing.

Programs are made as trees from one seed, which hypothesis chooses: drawing every node would take
most of the time of a test. `scattered` writes a tree as nobody would, with comments anywhere.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from archdsl.syntax import tree as t
from archdsl.syntax.language import END, load
from archdsl.syntax.lexer import DEFINITIONS, Token, scan
from archdsl.syntax.numbers import number_value
from archdsl.syntax.printer import canonical

NOWHERE = t.Span(source=t.Source(name="made", text=""), start=0, end=0)
NAMES = ("x", "y", "n", "image", "conv", "relu", "mixer", "sep_conv_3x3", "c2", "A", "nodes")
LONG = ("a_name_that_is_so_long_that_lines_break", "another_long_name_for_the_same_purpose")
NUMBERS = ("0", "1", "12", "007", "0.5", "1e-5", "12M", "1.5G", "3.25K", "999999999", "2.50")
TEXTS = ("", "sincos", "a # b", "ünïcode", "{x | y}", "it's \\ fine")
REMARKS = ("", " plain", "no space", " with # inside", ' "quote', " ünïcode", " end  ", "#### x")


@dataclass
class Maker:
    """Makes random nodes; `room` falls with the depth, so that every tree ends."""

    chance: random.Random

    def name(self) -> str:
        return self.chance.choice(LONG if self.chance.random() < 0.08 else NAMES)

    def maybe(self, likely: float = 0.5) -> bool:
        return self.chance.random() < likely

    def several(self, least: int, most: int) -> range:
        return range(self.chance.randint(least, most))

    def distinct(self, count: int) -> list[str]:
        return self.chance.sample(NAMES + LONG, count)

    # --- expressions ------------------------------------------------------------------------

    def expression(self, room: int) -> t.Expression:
        if room <= 0 or self.maybe(0.15):
            return self.leaf()
        make = self.chance.choice(
            (
                self.binary, self.binary, self.chain, self.call, self.call, self.hole,
                self.negate, self.select, self.tied, self.indexed,
            )
        )  # fmt: skip
        return make(room - 1)

    def leaf(self) -> t.Expression:
        kind = self.chance.randrange(8)
        if kind < 2:
            return self.number()
        if kind == 2:
            return t.Text(value=self.chance.choice(TEXTS), span=NOWHERE)
        if kind == 3:
            return t.Flag(value=self.maybe(), span=NOWHERE)
        return t.Ref(name=self.name(), span=NOWHERE)

    def number(self) -> t.Number:
        text = self.chance.choice(NUMBERS)
        return t.Number(value=number_value(text), text=text, span=NOWHERE)

    def index(self, room: int) -> tuple[t.Expression, ...]:
        return tuple(self.expression(room - 1) for _ in self.several(1, 2))

    def indexed(self, room: int) -> t.Ref:
        return t.Ref(name=self.name(), index=self.index(room), span=NOWHERE)

    def binary(self, room: int) -> t.Binary:
        return t.Binary(
            operator=self.chance.choice(list(t.Operator)),
            left=self.expression(room), right=self.expression(room), span=NOWHERE,
        )  # fmt: skip

    def chain(self, room: int) -> t.Expression:
        made: t.Expression = t.Ref(name=self.name(), span=NOWHERE)
        for _ in self.several(1, 6):
            right = self.expression(room - 2)
            made = t.Binary(operator=t.Operator.ARROW, left=made, right=right, span=NOWHERE)
        return made

    def negate(self, room: int) -> t.Negate:
        return t.Negate(value=self.expression(room), span=NOWHERE)

    def select(self, room: int) -> t.Select:
        condition, yes, no = (self.expression(room - 1) for _ in range(3))
        return t.Select(condition=condition, yes=yes, no=no, span=NOWHERE)

    def tied(self, room: int) -> t.Tied:
        index = self.index(room) if self.maybe(0.3) else ()
        return t.Tied(value=self.expression(room), name=self.name(), index=index, span=NOWHERE)

    def call(self, room: int) -> t.Call:
        loops: tuple[t.Comprehension, ...] = ()
        if self.maybe(0.2):
            loops = self.loops(room)
            arguments = [t.Argument(name=None, value=self.expression(room), span=NOWHERE)]
        else:
            named = self.distinct(self.chance.randint(0, 3))
            names = [None] * self.chance.randint(0, 2) + named
            arguments = [
                t.Argument(name=name, value=self.expression(room - 1), span=NOWHERE)
                for name in names
            ]
        return t.Call(
            name=self.name(), index=self.index(room) if self.maybe(0.2) else (),
            arguments=tuple(arguments), comprehensions=loops, span=NOWHERE,
        )  # fmt: skip

    def loops(self, room: int) -> tuple[t.Comprehension, ...]:
        return tuple(
            t.Comprehension(name=self.name(), values=self.expression(room - 1), span=NOWHERE)
            for _ in self.several(1, 2)
        )

    def hole(self, room: int) -> t.Hole:
        quantity = self.chance.choice(list(t.Quantity))
        count = self.chance.randint(1, 3) if quantity is t.Quantity.SOME else 1
        alternatives = tuple(self.alternative(room) for _ in self.several(1, 4))
        return t.Hole(quantity=quantity, count=count, alternatives=alternatives, span=NOWHERE)

    def alternative(self, room: int) -> t.Alternative:
        label = None
        if self.maybe(0.4):
            index = self.index(room) if self.maybe(0.2) else ()
            label = t.Label(name=self.name(), index=index, span=NOWHERE)
        loops = self.loops(room) if self.maybe(0.2) else ()
        value = self.expression(room)
        return t.Alternative(label=label, value=value, comprehensions=loops, span=NOWHERE)

    # --- statements and definitions ---------------------------------------------------------

    def body(self, room: int) -> tuple[t.Statement, ...]:
        return tuple(self.statement(room) for _ in self.several(0 if room < 3 else 1, 3))

    def statement(self, room: int) -> t.Statement:
        kind = self.chance.randrange(10)
        if kind == 0 and room > 0:
            return t.For(
                name=self.name(), values=self.expression(1), body=self.body(room - 1), span=NOWHERE
            )
        if kind == 1 and room > 0:
            return t.If(
                condition=self.expression(1), yes=self.body(room - 1),
                no=self.body(room - 1) if self.maybe() else (), span=NOWHERE,
            )  # fmt: skip
        if kind == 2:
            values = tuple(self.expression(room) for _ in self.several(1, 3))
            return t.Return(values=values, span=NOWHERE)
        targets = tuple(
            self.indexed(2) if self.maybe() else t.Ref(name=self.name(), span=NOWHERE)
            for _ in self.several(1, 2)
        )
        return t.Bind(targets=targets, value=self.expression(room), span=NOWHERE)

    def parameters(self, names: list[str]) -> tuple[t.Parameter, ...]:
        return tuple(
            t.Parameter(
                name=name, default=self.expression(1) if self.maybe() else None, span=NOWHERE
            )
            for name in names
        )

    def doc(self) -> tuple[str, ...]:
        if self.maybe(0.7):
            return ()
        lines = ("One line.", "", "  indented", 'quotes """ and \\', "# a mark")
        return tuple(self.chance.choice(lines) for _ in self.several(1, 3))

    def input(self, name: str) -> t.Input:
        shape: tuple[t.Expression, ...] = ()
        if self.maybe(0.3):
            sizes = (self.number(), self.leaf(), self.expression(1))
            shape = tuple(self.chance.choice(sizes) for _ in self.several(1, 3))
        return t.Input(name=name, shape=shape, span=NOWHERE)

    def module(self) -> t.Module:
        names = self.distinct(self.chance.randint(0, 6))
        cuts = sorted(self.chance.randint(0, len(names)) for _ in range(2))
        short = self.maybe(0.3)
        body = self.body(3)
        if short:
            body = (t.Return(values=(self.expression(3),), span=NOWHERE),)
        return t.Module(
            kind=self.chance.choice(list(t.ModuleKind)), name=self.name(),
            family=tuple(names[: cuts[0]]),
            inputs=tuple(self.input(name) for name in names[cuts[0] : cuts[1]]),
            parameters=self.parameters(names[cuts[1] :]),
            elastic=self.maybe(0.2), body=body, short=short, doc=self.doc(), span=NOWHERE,
        )  # fmt: skip

    def item(self) -> t.Item:
        kind = self.chance.randrange(8)
        if kind == 0:
            title = self.chance.choice(TEXTS)
            return t.Title(value=title, span=NOWHERE)
        if kind == 1:
            constraints = tuple(self.expression(2) for _ in self.several(1, 3))
            return t.Where(constraints=constraints, span=NOWHERE)
        if kind == 2:
            return t.Constant(name=self.name(), value=self.expression(2), span=NOWHERE)
        if kind < 5:
            parameters = self.parameters(self.distinct(self.chance.randint(0, 3)))
            return t.Operation(
                name=self.name(), parameters=parameters, value=self.expression(3),
                doc=self.doc(), span=NOWHERE,
            )  # fmt: skip
        return self.module()

    def space(self) -> t.Space:
        return t.Space(
            name=self.name(), parameters=self.parameters(self.distinct(self.chance.randint(0, 3))),
            elastic=self.maybe(0.2), items=tuple(self.item() for _ in self.several(0, 4)),
            doc=self.doc(), span=NOWHERE,
        )  # fmt: skip

    def document(self) -> t.Document:
        return t.Document(
            version=1, uses=tuple(self.name() for _ in self.several(0, 2)),
            spaces=tuple(self.space() for _ in self.several(1, 2)), span=NOWHERE,
        )  # fmt: skip

    # --- architecture strings ---------------------------------------------------------------

    def picks(self, room: int) -> t.Picks:
        labels = ("pool", "1", "0.5", "mixed.1", "a.2.-1", "-1", "12M", "sep_conv_3x3")
        picks = []
        for _ in self.several(0, 3):
            label = self.chance.choice(labels)
            inner = ()
            if room and self.maybe(0.3):
                inner = tuple(self.picks(room - 1) for _ in self.several(1, 2))
            label = "12000000" if label == "12M" else label
            picks.append(t.Pick(label=label, inner=inner, span=NOWHERE))
        return t.Picks(picks=tuple(picks), span=NOWHERE)

    def genotype(self) -> t.Genotype:
        values = (self.number(), t.Flag(value=self.maybe(), span=NOWHERE))
        return t.Genotype(
            space=self.name(),
            parameters=tuple(
                t.Argument(name=name, value=self.chance.choice(values), span=NOWHERE)
                for name in self.distinct(self.chance.randint(0, 2))
            ),
            groups=tuple(
                t.Group(
                    name=self.name(), index=tuple(self.several(0, 2)),
                    entries=tuple(
                        t.Entry(
                            choices=tuple(self.picks(2) for _ in self.several(1, 3)), span=NOWHERE
                        )
                        for _ in self.several(1, 3)
                    ),
                    span=NOWHERE,
                )
                for _ in self.several(0, 3)
            ),
            span=NOWHERE,
        )  # fmt: skip


def program(seed: int) -> t.Document:
    return Maker(random.Random(seed)).document()


def genotype(seed: int) -> t.Genotype:
    return Maker(random.Random(seed)).genotype()


def scattered(tree: t.Document, seed: int) -> tuple[str, int]:
    """The text of a tree with odd spaces and line breaks, and how many comments were put in."""
    chance = random.Random(seed)
    source = scan(t.Source(name="made", text=canonical(tree)), load("arch"))
    parts: list[str] = []
    comments = 0
    rate = chance.choice((0.0, 0.02, 0.1, 0.4))
    before = Token("", "", 0, 0)
    for token in source.tokens:
        gap = _gap(before, token, chance)
        while chance.random() < rate:
            gap += f"{_space(chance)}{_remark(token, chance)}\n{_space(chance)}"
            comments += 1
        documentation = source.docs.get(token.start, ())
        if documentation:
            gap += "\n" + "".join(f"\t##{line and ' ' + line}\n" for line in documentation)
        parts.append(gap + token.text)
        before = token
    return "".join(parts), comments


def _gap(before: Token, token: Token, chance: random.Random) -> str:
    """White space, or none where the two tokens stay apart without it."""
    if token.kind == END or chance.random() < 0.4:
        return chance.choice((" ", " ", "\n", "  \n\n\n", "\t", "\r\n", "\n      "))
    wordlike = before.text[-1:].isalnum() or before.text.endswith("_")
    return " " if wordlike and token.text[:1].isalnum() else ""


def _space(chance: random.Random) -> str:
    return chance.choice(("", " ", "\n", "\n\n\n", "\t"))


def _remark(token: Token, chance: random.Random) -> str:
    remark = "#" + chance.choice(REMARKS)
    # Directly before a definition, two marks would be documentation, and a change of meaning.
    return "# remark" if remark.startswith("##") and token.kind in DEFINITIONS else remark
