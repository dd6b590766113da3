"""What a model costs: multiply-adds from the shapes of its layers, and seconds on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import keras
import numpy as np
from keras import layers

from ch07 import checks


def convolution_parameters(size: int, inputs: int, outputs: int, separable: bool) -> int:
    """The parameters of a two-dimensional convolution with bias, by formula.

    Args:
        size: of its square window.
        inputs, outputs: its channels.
        separable: whether it is a depthwise convolution and a pointwise one after it.
    """
    checks.whole(size=size, inputs=inputs, outputs=outputs)
    if separable:
        return size**2 * inputs + inputs * outputs + outputs
    return size**2 * inputs * outputs + outputs


def multiply_adds(model: keras.Model) -> int:
    """The multiplications, each with its addition, of a model for one sample.

    Every weight of a kernel is used once at every position of the output; of a depthwise kernel
    too, whose positions are those of the output as well, since strides act there. Biases,
    activations and pools are not counted.

    Raises:
        ValueError: the model has weights in a layer other than Dense, Conv2D or SeparableConv2D, a
            layer that is called twice or not at all, has its channels first, or takes any size.
    """
    if not model.built:
        raise ValueError(f"'{model.name}' is not built, so its layers have no shapes.")
    calls = {
        of["config"]["name"]: of.get("inbound_nodes", [1]) for of in model.get_config()["layers"]
    }
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.SeparableConv2D):
            kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
        elif isinstance(layer, layers.Conv2D | layers.Dense):
            kernels = (layer.kernel,)
        elif layer.weights:
            raise ValueError(f"The multiply-adds of a {type(layer).__name__} are not known here.")
        else:
            continue
        shape = layer.output.shape[1:-1]
        first = getattr(layer, "data_format", "channels_last") == "channels_first"
        if len(calls[layer.name]) != 1 or None in shape or first:
            raise ValueError(f"The positions in the output of '{layer.name}' cannot be counted.")
        positions = int(np.prod(shape))  # 1 for a Dense layer on vectors
        total += positions * sum(int(np.prod(kernel.shape)) for kernel in kernels)
    return total


def median_seconds(
    jobs: Mapping[str, Callable[[], object]], repetitions: int = 9
) -> dict[str, float]:
    """The median time of each of `jobs`, by name.

    They take turns, so what else the machine does meets all of them. The first turn, which may
    trace, is not timed.
    """
    checks.whole(repetitions=repetitions)
    seconds = {name: [] for name in jobs}
    for turn in range(repetitions + 1):
        for name, job in jobs.items():
            started = time.perf_counter()
            job()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return {name: float(np.median(of)) for name, of in seconds.items()}
