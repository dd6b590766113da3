"""A picture of a functional model that needs neither Graphviz nor pydot.

A layer is one box, however often it is called, so a shared layer shows its several inbound edges;
the calls after the first are dashed. An edge that skips ranks runs beside the boxes it skips. The
layout is Sugiyama's: rank by the longest path, order by the mean of the neighbours (barycentre),
then move boxes towards their neighbours (Sugiyama, Tagawa and Toda, 1981,
https://doi.org/10.1109/TSMC.1981.4308636).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import keras
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.path import Path

RANK_HEIGHT = 0.78  # inches from one rank to the next
BOX_HEIGHT = 0.46  # inches: two lines of text
LANE_WIDTH = 0.34  # inches that an edge takes where it passes a rank
CHARACTER = 0.078  # inches of a monospaced character at FONT_SIZE
FONT_SIZE = 9
SWEEPS = 12  # of ordering and of moving; the models of the chapter settle within six

FILLS = {"input": "#CFE5F3", "merge": "#FBE3C0", "shared": "#C5EBDD", "layer": "#F2F2F2"}
MEANINGS = {
    "input": "input",
    "merge": "merges tensors",
    "shared": "shared: called more than once",
}


@dataclass(frozen=True)
class Box:
    """A layer: its name, its class, the shape of its output, and what kind of box it is."""

    name: str
    kind: str
    lines: tuple[str, str]

    @property
    def width(self) -> float:
        """Inches."""
        return (max(map(len, self.lines)) + 2) * CHARACTER


@dataclass(frozen=True)
class Edge:
    """A tensor that goes from layer `source` to layer `target`, in the target's call `call`."""

    source: str
    target: str
    call: int


@dataclass
class Graph:
    """The layers of a model, its edges, and the rank (0 is the top) of each layer."""

    boxes: dict[str, Box]
    edges: list[Edge]
    ranks: dict[str, int] = field(default_factory=dict)


def tensors(structure) -> Iterator[dict]:
    """The tensors in the arguments of a call, as `get_config` writes them down."""
    if isinstance(structure, dict):
        if structure.get("class_name") == "__keras_tensor__":
            yield structure["config"]
        else:
            yield from tensors(list(structure.values()))
    elif isinstance(structure, (list, tuple)):
        for item in structure:
            yield from tensors(item)


def graph_of(model: keras.Model) -> Graph:
    """The graph of a functional model, read from its public configuration.

    Raises:
        ValueError: `model` is not functional, so it has no graph of layers.
    """
    config = model.get_config()
    if "input_layers" not in config:
        raise ValueError(f"'{model.name}' is not a functional model; only those have a graph.")
    calls = {layer["name"]: layer["inbound_nodes"] for layer in config["layers"]}
    shapes = {n: t.shape for n, t in zip(model.output_names, model.outputs, strict=True)}
    edges, parents = [], {}
    for name, nodes in calls.items():
        for call, node in enumerate(nodes):
            parents[name, call] = []
            for tensor in tensors(node):
                source, source_call, _ = tensor["keras_history"]
                shapes[source] = tensor["shape"]
                edges.append(Edge(source, name, call))
                parents[name, call].append((source, source_call))

    depths: dict[tuple[str, int], int] = {}

    def depth(layer: str, call: int) -> int:
        """The longest path from an input to this call of this layer."""
        key = (layer, call)
        if key not in depths:
            depths[key] = 1 + max((depth(*parent) for parent in parents.get(key, [])), default=-1)
        return depths[key]

    ranks = {name: max(depth(name, n) for n in range(max(1, len(calls[name])))) for name in calls}
    boxes = {}
    for layer in config["layers"]:
        name, times = layer["name"], len(calls[layer["name"]])
        inbound = sum(edge.target == name and edge.call == 0 for edge in edges)
        kind = "shared" if times > 1 else "merge" if inbound > 1 else "layer"
        if not inbound:
            kind = "input"
            # An input stands right above the first layer that takes it.
            ranks[name] = min((ranks[e.target] for e in edges if e.source == name), default=1) - 1
        shape = "x".join("?" if size is None else str(size) for size in shapes[name][1:])
        what = layer["class_name"] + (f" called {times} times" if times > 1 else "")
        boxes[name] = Box(name, kind, (name, f"{what} -> {shape or 'scalar'}"))
    # A layer called on its own output leaves a rank empty.
    closed = {rank: number for number, rank in enumerate(sorted(set(ranks.values())))}
    return Graph(boxes, edges, {name: closed[rank] for name, rank in ranks.items()})


