"""The tree of an architecture text: what was written, and where.

Nodes are immutable and compare by meaning: spans and comments take no part in equality, so
`parse(print(tree)) == tree` says that printing loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from archdsl.syntax.node import Node as Node
from archdsl.syntax.node import Source as Source
from archdsl.syntax.node import Span as Span

# --- expressions ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Node):
    """`12`, `0.5`, `1e-5`, `12M`. `text` is the spelling, which the formatter keeps."""

    value: int | float
    text: str = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Node):
    """A string in double quotes."""

    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(Node):
    """`yes` or `no`."""

    value: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref(Node):
    """`x`, `n[i-1]`, `e[l, s]`, `n[1..i-1]`."""

    name: str
    index: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument(Node):
    """One argument of a call; `name` is None where it is positional."""

    name: str | None
    value: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Comprehension(Node):
    """`for NAME in RANGE` behind an alternative or the arguments of a join."""

    name: str
    values: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Node):
    """`conv(64, k=3)`, `motif[m](x)`, `sum(n[j] -> edge for j in 0..i-1)`."""

    name: str
    index: tuple[Expression, ...] = ()
    arguments: tuple[Argument, ...] = ()
    comprehensions: tuple[Comprehension, ...] = ()


class Quantity(Enum):
    """How many alternatives a hole takes."""

    ONE = "one of"
    SOME = "k of"
    ANY = "any of"


@dataclass(frozen=True, slots=True, kw_only=True)
class Label(Node):
    """The name of an alternative: `sep_conv_3x3`, `mixed[h]`."""

    name: str
    index: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative(Node):
    """One alternative of a hole, or a family of them."""

    label: Label | None
    value: Expression
    comprehensions: tuple[Comprehension, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole(Node):
    """`{a | b}`, `2 of {a | b | c}`, `any of {a | b}`; `count` is k where SOME are taken."""

    quantity: Quantity
    count: int = 1
    alternatives: tuple[Alternative, ...]


class Operator(Enum):
    """Operators with two operands, by their spelling."""

    ARROW = "->"
    REPEAT = "^"
    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"
    FLOOR_DIVIDE = "//"
    MODULO = "%"
    RANGE = ".."
    LESS_EQUAL = "<="
    GREATER_EQUAL = ">="
    EQUAL = "=="
    NOT_EQUAL = "!="
    LESS = "<"
    GREATER = ">"
    AND = "and"
    OR = "or"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary(Node):
    operator: Operator
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Negate(Node):
    """`-x`."""

    value: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Select(Node):
    """`if a then b else c`."""

    condition: Expression
    yes: Expression
    no: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Tied(Node):
    """`f@w`, `f@w[i]`: the weights of `f` are those of every other `@w` in this definition."""

    value: Expression
    name: str
    index: tuple[Expression, ...] = ()


Expression: TypeAlias = Number | Text | Flag | Ref | Call | Hole | Binary | Negate | Select | Tied


# --- statements ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind(Node):
    """`y = ...`, `n[i] = ...`, `e[-1] = e[0] = ...`."""

    targets: tuple[Ref, ...]
    value: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Return(Node):
    values: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class For(Node):
    name: str
    values: Expression
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class If(Node):
    condition: Expression
    yes: tuple[Statement, ...]
    no: tuple[Statement, ...] = ()


Statement: TypeAlias = Bind | Return | For | If


# --- definitions ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter(Node):
    """`nodes=4`, or `c` without a default."""

    name: str
    default: Expression | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Input(Node):
    """An input of a cell, block or net; a net's inputs have a shape, outermost axis first.

    `35 of 10000` are indices, 35 whole numbers below 10000: `below` is the bound.
    """

    name: str
    shape: tuple[Expression, ...] = ()
    below: Expression | None = None


class ModuleKind(Enum):
    CELL = "cell"
    BLOCK = "block"
    NET = "net"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Node):
    """`op edge(k=3) = relu -> conv(k=k)`: a named composition, expanded where it is applied."""

    name: str
    parameters: tuple[Parameter, ...] = ()
    value: Expression
    doc: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Module(Node):
    """A cell, block or net. `cell f(x) = e` is `cell f(x) { return e }` with `short` set."""

    kind: ModuleKind
    name: str
    family: tuple[str, ...] = ()
    inputs: tuple[Input, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    elastic: bool = False
    body: tuple[Statement, ...]
    short: bool = field(default=False, compare=False)
    doc: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant(Node):
    """`width = 36` in a space: a name for a value that every definition after it sees."""

    name: str
    value: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Title(Node):
    """`title "MetaFormer-NAS"`: the name in generated code."""

    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Where(Node):
    """`where params <= 12M, macs <= 2G`."""

    constraints: tuple[Expression, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Vary(Node):
    """`vary conv(channels=it * {0.5 | 1}) in block`: what an operation's arguments become.

    It holds for every application that is written in one of the definitions `within`, or
    anywhere in the space where there are none.
    """

    operation: str
    arguments: tuple[Argument, ...]
    within: tuple[str, ...] = ()


Item: TypeAlias = Operation | Module | Constant | Title | Where | Vary


@dataclass(frozen=True, slots=True, kw_only=True)
class Space(Node):
    """A search space, or, where nothing in it is a hole, one architecture."""

    name: str
    parameters: tuple[Parameter, ...] = ()
    elastic: bool = False
    items: tuple[Item, ...]
    doc: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Train(Node):
    """`train NAME { epochs = 600 ... }`: a recipe, by which networks are trained."""

    name: str
    settings: tuple[Constant, ...]
    doc: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Node):
    """`NAME { controller = random ... }`: one of the searches that a method is made of."""

    name: str
    settings: tuple[Constant, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method(Node):
    """`method NAME { ... }`: how a space is searched, as settings or as stages in order."""

    name: str
    items: tuple[Constant | Stage, ...]
    doc: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment(Node):
    """A `#` comment, without the mark; the printer puts it back where its span says."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(Node):
    """A file: a version, the shipped spaces it uses, its spaces, recipes and methods."""

    version: int
    uses: tuple[str, ...] = ()
    spaces: tuple[Space, ...] = ()
    recipes: tuple[Train, ...] = ()
    methods: tuple[Method, ...] = ()
    comments: tuple[Comment, ...] = field(default=(), compare=False)


# --- architecture strings ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick(Node):
    """One alternative taken, `0(sep_conv_3x3)`: its label and the choices inside it."""

    label: str
    inner: tuple[Picks, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Picks(Node):
    """What one hole takes: one pick, several joined with `+`, or none, written `-`."""

    picks: tuple[Pick, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Node):
    """The choices of one statement's turn, or of one use of a block."""

    choices: tuple[Picks, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Node):
    """`/mixer[id; 1 pool]`: the entries of one definition; `index` is its family's."""

    name: str
    index: tuple[int, ...] = ()
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Genotype(Node):
    """An architecture string: a space, its parameters, and what its holes take."""

    space: str
    parameters: tuple[Argument, ...] = ()
    groups: tuple[Group, ...] = ()
