"""A picture of a functional or Sequential model that needs neither Graphviz nor pydot.

A layer is one box, however often it is called, so a shared layer shows its several inbound edges;
the calls after the first are dashed. Branches stand in the order in which the layer that merges
them takes them. An edge that skips ranks runs beside the boxes it skips. The layout is Sugiyama's:
rank by the longest path, order by the mean of the neighbours (barycentre), then move boxes towards
their neighbours (Sugiyama, Tagawa and Toda, 1981, https://doi.org/10.1109/TSMC.1981.4308636).
"""

import itertools
from collections import defaultdict, namedtuple

import keras
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path

from ch07 import calls

RANK_HEIGHT = 0.78  # inches from one rank to the next
BOX_HEIGHT = 0.46  # inches: two lines of text
LANE_WIDTH = 0.34  # inches that an edge takes where it passes a rank
CHARACTER = 0.078  # inches of a monospaced character of size 9
SWEEPS = 12  # of ordering and of moving; the models of the chapter settle within six
GREY = "#444444"
FILLS = {"input": "#CFE5F3", "merge": "#FBE3C0", "shared": "#C5EBDD", "layer": "#F2F2F2"}
MEANINGS = {"input": "input", "merge": "merges tensors", "shared": "shared: called more than once"}

Box = namedtuple("Box", "kind lines width")  # a layer: two lines of text; inches
Edge = namedtuple("Edge", "source target call")  # a tensor to one of the calls of a layer, from 0
Graph = namedtuple("Graph", "boxes edges ranks")  # boxes and ranks by name, sources first; 0: top


def graph_of(model: keras.Model) -> Graph:
    """The graph of a functional or Sequential model: the calls that it makes itself."""
    calls.need_graph(model)
    taken: dict[tuple, list[tuple]] = {}  # by each call (layer, number of its life): other calls

    def visit(tensor) -> tuple:
        call = layer, number = tensor._keras_history[:2]
        if call not in taken:
            taken[call] = [visit(one) for one in layer._inbound_nodes[number].input_tensors]
        return call

    for tensor in (*model.outputs, *model.inputs):  # there may be an input that nothing uses
        visit(tensor)
    boxes, edges, depths, ranks = {}, [], {}, {}
    for (layer, number), sources in taken.items():
        numbers = sorted(n for other, n in taken if other is layer)  # of its calls in this model
        # The rank: the longest path from an input to the last of the calls.
        depths[layer, number] = 1 + max((depths[one] for one in sources), default=-1)
        ranks[layer.name] = max(depths.get((layer, n), 0) for n in numbers)
        edges += [Edge(source.name, layer.name, numbers.index(number)) for source, _ in sources]
        kind = "shared" if numbers[1:] else "merge" if sources[1:] else "layer"
        shapes = [one.shape[1:] for one in layer._inbound_nodes[number].outputs]
        shapes = ["x".join(str(n or "?") for n in shape) or "scalar" for shape in shapes]
        what = type(layer).__name__ + f" called {len(numbers)} times" * (len(numbers) > 1)
        lines = layer.name, f"{what} -> {', '.join(shapes)}"
        width = (max(map(len, lines)) + 2) * CHARACTER
        boxes.setdefault(layer.name, Box(kind if sources else "input", lines, width))
    # A layer called on its own output leaves a rank empty.
    filled = sorted(set(ranks.values()))
    return Graph(boxes, edges, {name: filled.index(rank) for name, rank in ranks.items()})


def place(graph: Graph) -> tuple[dict[str, float], dict[tuple[int, int], float]]:
    """Where to draw: centres (inches) of layers by name, of passing edges by (number, rank).

    Passing edges take part in the layout as if they were narrow boxes, so nothing covers them.
    """
    widths = {name: box.width + 0.3 for name, box in graph.boxes.items()}
    order = {name: float(number) for number, name in enumerate(graph.boxes)}
    ranks, neighbours = dict(graph.ranks), defaultdict(list)  # of layers and of passing edges
    behind = defaultdict(float)  # by call: the last of the branches that it has taken so far
    for number, edge in enumerate(graph.edges):
        key = edge.target, edge.call
        behind[key] = max(behind[key], order[edge.source] + 0.5)
        lane = [(number, rank) for rank in range(ranks[edge.source] + 1, ranks[edge.target])]
        for item in lane:
            ranks[item], widths[item], order[item] = item[1], LANE_WIDTH, behind[key]
        for one, other in itertools.pairwise([edge.source, *lane, edge.target]):
            neighbours[one].append(other)
            neighbours[other].append(one)
    rows: list[list] = [[] for _ in range(max(ranks.values()) + 1)]
    for item in sorted(ranks, key=order.get):
        rows[ranks[item]].append(item)
    x = dict.fromkeys(ranks, 0.0)
    for sweep in range(2 * SWEEPS):
        for row in reversed(rows) if sweep % 2 else rows:
            wished = {i: np.mean([x[n] for n in neighbours[i]] or [x[i]]) for i in row}
            if sweep < SWEEPS:  # first find the order, then keep it and straighten
                row.sort(key=wished.get)
            pairs = itertools.pairwise(widths[item] for item in row)
            offsets = np.cumsum([0, *((one + other) / 2 for one, other in pairs)])
            # Minus the offsets, "apart" means "not falling": the nearest such sequence is the mean
            # of the running maximum from the left and the running minimum from the right.
            free = [wished[item] for item in row] - offsets
            left = np.maximum.accumulate(free)
            right = np.minimum.accumulate(free[::-1])[::-1]
            x |= zip(row, (left + right) / 2 + offsets, strict=True)
    return {name: x[name] for name in graph.boxes}, {i: x[i] for i in x if isinstance(i, tuple)}