def place(graph: Graph) -> tuple[dict[str, float], dict[tuple[int, int], float]]:
    """Where to draw: the centre of each layer, and of each edge on every rank it passes (inches).

    Returns:
        The centres by layer name, and by (number of the edge, rank).

    Passing edges take part in the layout as if they were narrow boxes, so nothing covers them.
    """
    rows: dict[int, list] = {rank: [] for rank in range(max(graph.ranks.values()) + 1)}
    for name in graph.boxes:
        rows[graph.ranks[name]].append(name)
    links = []  # pairs of neighbours on adjacent ranks: layers, or passing edges
    for number, edge in enumerate(graph.edges):
        low, high = graph.ranks[edge.source], graph.ranks[edge.target]
        lane = [(number, rank) for rank in range(low + 1, high)]
        for item in lane:
            rows[item[1]].append(item)
        stops = [edge.source, *lane, edge.target]
        links += itertools.pairwise(stops) if low < high else []
    neighbours: dict = {item: [] for row in rows.values() for item in row}
    for one, other in links:
        neighbours[one].append(other)
        neighbours[other].append(one)

    def width(item) -> float:
        return LANE_WIDTH if isinstance(item, tuple) else graph.boxes[item].width + 0.3

    def spread(row: list, wished: np.ndarray) -> np.ndarray:
        """Centres in the order of `row`, apart by their widths, as near `wished` as they can be."""
        widths = np.array([width(item) for item in row])
        offsets = np.concatenate([[0], np.cumsum((widths[:-1] + widths[1:]) / 2)])
        # Minus the offsets, "apart" means "not falling": the nearest such sequence is the mean of
        # the running maximum from the left and the running minimum from the right.
        free = wished - offsets
        left = np.maximum.accumulate(free)
        right = np.minimum.accumulate(free[::-1])[::-1]
        return (left + right) / 2 + offsets

    x: dict = {}
    for row in rows.values():
        x |= dict(zip(row, spread(row, np.zeros(len(row))), strict=True))
    for sweep in range(2 * SWEEPS):
        for rank in sorted(rows, reverse=bool(sweep % 2)):
            row = rows[rank]
            wished = {i: np.mean([x[n] for n in neighbours[i]] or [x[i]]) for i in row}
            if sweep < SWEEPS:  # first find the order, then keep it and straighten
                row.sort(key=wished.get)
            x |= dict(zip(row, spread(row, np.array([wished[i] for i in row])), strict=True))
    return {name: x[name] for name in graph.boxes}, {i: x[i] for i in x if isinstance(i, tuple)}


