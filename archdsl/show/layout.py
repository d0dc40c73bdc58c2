"""Where boxes go: a layered drawing, after Sugiyama, Tagawa and Toda (1981).

Every box stands one layer below the lowest of its inputs. An arrow that crosses layers takes a
place in each of them, so that it passes boxes at their side. Within a layer the order follows
the median of the neighbours, which leaves few crossings; then each layer is moved as close to
its neighbours as the widths allow, by least squares.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

SWEEPS = 12
GAP_X, GAP_Y = 26.0, 34.0
LANE = 10.0  # what an arrow that passes needs
MAX_LANES = 4_000  # beyond, long arrows go straight: such a drawing is no longer read by its lines


@dataclass(frozen=True, slots=True)
class Size:
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Route:
    """An arrow from one box to another, through points in between, from top to bottom."""

    start: int
    end: int
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Centres of boxes and routes of arrows, in a frame that starts at (0, 0)."""

    centres: tuple[Point, ...]
    routes: tuple[Route, ...]
    size: Size


def layout(args: Sequence[Sequence[int]], sizes: Sequence[Size]) -> Layout:
    """Places for boxes in topological order, each with the boxes it takes as inputs."""
    if not sizes:
        return Layout((), (), Size(0.0, 0.0))
    drawing = _Drawing(args, sizes)
    drawing.order_layers()
    drawing.place()
    return drawing.finish()


