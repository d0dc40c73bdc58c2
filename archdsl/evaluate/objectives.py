"""What a search makes large, out of what was measured: one reward, or several objectives."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from archdsl.evaluate.evaluator import Failed
from archdsl.ops.base import OperationError
from archdsl.ops.binding import Bound
from archdsl.space.named import named
from archdsl.space.wording import similar
from archdsl.syntax.errors import fault

Values = Mapping[str, float]
"""What was measured of an architecture, by name; costs from its text where they are asked for."""

NAME = re.compile(r"-?[A-Za-z_][A-Za-z0-9_.]*")


class Rule(Bound, Protocol):
    """How one number is made of what was measured."""

    def __call__(self, values: Values) -> float:
        """The reward. Raises Failed where a value is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MnasNet:
    """`value` x (`cost` / `target`) ^ `exponent`.

    Tan et al. 2019, "MnasNet: Platform-Aware Neural Architecture Search for Mobile", equations 2
    and 3, where the exponent is -0.07.
    """

    keyword: ClassVar[str] = "mnasnet"

    value: str
    cost: str
    target: float
    exponent: float = -0.07

    def __post_init__(self) -> None:
        if self.target <= 0:
            raise OperationError(
                f"mnasnet: target cannot be {self.target:g}",
                found=f"target={self.target:g}",
                expected="more than 0",
            )

    def __call__(self, values: Values) -> float:
        cost = value_of(values, self.cost)
        if cost <= 0:
            raise Failed("not a number", f"{self.cost} is {cost:g}, which has no such power")
        return float(value_of(values, self.value) * (cost / self.target) ** self.exponent)


RULES: tuple[type[Rule], ...] = (MnasNet,)


def rule_of(text: str) -> Callable[[Values], float]:
    """The reward that a text names; the evaluator's own where it is empty. Raises ArchError."""
    return named(text, RULES, "reward", "E0822") if text else lambda v: value_of(v, "reward")


def value_of(values: Values, name: str) -> float:
    """A value by its name. Raises Failed where it is missing."""
    if name not in values:
        hint = similar(name, values)
        measured = f"nothing called {name} was measured, only {', '.join(values)}"
        raise Failed("missing", measured + (f"; {hint}" if hint else ""), lacks=name)
    return values[name]


@dataclass(frozen=True, slots=True)
class Objectives:
    """Names of values, each with 1 for what is to be large and -1 for what is to be small."""

    signs: Mapping[str, int]

    def __call__(self, values: Values) -> tuple[float, ...]:
        """What is to be large, in the order of the names. Raises Failed where one is missing."""
        return tuple(sign * value_of(values, name) for name, sign in self.signs.items())


def objectives_of(text: str) -> Objectives:
    """The objectives that a text lists: `accuracy, -latency`. Raises ArchError E0823."""
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    signs: dict[str, int] = {}
    for word in words:
        name = word.removeprefix("-")
        if not NAME.fullmatch(word) or name in signs:
            raise fault(
                "E0823",
                f"{word!r} is not one more objective",
                found=text,
                expected="different names of values, with - before those that are to be small",
                hint='for example "accuracy, -latency"',
            )
        signs[name] = -1 if word.startswith("-") else 1
    if len(signs) == 1:
        raise fault(
            "E0823",
            "one objective alone is a reward",
            found=text,
            expected="at least two",
            hint="name it in the evaluator, or with --reward",
        )
    return Objectives(signs)