def draw(model: keras.Model, title: str) -> Figure:
    """A figure of the functional `model`: layers with names, classes and output shapes.

    Args:
        model: a functional Keras model.
        title: what to write above it.

    Returns:
        A figure that is not known to pyplot, to be saved and not to be shown.

    Raises:
        ValueError: `model` is not functional.
    """
    graph = graph_of(model)
    x, lanes = place(graph)
    y = {name: -RANK_HEIGHT * rank for name, rank in graph.ranks.items()}
    sides = [c + side * graph.boxes[n].width / 2 for n, c in x.items() for side in (-1, 1)]
    sides += lanes.values()
    kinds = [kind for kind in MEANINGS if any(box.kind == kind for box in graph.boxes.values())]
    heading = f"{title}: {model.count_params():,} parameters"
    least = max(0.1 * len(heading), sum(0.45 + 0.075 * len(MEANINGS[kind]) for kind in kinds))
    left = min(sides) - 0.2
    right = max(max(sides) + 0.2, left + 0.2 + least)
    top, bottom = 0.9, min(y.values()) - 0.5
    figure = Figure(figsize=(right - left, top - bottom))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(left, right), ylim=(bottom, top))
    axes.set_axis_off()
    paths = []  # of each edge: where it leaves, the lanes it passes, where it arrives
    for number, edge in enumerate(graph.edges):
        between = range(graph.ranks[edge.source] + 1, graph.ranks[edge.target])
        # Straight beside the boxes of a rank, so that the curve stays clear of their corners.
        lane = [
            (lanes[number, rank], -RANK_HEIGHT * rank + side * BOX_HEIGHT / 2)
            for rank in between
            for side in (1, -1)
        ]
        start = (x[edge.source], y[edge.source] - BOX_HEIGHT / 2)
        paths.append([start, *lane, (x[edge.target], y[edge.target] + BOX_HEIGHT / 2)])
    for number, edge in enumerate(graph.edges):
        points = paths[number]
        # Edges into one box arrive side by side, in the order they come from: two look like two.
        arrivals = [n for n, other in enumerate(graph.edges) if other.target == edge.target]
        arrivals.sort(key=lambda n: paths[n][-2][0])
        share = (arrivals.index(number) + 1) / (len(arrivals) + 1) - 0.5
        points[-1] = (points[-1][0] + share * graph.boxes[edge.target].width / 2, points[-1][1])
        down = graph.ranks[edge.source] < graph.ranks[edge.target]
        axes.add_patch(
            FancyArrowPatch(
                path=smooth(points) if down else around(points, right),
                arrowstyle="-|>",
                mutation_scale=9,
                color="#444444",
                linewidth=1.2,
                linestyle="--" if edge.call else "-",
                zorder=1,
            )
        )
    for name, box in graph.boxes.items():
        corner = (x[name] - box.width / 2, y[name] - BOX_HEIGHT / 2)
        style = dict(boxstyle="round,pad=0,rounding_size=0.06", edgecolor="#444444", zorder=2)
        axes.add_patch(
            FancyBboxPatch(corner, box.width, BOX_HEIGHT, facecolor=FILLS[box.kind], **style)
        )
        for line, shift, weight in zip(box.lines, (0.1, -0.1), ("bold", "normal"), strict=True):
            text = dict(family="monospace", size=FONT_SIZE, ha="center", va="center", zorder=3)
            axes.text(x[name], y[name] + shift, line, weight=weight, **text)
    axes.text(left + 0.2, top - 0.2, heading, va="center")
    at = left + 0.2
    for kind in kinds:
        axes.add_patch(Rectangle((at, top - 0.53), 0.16, 0.16, fc=FILLS[kind], ec="#444444"))
        axes.text(at + 0.22, top - 0.45, MEANINGS[kind], size=8, va="center")
        at += 0.45 + 0.075 * len(MEANINGS[kind])
    return figure


def smooth(points: list[tuple[float, float]]) -> Path:
    """A path through `points` from top to bottom that leaves and enters each of them upright."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        middle = (y0 + y1) / 2
        vertices += [(x0, middle), (x1, middle), (x1, y1)]
        codes += [Path.CURVE4] * 3
    return Path(vertices, codes)


def around(points: list[tuple[float, float]], right: float) -> Path:
    """A path for an edge that goes up or stays: out at the bottom, round, and in at the top."""
    (x0, y0), (x1, y1) = points[0], points[-1]
    out = min(right - 0.05, max(x0, x1) + 1.0)
    vertices = [(x0, y0), (x0, y0 - 0.25), (out, y0 - 0.25), (out, (y0 + y1) / 2)]
    vertices += [(out, y1 + 0.25), (x1, y1 + 0.25), (x1, y1)]
    return Path(vertices, [Path.MOVETO] + [Path.CURVE4] * 6)
