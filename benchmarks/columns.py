"""The columns that every table of speeds has: -O0 and ours, as they are and under torch.compile.

-O0 is the plain reading by our own compiler; what a user would take instead of our passes is
torch.compile on it. Where there are maps, both are also timed with the channels last, uncompiled.
"""

from __future__ import annotations

import argparse
import statistics
import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from benchmarks.pairs import Form, Ratio, Work, ratio

PLAIN, OURS = "-O0", "ours"
COMPILED = " + compile"
LAST = ", channels last"
BOUND = 1.03
"""How much slower ours may be than -O0 in the same form, at the upper end of the interval."""
MAP = 4
"""The axes of a batch of maps, (B, C, H, W): others have no channels to put last."""

RATIOS = (
    (PLAIN, OURS),
    (PLAIN, PLAIN + COMPILED),
    (PLAIN, OURS + COMPILED),
    (PLAIN + COMPILED, OURS + COMPILED),
    (PLAIN + LAST, OURS + LAST),
)
"""Which ways are beside which: how many times faster the second is."""

Times = Mapping[str, Sequence[float]]
Cells = dict[str, str | int | float]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--compile`, which tables have by default, and `--eager`, which leaves it out."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--compile", action="store_true", default=True)
    which.add_argument("--eager", dest="compile", action="store_false")


def runs_and_names(given: Sequence[str], runs: int) -> tuple[int, list[str]]:
    """A number of runs and names of networks from a command line, in this order, both optional."""
    if given and given[0].isdigit():
        return int(given[0]), list(given[1:])
    return runs, list(given)


def can_compile() -> bool:
    """Whether torch.compile works on this machine."""
    try:
        torch.compile(nn.Linear(2, 2))(torch.zeros(1, 2))
    except Exception as problem:  # whatever its backend raises
        warnings.warn(str(problem).splitlines()[0], stacklevel=1)
        return False
    return True


def channels_last(network: nn.Module) -> nn.Module:
    """A copy of a network with the channels of its weights last."""
    copied: nn.Module = deepcopy(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return copied


def turned(given: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Inputs whose maps have their channels last."""
    return tuple(
        one.contiguous(memory_format=torch.channels_last) if one.dim() == MAP else one
        for one in given
    )


@dataclass(kw_only=True)
class Columns:
    """The ways of a table, its cells and its notes.

    `compiled`: whether the table has what torch.compile makes; without a compiler it has not.
    `last`: whether it has the channels last. `unit`: of the times, s or ms. `slower`: the
    ratios in which ours is slower than -O0 in the same form, by more than BOUND at the upper end.
    """

    compiled: bool
    last: bool = True
    unit: str = "s"
    slower: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.asked = self.compiled
        self.compiled = self.asked and can_compile()

    @property
    def forms(self) -> tuple[str, ...]:
        """The ends of the names of the ways of one network."""
        return ("", *([COMPILED] * self.compiled), *([LAST] * self.last))

    def start(self) -> None:
        """Before the ways of a new row: forget what was compiled.

        torch compiles one `forward` for a few networks and gives up on it beyond.
        """
        if self.compiled:
            torch.compiler.reset()

    def ways(
        self,
        name: str,
        network: nn.Module,
        given: Sequence[Tensor],
        form: Form,
        *,
        compiled: bool = True,
    ) -> dict[str, Work]:
        """What is timed of a network: as it is, compiled, and with the channels last.

        `compiled`: False for one that takes too long to compile for its table.
        """
        found = {name: form(network, given)}
        if self.compiled and compiled:
            found[name + COMPILED] = form(torch.compile(network), given)  # type: ignore[arg-type]
        if self.last and any(one.dim() == MAP for one in given):
            found[name + LAST] = form(channels_last(network), turned(given))
        return found

    def cells(self, label: str, times: Times, plain: str = PLAIN, ours: str = OURS) -> Cells:
        """Median times of every way and ratios with their 95 % intervals, for the row `label`.

        `times`: of the ways of `plain` and `ours`, by the names that `ways` gives them, in turn.
        Above 1 the second of a ratio is the faster; each is against -O0 of the same memory
        format, and ours compiled also against -O0 compiled.
        """
        sides = {PLAIN: plain, OURS: ours}
        known = {
            title + form: times[way + form]
            for form in ("", COMPILED, LAST)
            for title, way in sides.items()
            if way + form in times
        }
        scale = 1e3 if self.unit == "ms" else 1.0
        found: Cells = {
            f"{way}, {self.unit}": scale * statistics.median(taken) for way, taken in known.items()
        }
        for first, second in RATIOS:
            if first in known and second in known:
                one = ratio(known[second], known[first])
                found[f"{_name(first)} / {_name(second)}"] = shown(one)
                form = second.removeprefix(OURS)
                if first == PLAIN + form and one.low < 1 / BOUND:
                    self.slower.append(f"{label}{form} {shown(one)}")
        return found

    def notes(self) -> list[str]:
        """What the columns are, and in which rows ours is slower."""
        said = [f"`{PLAIN}`: the plain reading by our own compiler at level 0."]
        if self.compiled:
            said.append(f"`{COMPILED.strip()}`: under torch.compile as it comes; fixed shapes.")
        if self.last:
            said.append(f"`{LAST.strip(', ')}`: weights and inputs in that format, not compiled.")
        said.append(
            "A ratio above 1 says that the second is faster, with the 95 % interval of the median "
            "of all rounds in turn (bootstrap)."
        )
        if self.asked and not self.compiled:
            said.append("torch.compile finds no C++ compiler here: no such columns.")
        if not self.asked:
            said.append("Nothing compiled (`--eager`).")
        return [
            " ".join(said),
            f"Ours slower than {PLAIN} in the same form, the end of the interval above {BOUND}: "
            f"{'; '.join(self.slower) or 'none'}. One in twenty such intervals misses.",
        ]


def shown(one: Ratio) -> str:
    """A ratio as a cell has it."""
    return f"{one.ratio:.2f} ({one.low:.2f} to {one.high:.2f})"


def _name(way: str) -> str:
    """A way as a part of a quotient."""
    return f"({way})" if COMPILED in way or LAST in way else way