class _Drawing:
    """Boxes and the lanes of long arrows, layer by layer. Lanes have numbers beyond the boxes."""

    def __init__(self, args: Sequence[Sequence[int]], sizes: Sequence[Size]) -> None:
        self.sizes = list(sizes)
        self.boxes = len(sizes)
        self.depth = _depths(args)
        self.layers: list[list[int]] = [[] for _ in range(max(self.depth) + 1)]
        for box, depth in enumerate(self.depth):
            self.layers[depth].append(box)
        self.above: list[list[int]] = [[] for _ in sizes]
        self.below: list[list[int]] = [[] for _ in sizes]
        self.chains: list[list[int]] = []
        for end, inputs in enumerate(args):
            for start in inputs:
                self._connect(start, end)
        self.x: list[float] = []

    def _connect(self, start: int, end: int) -> None:
        chain = [start]
        passed = range(self.depth[start] + 1, self.depth[end])
        room = len(self.depth) + len(passed) <= self.boxes + MAX_LANES
        for depth in passed if room else ():
            lane = len(self.depth)
            self.depth.append(depth)
            self.sizes.append(Size(LANE, 0.0))
            self.above.append([])
            self.below.append([])
            self.layers[depth].append(lane)
            chain.append(lane)
        chain.append(end)
        for upper, lower in itertools.pairwise(chain):
            self.below[upper].append(lower)
            self.above[lower].append(upper)
        self.chains.append(chain)

    def order_layers(self) -> None:
        """Sweep down and up; keep the order with the fewest crossings."""
        best, least = [list(layer) for layer in self.layers], self._crossings()
        for sweep in range(SWEEPS):
            down = sweep % 2 == 0
            layers = self.layers[1:] if down else self.layers[-2::-1]
            for layer in layers:
                self._order(layer, self.above if down else self.below)
            crossings = self._crossings()
            if crossings < least:
                best, least = [list(layer) for layer in self.layers], crossings
        self.layers = best

    def _order(self, layer: list[int], neighbours: Sequence[Sequence[int]]) -> None:
        position = self._positions()
        wanted = {
            item: median([position[n] for n in neighbours[item]])
            if neighbours[item]
            else float(position[item])
            for item in layer
        }
        layer.sort(key=lambda item: (wanted[item], position[item]))

    def _positions(self) -> dict[int, int]:
        return {item: i for layer in self.layers for i, item in enumerate(layer)}

    def _crossings(self) -> int:
        """Pairs of arrows between neighbouring layers that cross."""
        position = self._positions()
        total = 0
        for layer in self.layers[:-1]:
            ends = [
                position[lower]
                for upper in layer
                for lower in sorted(self.below[upper], key=lambda item: position[item])
            ]
            total += _inversions(ends)
        return total

    def place(self) -> None:
        """Coordinates across: packed first, then towards the neighbours, up and down.

        The last sweep goes down, where most boxes have one input: columns become straight.
        """
        self.x = [0.0] * len(self.sizes)
        for layer in self.layers:
            self._settle(layer, dict.fromkeys(layer, 0.0))
        for sweep in range(SWEEPS):
            down = sweep % 2 == 1
            for layer in self.layers if down else self.layers[::-1]:
                self._settle(layer, {item: self._wanted(item, down) for item in layer})

    def _wanted(self, item: int, down: bool) -> float:
        """Between the neighbours on one side; where there are none, on the other."""
        near = (self.above[item] if down else self.below[item]) or (
            self.below[item] if down else self.above[item]
        )
        return sum(self.x[n] for n in near) / len(near) if near else self.x[item]

    def _settle(self, layer: Sequence[int], wanted: Mapping[int, float]) -> None:
        """The closest places that keep the order and the gaps.

        Least squares under `x[i+1] - x[i] >= gap`: with the gaps taken out, a regression that
        may only rise, solved by pooling neighbours that want to pass each other.
        """
        offsets, at = [], 0.0
        for i, item in enumerate(layer):
            if i:
                before = layer[i - 1]
                at += (self.sizes[before].width + self.sizes[item].width) / 2 + GAP_X
            offsets.append(at)
        pools: list[tuple[float, float, int]] = []  # mean, weight, members
        for item, offset in zip(layer, offsets, strict=True):
            # A lane yields less than a box, so that long arrows are straight where there is room.
            mean, weight, members = wanted[item] - offset, 1.0 if item < self.boxes else 3.0, 1
            while pools and pools[-1][0] > mean:
                other, other_weight, other_members = pools.pop()
                total = weight + other_weight
                mean = (mean * weight + other * other_weight) / total
                weight, members = total, members + other_members
            pools.append((mean, weight, members))
        settled = [mean for mean, _, members in pools for _ in range(members)]
        for item, mean, offset in zip(layer, settled, offsets, strict=True):
            self.x[item] = mean + offset

    def finish(self) -> Layout:
        """Everything moved to a frame that starts at (0, 0)."""
        left = min(x - size.width / 2 for x, size in zip(self.x, self.sizes, strict=True))
        right = max(x + size.width / 2 for x, size in zip(self.x, self.sizes, strict=True))
        heights = [max(self.sizes[item].height for item in layer) for layer in self.layers]
        tops, top = [], 0.0
        for height in heights:
            tops.append(top)
            top += height + GAP_Y
        middle = [tops[depth] + heights[depth] / 2 for depth in self.depth]
        points = [Point(x - left, y) for x, y in zip(self.x, middle, strict=True)]
        routes = tuple(self._route(chain, points, tops, heights) for chain in self.chains)
        return Layout(
            tuple(points[: self.boxes]), routes, Size(right - left, max(top - GAP_Y, 0.0))
        )

    def _route(
        self,
        chain: Sequence[int],
        points: Sequence[Point],
        tops: Sequence[float],
        heights: Sequence[float],
    ) -> Route:
        """Out of a box below, through its lanes from top to bottom, into a box above."""
        start, end = chain[0], chain[-1]
        way = [Point(points[start].x, points[start].y + self.sizes[start].height / 2)]
        for lane in chain[1:-1]:
            depth = self.depth[lane]
            way.append(Point(points[lane].x, tops[depth]))
            way.append(Point(points[lane].x, tops[depth] + heights[depth]))
        way.append(Point(points[end].x, points[end].y - self.sizes[end].height / 2))
        return Route(start, end, tuple(way))


def _depths(args: Sequence[Sequence[int]]) -> list[int]:
    """The longest path from a box without inputs."""
    depths: list[int] = []
    for inputs in args:
        depths.append(1 + max((depths[i] for i in inputs), default=-1))
    return depths


def _inversions(values: Sequence[int]) -> int:
    """Pairs out of order, by merging."""
    if len(values) < 2:
        return 0
    middle = len(values) // 2
    first, second = list(values[:middle]), list(values[middle:])
    total = _inversions(first) + _inversions(second)
    first.sort()
    second.sort()
    i = 0
    for value in second:
        while i < len(first) and first[i] <= value:
            i += 1
        total += len(first) - i
    return total