def draw(model: keras.Model, title: str = "") -> Figure:
    """A figure of `model`, not known to pyplot; ValueError if it is subclassed or not built."""
    graph = graph_of(model)
    x, lanes = place(graph)
    y = {name: -RANK_HEIGHT * rank for name, rank in graph.ranks.items()}
    heading = f"{title or model.name}: {model.count_params():,} parameters"
    kinds = {box.kind for box in graph.boxes.values()}
    legend = {kind: 0.45 + 0.075 * len(MEANINGS[kind]) for kind in MEANINGS if kind in kinds}
    sides = [c + side * graph.boxes[n].width / 2 for n, c in x.items() for side in (-1, 1)]
    left = min(*sides, *lanes.values()) - 0.2
    right = 0.2 + max(*sides, *lanes.values(), left + max(0.1 * len(heading), sum(legend.values())))
    top, bottom = 0.9, min(y.values()) - 0.5
    figure = Figure(figsize=(right - left, top - bottom))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(left, right), ylim=(bottom, top))
    axes.set_axis_off()
    for number, edge in enumerate(graph.edges):
        style = dict(arrowstyle="-|>", mutation_scale=9, color=GREY, linewidth=1.2, zorder=1)
        style |= dict(linestyle="--" if edge.call else "-")
        start, end = ((x[name], y[name]) for name in (edge.source, edge.target))
        if start[1] > end[1]:
            # Edges into one box arrive side by side, in their order: two look like two.
            order = [n for n, other in enumerate(graph.edges) if other.target == edge.target]
            share = (order.index(number) + 1) / (len(order) + 1) - 0.5
            end = end[0] + share * graph.boxes[edge.target].width / 2, end[1]
            # Straight beside the boxes of a rank, so that the curve stays clear of their corners.
            passed = range(graph.ranks[edge.source] + 1, graph.ranks[edge.target])
            stops = [start, *((lanes[number, rank], -RANK_HEIGHT * rank) for rank in passed), end]
            points = [(at, of + side * BOX_HEIGHT / 2) for at, of in stops for side in (1, -1)]
            axes.add_patch(FancyArrowPatch(path=smooth(points[1:-1]), **style))
        else:  # up, or back to its own box: beside the boxes
            ends = [x[name] + graph.boxes[name].width / 2 for name in (edge.source, edge.target)]
            below, above = (ends[0], start[1] - 0.15), (ends[1], end[1] + 0.15)
            axes.add_patch(FancyArrowPatch(below, above, connectionstyle="arc3,rad=0.8", **style))
    text = dict(family="monospace", size=9, ha="center", va="center", zorder=3)
    for name, box in graph.boxes.items():
        corner = (x[name] - box.width / 2, y[name] - BOX_HEIGHT / 2)
        style = dict(boxstyle="round,pad=0,rounding_size=0.06", fc=FILLS[box.kind], ec=GREY)
        axes.add_patch(FancyBboxPatch(corner, box.width, BOX_HEIGHT, zorder=2, **style))
        axes.text(x[name], y[name] + 0.1, box.lines[0], weight="bold", **text)
        axes.text(x[name], y[name] - 0.1, box.lines[1], **text)
    axes.text(left + 0.2, top - 0.2, heading, va="center")
    at = left + 0.25
    for kind, width in legend.items():
        style = dict(boxstyle="square", fc=FILLS[kind], ec=GREY)
        axes.text(at, top - 0.45, MEANINGS[kind], size=8, va="center", bbox=style)
        at += width
    return figure


def smooth(points: list[tuple[float, float]]) -> Path:
    """A path through `points` from top to bottom that leaves and enters each of them upright."""
    vertices = [points[0]]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        vertices += [(x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2), (x1, y1)]
    return Path(vertices, [Path.MOVETO] + [Path.CURVE4] * (len(vertices) - 1))
