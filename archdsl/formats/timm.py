"""timm's block strings: `[["ds_r1_k3_s1_e1_c16"], ["ir_r2_k3_s2_e6_c24_se0.25"], ...]`.

One list for each stage; `ir` is an inverted residual, `ds` the depthwise separable block in front;
r repeats, k is the kernel, s the stride, e the expansion, c the channels, se the squeezed share of
a block's input, `noskip` leaves the shortcut away. Stem and head are not part of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from archdsl.formats.base import Ours
from archdsl.formats.literal import Checked, Value, read_python
from archdsl.space.wording import count
from archdsl.syntax.parse import parse_genotype

NETWORK, LAYERS = "network", "layer"
STRIDES = (2, 2, 2, 1, 2, 1)
WIDTHS = {
    "first": 16,
    "width1": 24,
    "width2": 40,
    "width3": 80,
    "width4": 96,
    "width5": 192,
    "width6": 320,
}
"""The space's parameters of channels, with their defaults."""
DEPTH = 4
KERNELS, EXPANSIONS = (3, 5, 7), (1, 3, 6)
SQUEEZED = "0.25"

BLOCK = re.compile(
    r"(?P<kind>ir|ds)_r(?P<r>\d{1,3})_k(?P<k>\d{1,3})_s(?P<s>\d)(_e(?P<e>\d{1,3}))?"
    r"_c(?P<c>\d{1,6})(_se(?P<se>\d(\.\d{1,6})?))?(?P<noskip>_noskip)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block string, and the literal that it stands in."""

    kind: str
    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int
    squeezed: str
    skip: bool
    place: Value


def read(text: str, space: str) -> str:
    """Our string for block strings.

    Raises:
        ArchError: E0640 where they are none, E0641 for a kernel, an expansion or a share of
            squeezing that the space does not have, E0642 for another stride.
    """
    check = Checked("a list of stages of timm's block strings")
    value = read_python(text, "<timm>", check.what)
    rows = check.items(value)
    if len(rows) != len(STRIDES) + 1:
        wanted = f"{len(STRIDES) + 1} stages: one block ds, then {len(STRIDES)} lists of blocks ir"
        check.refuse(value, wanted, found=count(len(rows), "stage"))
    first, *stages = [[_block(check, item) for item in check.items(row)] for row in rows]
    widths = [_first(check, first, rows[0]), *map(_channels, stages)]
    _check_widths(check, space, widths, rows)
    layers: list[str] = []
    depths: list[int] = []
    before = widths[0]
    for blocks, stride, width in zip(stages, STRIDES, widths[1:], strict=True):
        found = [(b, turn) for b in blocks for turn in range(b.repeats)]
        if not found:
            check.refuse(rows[len(depths) + 1], "at least one block")
        depths.append(len(found))
        for number, (block, turn) in enumerate(found):
            expected = 1 if number else stride
            if (1 if turn else block.stride) != expected or block.channels != width:
                check.refuse(block.place, f"stride {expected} and {width} channels", code="E0642")
            layers.append(_layer(block, same=expected == 1 and before == width))
            before = width
    head = _head(space, widths, max(depths))
    return f"{head}/{NETWORK}[{'; '.join(map(str, depths))}]/{LAYERS}[{'; '.join(layers)}]"


def _block(check: Checked, item: Value) -> Block:
    text = check.text(item)
    match = BLOCK.fullmatch(text)
    if match is None:
        check.refuse(item, 'a block such as "ir_r2_k3_s2_e6_c24_se0.25"', found=text[:40])
    kernel, expansion = int(match["k"]), int(match["e"] or 1)
    squeezed = match["se"] or "0"
    for value, known, what in (
        (kernel, KERNELS, "kernel"),
        (expansion, EXPANSIONS, "expansion"),
        (float(squeezed), (0.0, float(SQUEEZED)), "share of squeezing"),
    ):
        if value not in known:
            expected = f"{what} {' or '.join(map(str, known))}"
            check.refuse(item, expected, found=str(value), code="E0641")
    return Block(
        kind=match["kind"],
        repeats=int(match["r"]),
        kernel=kernel,
        stride=int(match["s"]),
        expansion=expansion,
        channels=int(match["c"]),
        squeezed=squeezed,
        skip=match["noskip"] is None,
        place=item,
    )


def _first(check: Checked, blocks: Sequence[Block], row: Value) -> int:
    """The channels of the separable block in front."""
    if len(blocks) == 1:
        (block,) = blocks
        plain = (block.kind, block.repeats, block.kernel, block.stride, block.expansion)
        if plain == ("ds", 1, 3, 1, 1) and float(block.squeezed) == 0:
            return block.channels
    found = ", ".join(check.text(block.place) for block in blocks)
    check.refuse(
        row,
        "one block in front, as ds_r1_k3_s1_e1_c16, with any number of channels",
        found=found or "none",
        hint="the space has no other stem: no expansion and no squeezing there",
    )


def _channels(blocks: Sequence[Block]) -> int:
    return blocks[0].channels if blocks else 0


def _layer(block: Block, *, same: bool) -> str:
    excited = "yes" if float(block.squeezed) else "no"
    skip = f" {'yes' if block.skip else 'no'}" if same else ""
    return f"{block.kernel} {block.expansion} {excited}{skip}"


def _check_widths(check: Checked, space: str, widths: Sequence[int], rows: Sequence[Value]) -> None:
    """Where the space is given with parameters, the channels must be its own."""
    if "(" not in space:
        return
    given = Ours(parse_genotype(space))
    for (name, default), width, row in zip(WIDTHS.items(), widths, rows, strict=True):
        known = given.parameter(name) or default
        if width != known:
            check.refuse(row, f"{known} channels, as in {space}", found=str(width), code="E0643")


def _head(space: str, widths: Sequence[int], deepest: int) -> str:
    if "(" in space:
        return space
    changed = {n: w for (n, d), w in zip(WIDTHS.items(), widths, strict=True) if w != d}
    if deepest > DEPTH:
        changed["depth"] = deepest
    given = ", ".join(f"{name}={value}" for name, value in changed.items())
    return f"{space}({given})" if given else space


def write(ours: Ours) -> str:
    """The block strings for one of ours."""
    widths = [ours.parameter(name) or default for name, default in WIDTHS.items()]
    layers = iter(ours.entries(LAYERS))
    stages = [[f"ds_r1_k3_s1_e1_c{widths[0]}"]]
    depths = map(int, ours.labels(NETWORK))
    for depth, stride, width in zip(depths, STRIDES, widths[1:], strict=True):
        found = []
        for number in range(depth):
            kernel, expansion, excited, *skip = [ours.one(p).label for p in next(layers)]
            tail = "_se0.25" if excited == "yes" else ""
            tail += "_noskip" if skip == ["no"] else ""
            found.append((kernel, 1 if number else stride, expansion, width, tail))
        stages.append(
            [
                f"ir_r{len(list(same))}_k{k}_s{s}_e{e}_c{c}{tail}"
                for (k, s, e, c, tail), same in groupby(found)
            ]
        )
    return str(stages)
