"""The calls that a model makes: of which layers, on what, with what result.

A layer remembers the calls of its whole life, in any model: `layer.output` and `model.input` are
those of the first one. What this model calls is seen when it runs, so here it runs, in whatever way
it was written: Sequential, functional, subclassed, with models in it, loaded from a file. A layer
inside another layer (the cell of an LSTM) is part of that layer; one inside a model is a call.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

ONE = threading.RLock()  # who watches has changed Keras: one thread at a time


@dataclass(eq=False)
class Call:
    """A call of a layer: what it gives, a flat list, and, of a model, the calls that it makes.

    Its name is that of the layer, behind those of the models around it, as in "member/dense"; of
    several calls by one model, "lstm_call_1", "lstm_call_2". `layer_name` is without such numbers.
    What is inside of a function that a layer has TensorFlow compile is not to be had: no outputs.
    """

    layer: keras.Layer
    name: str = ""
    layer_name: str = ""
    outputs: list[tf.Tensor] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    def tensors(self) -> Iterator[tuple[str, tf.Tensor]]:
        """The outputs with a name for each: that of the call, numbered if there are several."""
        for number, tensor in enumerate(self.outputs, start=1):
            yield self.name + (f"_output_{number}" if len(self.outputs) > 1 else ""), tensor


@contextlib.contextmanager
def watching(model: keras.Model) -> Iterator[list[Call]]:
    """See the calls of a built `model` when it is called in this context, and leave it as it is.

    What layers would store (the state of a stateful LSTM, the next seed) is thrown away. The list
    has the calls at the end, those inside of models too, in the order that they began in.
    """
    root, inside, found = Call(model), [], []
    thread = threading.get_ident()
    graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()

    def recording(layer, *args, **kwargs):
        if threading.get_ident() != thread or not (inside or layer is model):
            return original(layer, *args, **kwargs)
        call = Call(layer) if inside else root
        if inside and isinstance(inside[-1].layer, keras.Model):
            inside[-1].calls.append(call)
        inside.append(call)
        try:
            result = original(layer, *args, **kwargs)
        finally:
            inside.pop()
        flat = (one for one in keras.tree.flatten(result) if isinstance(one, tf.Tensor))
        call.outputs = [one for one in flat if getattr(one, "graph", None) is graph]
        return result

    # Of what is regularized, Keras looks for the value in the scope.
    values = [(weight, weight.value) for weight in model.variables if weight.regularizer]
    scope = keras.StatelessScope(values, collect_losses=True, initialize_variables=graph is None)
    ONE.acquire()
    original, keras.Layer.__call__ = keras.Layer.__call__, recording
    try:
        with scope:
            yield found
    finally:
        keras.Layer.__call__ = original
        ONE.release()
    found.extend(named(root, {}))


def named(parent: Call, names: dict[int, str], before="", layer_before="") -> Iterator[Call]:
    """The calls below `parent` in their order, with their names; `names` has those of layers."""
    numbers = written(parent.layer)
    for call in parent.calls:
        key, own = id(call.layer), layer_before + call.layer.name
        number = next(numbers.setdefault(key, itertools.count(1)))
        while key not in names and own in names.values():  # another one of that name
            own += "_"
        call.layer_name = names.setdefault(key, own)
        several = sum(other.layer is call.layer for other in parent.calls) > 1
        last = call.layer_name.rpartition("/")[2]
        call.name = before + last + (f"_call_{number}" if several else "")
        yield call
        yield from named(call, names, f"{call.name}/", f"{call.layer_name}/")


def written(model: keras.Layer) -> dict[int, Iterator[int]]:
    """The numbers of the calls of each layer in the order that a functional `model` runs them in.

    They count as the calls are written; a functional model may run the last of them first.
    """
    depths = getattr(model, "_nodes_by_depth", {})
    found: dict[int, list[int]] = {}
    for node in (one for depth in sorted(depths, reverse=True) for one in depths[depth]):
        place = node.operation._inbound_nodes.index(node)
        found.setdefault(id(node.operation), []).append(place)
    numbers = {key: [1 + sorted(of).index(place) for place in of] for key, of in found.items()}
    return {key: itertools.chain(of, itertools.count(len(of) + 1)) for key, of in numbers.items()}


def run(model: keras.Model, inputs) -> list[Call]:
    """The calls of `model`, which this builds if it has to, on `inputs`, as in inference."""
    inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
    if not model.built:  # which calls the layers too, on nothing
        with keras.StatelessScope():
            model(inputs, training=False)
    with watching(model) as found:
        model(inputs, training=False)
    return found


def activations(model: keras.Model, inputs) -> dict[str, np.ndarray]:
    """What every call of `model` gives for `inputs`, as arrays by name (see `Call`)."""
    return {name: one.numpy() for call in run(model, inputs) for name, one in call.tensors()}


def need_graph(model: keras.Model) -> None:
    """Raise ValueError if `model` is subclassed or not built: only a call shows its layers."""
    if not isinstance(model, keras.Function | keras.Sequential) or not hasattr(model, "outputs"):
        kind = "not built" if isinstance(model, keras.Sequential) else "a subclassed model"
        raise ValueError(
            f"'{model.name}' is {kind}: it has no graph of layers, and what it takes is known from "
            "data alone."
        )


def trace(model: keras.Model, inputs=None) -> tuple[tf.Graph, list[Call]]:
    """The graph of operations of `model`, and its calls, whose tensors have shapes and no values.

    inputs: arrays such as it takes; by default as its graph says, and ValueError if it has none.
    """
    if inputs is None:
        need_graph(model)
        given = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
        inputs = keras.tree.map_structure(
            lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype, tensor.name), given
        )
    else:
        inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
        if not model.built:
            run(model, inputs)
    found = []
    forward = tf.function(lambda given: found.extend(run(model, given)), autograph=False)
    return forward.get_concrete_function(inputs).graph, found
