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


@dataclass(eq=False)
class Call:
    """A call of a layer.

    Attributes:
        layer: what was called.
        name: of the call: the name of the layer, behind those of the models around it, as in
            "member/dense". Of several calls by one model, "lstm_call_1", "lstm_call_2".
        layer_name: of the layer: as `name`, without the numbers of calls.
        inputs, outputs: the tensors, a flat list each. Those inside of a function that a layer has
            TensorFlow compile cannot be got at, and are left out.
        calls: those that the layer, if it is a model, made in turn.
    """

    layer: keras.Layer
    name: str = ""
    layer_name: str = ""
    inputs: list[tf.Tensor] = field(default_factory=list)
    outputs: list[tf.Tensor] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    def tensors(self) -> Iterator[tuple[str, tf.Tensor]]:
        """The outputs with a name for each: that of the call, numbered if there are several."""
        for number, tensor in enumerate(self.outputs, start=1):
            yield self.name + (f"_output_{number}" if len(self.outputs) > 1 else ""), tensor


@contextlib.contextmanager
def watching(model: keras.Model) -> Iterator[list[Call]]:
    """See the calls of a built `model` when it is called in this context, and leave it as it is.

    What layers would store (the state of a stateful LSTM, the next seed) is thrown away.

    Returns:
        A context with a list, which has the calls at its end: those inside of models too, in the
        order that they began in.
    """
    root, inside, found = Call(model), [], []
    thread, original = threading.get_ident(), keras.Layer.__call__
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
        call.inputs, call.outputs = tensors((args, kwargs), graph), tensors(result, graph)
        return result

    # Of what is regularized, Keras looks for the value in the scope.
    values = [(weight, weight.value) for weight in model.variables if weight.regularizer]
    scope = keras.StatelessScope(values, collect_losses=True, initialize_variables=graph is None)
    keras.Layer.__call__ = recording
    try:
        with scope:
            yield found
    finally:
        keras.Layer.__call__ = original
    found.extend(named(root, {}))


def tensors(structure, graph: tf.Graph | None) -> list[tf.Tensor]:
    """The tensors of a structure that are of `graph`; without one, those with a value."""
    flat = (one for one in keras.tree.flatten(structure) if isinstance(one, tf.Tensor))
    return [one for one in flat if getattr(one, "graph", None) is graph]


def named(parent: Call, names: dict[int, str], before="", layer_before="") -> Iterator[Call]:
    """The calls below `parent` in their order, with their names; `names` has those of layers."""
    numbers = {
        key: itertools.chain(of, itertools.count(len(of) + 1))
        for key, of in written(parent.layer).items()
    }
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


def written(model: keras.Layer) -> dict[int, list[int]]:
    """The numbers of the calls of each layer in the order that a functional `model` runs them in.

    They count in the order that the calls are written in; a functional model may run the last of
    them first.
    """
    depths = getattr(model, "_nodes_by_depth", {})
    found: dict[int, list[int]] = {}
    for node in (one for depth in sorted(depths, reverse=True) for one in depths[depth]):
        place = node.operation._inbound_nodes.index(node)
        found.setdefault(id(node.operation), []).append(place)
    return {key: [1 + sorted(of).index(place) for place in of] for key, of in found.items()}


def run(model: keras.Model, inputs) -> list[Call]:
    """The calls of `model` on `inputs`, as in inference.

    Args:
        model: any model; if it is not built, this builds it.
        inputs: what it takes: an array or a tensor, a list or a dict of them.
    """
    inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
    if not model.built:  # which calls the layers too, on nothing
        with keras.StatelessScope():
            model(inputs, training=False)
    with watching(model) as found:
        model(inputs, training=False)
    return found


def activations(model: keras.Model, inputs) -> dict[str, np.ndarray]:
    """What every call of `model` gives for `inputs`, as arrays by name (see `Call`)."""
    named_tensors = (pair for call in run(model, inputs) for pair in call.tensors())
    return {name: tensor.numpy() for name, tensor in named_tensors}


def specifications(model: keras.Model):
    """What `model` takes, as a structure of `tf.TensorSpec`.

    Raises:
        ValueError: only a call would tell, since the model is subclassed or not built.
    """
    inputs = None
    if isinstance(model, keras.Function):
        inputs = model.input
    elif isinstance(model, keras.Sequential) and hasattr(model, "inputs"):
        (inputs,) = model.inputs
    if inputs is None:
        kind = "not built" if isinstance(model, keras.Sequential) else "a subclassed model"
        raise ValueError(f"'{model.name}' is {kind}: what it takes is known from data alone.")
    return keras.tree.map_structure(
        lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype, tensor.name), inputs
    )


def trace(model: keras.Model, inputs=None) -> tuple[tf.Graph, list[Call]]:
    """The graph of operations of `model`, and its calls, whose tensors have shapes and no values.

    Args:
        model: any model.
        inputs: arrays such as it takes; by default what a functional or Sequential model says.

    Raises:
        ValueError: nothing tells what the model takes.
    """
    if inputs is None:
        inputs = specifications(model)
    else:
        inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
        if not model.built:
            run(model, inputs)
    found = []
    forward = tf.function(lambda given: found.extend(run(model, given)), autograph=False)
    return forward.get_concrete_function(inputs).graph, found
