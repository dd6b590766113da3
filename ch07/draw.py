"""A picture of a functional or Sequential model that needs neither Graphviz nor pydot.

A layer is one box, however often it is called, so a shared layer shows its several inbound edges;
the calls after the first are dashed. Branches stand in the order in which the layer that merges
them takes them. An edge that skips ranks runs beside the boxes it skips. The layout is Sugiyama's:
rank by the longest path, order by the mean of the neighbours (barycentre), then move boxes towards
their neighbours (Sugiyama, Tagawa and Toda, 1981, https://doi.org/10.1109/TSMC.1981.4308636).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import keras
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path

from ch07 import calls

RANK_HEIGHT = 0.78  # inches from one rank to the next
BOX_HEIGHT = 0.46  # inches: two lines of text
LANE_WIDTH = 0.34  # inches that an edge takes where it passes a rank
CHARACTER = 0.078  # inches of a monospaced character at FONT_SIZE
FONT_SIZE = 9
SWEEPS = 12  # of ordering and of moving; the models of the chapter settle within six
GREY = "#444444"
FILLS = {"input": "#CFE5F3", "merge": "#FBE3C0", "shared": "#C5EBDD", "layer": "#F2F2F2"}
MEANINGS = {"input": "input", "merge": "merges tensors", "shared": "shared: called more than once"}


@dataclass(frozen=True)
class Box:
    """A layer: its kind, two lines of text, its width (inches), its place among those of a rank."""

    kind: str
    lines: tuple[str, str]
    width: float
    place: float


@dataclass(frozen=True)
class Edge:
    """A tensor from a layer to a call of another (from 0), and its place among the boxes."""

    source: str
    target: str
    call: int
    place: float


@dataclass(frozen=True)
class Graph:
    """The layers of a model by name, sources first, their ranks (0 is the top), and the tensors."""

    boxes: dict[str, Box]
    edges: list[Edge]
    ranks: dict[str, int]


def graph_of(model: keras.Model) -> Graph:
    """The graph of a functional or Sequential model: the calls that it makes itself."""
    calls.need_graph(model)
    given = {id(tensor) for tensor in model.inputs}
    sources: dict[tuple, list[tuple]] = {}  # of each call (layer, number of its life)

    def visit(tensor) -> None:
        operation, number, _ = tensor._keras_history
        if (operation, number) not in sources:
            taken = [] if id(tensor) in given else operation._inbound_nodes[number].input_tensors
            for argument in taken:
                visit(argument)
            sources[operation, number] = [tuple(one._keras_history)[:2] for one in taken]

    for tensor in (*model.outputs, *model.inputs):  # there may be an input that nothing uses
        visit(tensor)
    numbers: dict[keras.Operation, list[int]] = {}  # of the calls that are this model's
    for operation, number in sources:
        numbers.setdefault(operation, []).append(number)
    at = {operation.name: place for place, operation in enumerate(numbers)}
    boxes, edges, depths = {}, [], {}
    for (operation, number), taken in sources.items():
        name, several = operation.name, len(numbers[operation])
        call = sorted(numbers[operation]).index(number)
        depths[operation, number] = 1 + max((depths[one] for one in taken), default=-1)
        for place, (source, _) in enumerate(taken, start=1):
            behind = max(at[one.name] for one, _ in taken[:place])
            edges.append(Edge(source.name, name, call, behind + 0.5))
        if name not in boxes:
            kind = "shared" if several > 1 else "merge" if len(taken) > 1 else "layer"
            shapes = [tensor.shape[1:] for tensor in operation._inbound_nodes[number].outputs]
            shapes = ["x".join("?" if n is None else str(n) for n in of) for of in shapes]
            what = type(operation).__name__ + (f" called {several} times" if several > 1 else "")
            lines = (name, f"{what} -> {', '.join(of or 'scalar' for of in shapes)}")
            width = (max(map(len, lines)) + 2) * CHARACTER
            boxes[name] = Box(kind if taken else "input", lines, width, at[name])
    # The rank: the longest path from an input to the last of the calls.
    last = {of.name: max(depths[of, number] for number in numbers[of]) for of in numbers}
    for name, box in boxes.items():
        if box.kind == "input":  # right above the first layer that takes it
            takers = [last[edge.target] for edge in edges if edge.source == name]
            last[name] = min(takers, default=1) - 1
    # A layer called on its own output leaves a rank empty.
    closed = {depth: number for number, depth in enumerate(sorted(set(last.values())))}
    return Graph(boxes, edges, {name: closed[depth] for name, depth in last.items()})


def place(graph: Graph) -> tuple[dict[str, float], dict[tuple[int, int], float]]:
    """Where to draw: centres (inches) of layers by name, of passing edges by (number, rank).

    Passing edges take part in the layout as if they were narrow boxes, so nothing covers them.
    """
    rows: dict[int, list] = {rank: [] for rank in range(max(graph.ranks.values()) + 1)}
    neighbours: dict = {}  # of layers and of passing edges
    widths = {name: box.width + 0.3 for name, box in graph.boxes.items()}
    places = {name: box.place for name, box in graph.boxes.items()}
    for name, rank in graph.ranks.items():
        rows[rank].append(name)
        neighbours[name] = []
    for number, edge in enumerate(graph.edges):
        low, high = graph.ranks[edge.source], graph.ranks[edge.target]
        lane = [(number, rank) for rank in range(low + 1, high)]
        for item in lane:
            rows[item[1]].append(item)
            widths[item], places[item], neighbours[item] = LANE_WIDTH, edge.place, []
        stops = [edge.source, *lane, edge.target] if low < high else []
        for one, other in itertools.pairwise(stops):
            neighbours[one].append(other)
            neighbours[other].append(one)

    def spread(row: list, wished: np.ndarray) -> dict:
        """Centres in the order of `row`, apart by their widths, as near `wished` as they can be."""
        apart = [(widths[one] + widths[other]) / 2 for one, other in itertools.pairwise(row)]
        offsets = np.cumsum([0, *apart])
        # Minus the offsets, "apart" means "not falling": the nearest such sequence is the mean of
        # the running maximum from the left and the running minimum from the right.
        free = wished - offsets
        left = np.maximum.accumulate(free)
        right = np.minimum.accumulate(free[::-1])[::-1]
        return dict(zip(row, (left + right) / 2 + offsets, strict=True))

    x: dict = {}
    for row in rows.values():
        row.sort(key=places.get)
        x |= spread(row, np.zeros(len(row)))
    for sweep in range(2 * SWEEPS):
        for rank in sorted(rows, reverse=bool(sweep % 2)):
            row = rows[rank]
            wished = {i: np.mean([x[n] for n in neighbours[i]] or [x[i]]) for i in row}
            if sweep < SWEEPS:  # first find the order, then keep it and straighten
                row.sort(key=wished.get)
            x |= spread(row, np.array([wished[i] for i in row]))
    return {name: x[name] for name in graph.boxes}, {i: x[i] for i in x if isinstance(i, tuple)}


def draw(model: keras.Model, title: str = "") -> Figure:
    """A figure of `model`, not known to pyplot; ValueError if it is subclassed or not built."""
    graph = graph_of(model)
    x, lanes = place(graph)
    y = {name: -RANK_HEIGHT * rank for name, rank in graph.ranks.items()}
    sides = [c + side * graph.boxes[n].width / 2 for n, c in x.items() for side in (-1, 1)]
    sides += lanes.values()
    kinds = [kind for kind in MEANINGS if any(box.kind == kind for box in graph.boxes.values())]
    heading = f"{title or model.name}: {model.count_params():,} parameters"
    least = max(0.1 * len(heading), sum(0.45 + 0.075 * len(MEANINGS[kind]) for kind in kinds))
    left = min(sides) - 0.2
    right = max(max(sides), left + least) + 0.2
    top, bottom = 0.9, min(y.values()) - 0.5
    figure = Figure(figsize=(right - left, top - bottom))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(left, right), ylim=(bottom, top))
    axes.set_axis_off()
    before = [  # where each edge comes from
        lanes.get((number, graph.ranks[edge.target] - 1), x[edge.source])
        for number, edge in enumerate(graph.edges)
    ]
    for number, edge in enumerate(graph.edges):
        style = dict(arrowstyle="-|>", mutation_scale=9, color=GREY, linewidth=1.2, zorder=1)
        style |= dict(linestyle="--" if edge.call else "-")
        if graph.ranks[edge.source] < graph.ranks[edge.target]:
            # Edges into one box arrive side by side, in their order: two look like two.
            order = [n for n, other in enumerate(graph.edges) if other.target == edge.target]
            order.sort(key=before.__getitem__)
            share = (order.index(number) + 1) / (len(order) + 1) - 0.5
            end = x[edge.target] + share * graph.boxes[edge.target].width / 2
            # Straight beside the boxes of a rank, so that the curve stays clear of their corners.
            lane = [
                (lanes[number, rank], -RANK_HEIGHT * rank + side * BOX_HEIGHT / 2)
                for rank in range(graph.ranks[edge.source] + 1, graph.ranks[edge.target])
                for side in (1, -1)
            ]
            start = (x[edge.source], y[edge.source] - BOX_HEIGHT / 2)
            points = [start, *lane, (end, y[edge.target] + BOX_HEIGHT / 2)]
            axes.add_patch(FancyArrowPatch(path=smooth(points), **style))
        else:  # up, or back to its own box: beside the boxes
            ends = [x[name] + graph.boxes[name].width / 2 for name in (edge.source, edge.target)]
            below, above = (ends[0], y[edge.source] - 0.15), (ends[1], y[edge.target] + 0.15)
            axes.add_patch(FancyArrowPatch(below, above, connectionstyle="arc3,rad=0.8", **style))
    for name, box in graph.boxes.items():
        corner = (x[name] - box.width / 2, y[name] - BOX_HEIGHT / 2)
        style = dict(boxstyle="round,pad=0,rounding_size=0.06", fc=FILLS[box.kind], ec=GREY)
        axes.add_patch(FancyBboxPatch(corner, box.width, BOX_HEIGHT, zorder=2, **style))
        for line, shift, weight in zip(box.lines, (0.1, -0.1), ("bold", "normal"), strict=True):
            text = dict(family="monospace", size=FONT_SIZE, ha="center", va="center", zorder=3)
            axes.text(x[name], y[name] + shift, line, weight=weight, **text)
    at = left + 0.2
    axes.text(at, top - 0.2, heading, va="center")
    for kind in kinds:
        axes.add_patch(Rectangle((at, top - 0.53), 0.16, 0.16, fc=FILLS[kind], ec=GREY))
        axes.text(at + 0.22, top - 0.45, MEANINGS[kind], size=8, va="center")
        at += 0.45 + 0.075 * len(MEANINGS[kind])
    return figure


def smooth(points: list[tuple[float, float]]) -> Path:
    """A path through `points` from top to bottom that leaves and enters each of them upright."""
    vertices = [points[0]]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        vertices += [(x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2), (x1, y1)]
    return Path(vertices, [Path.MOVETO] + [Path.CURVE4] * (len(vertices) - 1))
