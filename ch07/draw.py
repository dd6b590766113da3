"""A picture of a functional or Sequential model that needs neither Graphviz nor pydot.

A layer is one box, however often it is called, so a shared layer shows its several inbound edges;
the calls after the first are dashed. Of equal blocks that follow one another the first is drawn.
Branches stand in the order in which the layer that merges them takes them. An edge that skips ranks
runs beside the boxes it skips. The layout is Sugiyama's: rank by the longest path, order by the
mean of the neighbours (barycentre), then move boxes towards their neighbours (Sugiyama, Tagawa and
Toda, 1981, https://doi.org/10.1109/TSMC.1981.4308636).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

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
LEAST_FOLDED = 6  # boxes: to draw fewer of them than this a second time is no burden

FILLS = {"input": "#CFE5F3", "merge": "#FBE3C0", "shared": "#C5EBDD", "layer": "#F2F2F2"}
MEANINGS = {"input": "input", "merge": "merges tensors", "shared": "shared: called more than once"}


@dataclass(frozen=True)
class Box:
    """A layer: its kind, two lines of text, and its place among the boxes of its rank."""

    name: str
    kind: str
    lines: tuple[str, str]
    place: float

    @property
    def width(self) -> float:
        """Inches."""
        return (max(map(len, self.lines)) + 2) * CHARACTER


@dataclass(frozen=True)
class Edge:
    """A tensor from a call of one layer to a call of another, and its place among the boxes."""

    source: str
    source_call: int
    target: str
    call: int
    place: float


@dataclass
class Graph:
    """The layers of a model, sources first, and the tensors between their calls."""

    boxes: dict[str, Box] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    calls: list[tuple[str, int]] = field(default_factory=list)  # layers and numbers
    blocks: list[tuple[list[str], int]] = field(default_factory=list)  # and how many there were
    ranks: dict[str, int] = field(default_factory=dict)  # 0 is the top


def graph_of(model: keras.Model) -> Graph:
    """The graph of a functional or Sequential model: the calls that it makes itself.

    Raises:
        ValueError: `model` is subclassed or not built, so it has no graph of layers.
    """
    if not isinstance(model, keras.Function | keras.Sequential) or not hasattr(model, "outputs"):
        kind = "not built" if isinstance(model, keras.Sequential) else "a subclassed model"
        raise ValueError(f"'{model.name}' is {kind}: its layers have no graph to be drawn.")
    given = {id(tensor) for tensor in model.inputs}
    sources: dict[tuple, list[tuple]] = {}  # of each call (layer, number of its life)
    ahead = [*model.inputs, *reversed(model.outputs)]  # there may be an input that nothing uses
    while ahead:
        operation, number, _ = ahead[-1]._keras_history
        arguments = operation._inbound_nodes[number].input_tensors
        arguments = [] if id(ahead[-1]) in given else arguments
        keys = [tuple(argument._keras_history)[:2] for argument in arguments]
        missing = [one for one, key in zip(arguments, keys, strict=True) if key not in sources]
        if missing:
            ahead += reversed(missing)
        else:
            sources.setdefault((operation, number), keys)
            ahead.pop()

    graph, alike = Graph(), {}
    numbers: dict[object, list[int]] = {}  # those of the calls that are this model's, by layer
    for operation, number in sorted(sources, key=lambda call: call[1]):
        numbers.setdefault(operation, []).append(number)
    names = dict.fromkeys(operation.name for operation, _ in sources)
    at = {name: place for place, name in enumerate(names)}
    for (operation, number), taken in sources.items():
        name, several = operation.name, len(numbers[operation])
        graph.calls.append((name, numbers[operation].index(number)))
        for place, (source, source_number) in enumerate(taken):
            call = numbers[source].index(source_number)
            behind = max(at[one.name] for one, _ in taken[: place + 1])
            graph.edges.append(Edge(source.name, call, *graph.calls[-1], behind + 0.5))
        if name not in graph.boxes:
            kind = "shared" if several > 1 else "merge" if len(taken) > 1 else "layer"
            shapes = [tensor.shape[1:] for tensor in operation._inbound_nodes[number].outputs]
            shapes = ["x".join("?" if n is None else str(n) for n in of) for of in shapes]
            what = type(operation).__name__ + (f" called {several} times" if several > 1 else "")
            lines = (name, f"{what} -> {', '.join(of or 'scalar' for of in shapes)}")
            graph.boxes[name] = Box(name, kind if taken else "input", lines, at[name])
            alike[name] = description(operation, lines[1])
    while fold(graph, alike):
        pass
    rank(graph)
    return graph


def description(operation: keras.Operation, line: str) -> str:
    """What two layers have in common that look alike: all but their names."""
    try:
        config = operation.get_config()
    except (NotImplementedError, TypeError):
        return f"{line} {operation.name}"
    return f"{line} {[(key, value) for key, value in config.items() if key != 'name']}"


def fold(graph: Graph, alike: dict[str, str]) -> bool:
    """Leave only the first of blocks that are `alike` and follow one another, if there are any.

    A block begins and ends where one tensor is all that goes on.
    """
    order = list(graph.boxes)
    at = {name: place for place, name in enumerate(order)}
    back: list[list[int]] = [[] for _ in order]  # how far the tensors of each box come from
    last = list(range(len(order)))  # where those that it gives are taken last
    for edge in graph.edges:
        low, high = sorted((at[edge.source], at[edge.target]))
        back[at[edge.target]].append(at[edge.target] - at[edge.source])
        last[low] = max(last[low], high)
    reach = [0, *itertools.accumulate(last, max)]
    cuts = {n for n in range(len(order) + 1) if n < 2 or reach[n - 1] < n}
    kinds = [(alike[name], back[place]) for place, name in enumerate(order)]
    best = (LEAST_FOLDED - 1, 0, 0, 0)  # boxes to leave out, minus the first, of a block, blocks
    for size in range(1, len(order) // 2 + 1):
        equal = 0  # so many boxes from here on are as those a block further
        for start in reversed(range(len(order) - size)):
            equal = equal + 1 if kinds[start] == kinds[start + size] else 0
            count = 0
            while count * size <= equal and {start, start + (count + 1) * size} <= cuts:
                count += 1
            best = max(best, ((count - 1) * size, -start, size, count))
    _, start, size, count = best
    if not count:
        return False
    first, through = order[-start : size - start], order[-start + count * size - 1]
    gone = set(order[size - start : -start + count * size])
    graph.blocks.append((first, count))
    graph.boxes = {name: box for name, box in graph.boxes.items() if name not in gone}
    graph.calls = [call for call in graph.calls if call[0] not in gone]
    graph.edges = [
        replace(edge, source=first[-1]) if edge.source == through else edge
        for edge in graph.edges
        if edge.target not in gone
    ]
    return True


def rank(graph: Graph) -> None:
    """Give each box its rank: the longest path from an input to the last of its calls."""
    depths: dict[tuple[str, int], int] = {}
    parents: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for edge in graph.edges:
        parents.setdefault((edge.target, edge.call), []).append((edge.source, edge.source_call))
    for call in graph.calls:
        depths[call] = 1 + max((depths[parent] for parent in parents.get(call, [])), default=-1)
    ranks = {name: max(d for (of, _), d in depths.items() if of == name) for name in graph.boxes}
    for name, box in graph.boxes.items():
        if box.kind == "input":  # right above the first layer that takes it
            takers = [ranks[edge.target] for edge in graph.edges if edge.source == name]
            ranks[name] = min(takers, default=1) - 1
    # A layer called on its own output leaves a rank empty.
    closed = {depth: number for number, depth in enumerate(sorted(set(ranks.values())))}
    graph.ranks = {name: closed[depth] for name, depth in ranks.items()}


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
    for row in rows.values():
        row.sort(
            key=lambda i: (graph.edges[i[0]] if isinstance(i, tuple) else graph.boxes[i]).place
        )
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


def draw(model: keras.Model, title: str = "") -> Figure:
    """A figure of `model`: layers with names, classes and output shapes.

    Args:
        model: a functional model, or a Sequential one that is built.
        title: what to write above it, by default the name of the model.

    Returns:
        A figure that is not known to pyplot, to be saved and not to be shown.

    Raises:
        ValueError: `model` is subclassed or not built.
    """
    graph = graph_of(model)
    x, lanes = place(graph)
    y = {name: -RANK_HEIGHT * rank for name, rank in graph.ranks.items()}
    sides = [c + side * graph.boxes[n].width / 2 for n, c in x.items() for side in (-1, 1)]
    sides += lanes.values()
    right = max(sides) + (0.6 if graph.blocks else 0.2)
    kinds = [kind for kind in MEANINGS if any(box.kind == kind for box in graph.boxes.values())]
    heading = f"{title or model.name}: {model.count_params():,} parameters"
    least = max(0.1 * len(heading), sum(0.45 + 0.075 * len(MEANINGS[kind]) for kind in kinds))
    left = min(sides) - (0.3 if graph.blocks else 0.2)
    right = max(right, left + 0.2 + least)
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
    for names, count in graph.blocks:
        inside = [graph.boxes[name] for name in names if name in graph.boxes]
        across = [x[box.name] + side * box.width / 2 for box in inside for side in (-1, 1)]
        across += [c for (n, _), c in lanes.items() if graph.edges[n].target in names]
        start, end = min(across) - 0.12, max(across) + 0.12
        low, high = (of(y[box.name] for box in inside) for of in (min, max))
        corner, height = (start, low - BOX_HEIGHT / 2 - 0.08), high - low + BOX_HEIGHT + 0.16
        axes.add_patch(Rectangle(corner, end - start, height, fill=False, ls=":", ec="#444444"))
        axes.text(end + 0.08, (low + high) / 2, f"x {count}", weight="bold", va="center")
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
