"""Every panel of TensorBoard gets its data, asked over HTTP as its pages ask."""

import struct

import numpy as np
import pytest

from ch07 import board
from ch07.plots.common import DPI

pytestmark = [
    pytest.mark.slow,
    # Keras 3.15 turns its learning rate into an array in a way that NumPy 2 deprecates.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

LAYERS = ["embed", "conv_1", "conv_2", "sentiment"]
WEIGHTS = [
    "embed/embeddings",
    *(f"{layer}/{weight}" for layer in LAYERS[1:] for weight in ("kernel", "bias")),
]


@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.parametrize("tag", ["epoch_loss", "epoch_accuracy"])
def test_scalars_are_the_curves_of_each_run(tensorboard, part, tag):
    tags = tensorboard.json("data/plugin/scalars/tags")
    for run in tensorboard.runs:
        assert tag in tags[f"{run}/{part}"]
        answer = tensorboard.json("data/plugin/scalars/scalars", run=f"{run}/{part}", tag=tag)
        logged = board.scalars(tensorboard.root / run / part)[tag]
        assert [step for _, step, _ in answer] == list(range(len(logged)))
        assert [value for _, _, value in answer] == pytest.approx(logged)
        assert len(logged) > 1


def test_scalars_of_the_probe_are_grouped_by_what_they_are(tensorboard):
    tags = tensorboard.json("data/plugin/scalars/tags")
    expected = {f"gradient_norm/{layer}" for layer in LAYERS}
    expected |= {f"share_of_dead_units/{layer}" for layer in ("conv_1", "conv_2")}
    assert {tag for tag in tags[f"{tensorboard.reviews}/train"] if "/" in tag} == expected
    for run in tensorboard.runs:
        assert expected <= set(tags[f"{run}/train"])


@pytest.mark.parametrize("plugin", ["histograms", "distributions"])
def test_weights_activations_and_gradients_have_histograms(tensorboard, plugin):
    tags = tensorboard.json(f"data/plugin/{plugin}/tags")
    expected = {f"{weight}/histogram" for weight in WEIGHTS}
    expected |= {f"gradients/{weight}" for weight in WEIGHTS}
    expected |= {f"activations/{layer}" for layer in LAYERS}
    for run in tensorboard.runs:
        assert expected <= set(tags[f"{run}/train"])
        epochs = len(board.scalars(tensorboard.root / run / "train")["epoch_loss"])
        for tag in expected:
            answer = tensorboard.json(f"data/plugin/{plugin}/{plugin}", run=f"{run}/train", tag=tag)
            assert [step for _, step, _ in answer] == list(range(epochs))


def test_graphs_have_the_operations_and_the_layers(tensorboard):
    info = tensorboard.json("data/plugin/graphs/info")
    for run in tensorboard.runs:
        assert info[f"{run}/train"]["run_graph"]
        assert info[f"{run}/train"]["tags"]["keras"]["conceptual_graph"]
        graph = tensorboard.get("data/plugin/graphs/graph", run=f"{run}/train").decode()
        assert 'op: "Conv2D"' in graph
        layers = tensorboard.get(
            "data/plugin/graphs/graph", run=f"{run}/train", tag="keras", conceptual="true"
        ).decode()
        assert all(f'name: "text_classifier/{layer}"' in layers for layer in LAYERS)


def test_the_projector_has_vectors_metadata_and_colours(tensorboard):
    run = f"{tensorboard.reviews}/train"
    assert run in tensorboard.json("data/plugin/projector/runs")
    (info,) = tensorboard.json("data/plugin/projector/info", run=run)["embeddings"]
    assert info["tensorShape"] == [1000, 128]
    asked = {"run": run, "name": info["tensorName"]}
    tensor = tensorboard.get("data/plugin/projector/tensor", **asked)
    assert np.frombuffer(tensor, "float32").reshape(1000, 128).std() > 0
    header, *rows = tensorboard.get("data/plugin/projector/metadata", **asked).splitlines()
    assert header == b"word\tkind"
    assert rows[1] == b"positive 0\tpositive"
    assert len(rows) == 1000
    sprite = tensorboard.get("data/plugin/projector/sprite_image", **asked)
    width, height = struct.unpack(">2I", sprite[16:24])
    side, _ = info["sprite"]["singleImageDim"]
    assert (width // side) * (height // side) >= 1000


def test_images_are_the_pictures(tensorboard):
    run = f"{tensorboard.reviews}/pictures"
    (tag,) = tensorboard.json("data/plugin/images/tags")[run]
    (image,) = tensorboard.json("data/plugin/images/images", run=run, tag=tag, sample="0")
    png = tensorboard.get(f"data/plugin/images/individualImage?{image['query']}")
    assert png.startswith(b"\x89PNG")
    width, height = struct.unpack(">2I", png[16:24])
    assert width >= 7 * DPI  # the narrowest picture
    assert height > 0


def test_the_table_of_hyperparameters_compares_the_runs(tensorboard):
    experiment = tensorboard.json("data/plugin/hparams/experiment", {"experimentName": ""})
    metrics = [info["name"] for info in experiment["metricInfos"]]
    assert {"group": "validation", "tag": "epoch_loss"} in metrics
    assert {"group": "train", "tag": "epoch_loss"} in metrics
    column = {"metric": {"group": "validation", "tag": "epoch_loss"}}
    groups = tensorboard.json(
        "data/plugin/hparams/session_groups",
        {
            "experimentName": "",
            "allowedStatuses": ["STATUS_UNKNOWN"],
            "colParams": [column],
            "startIndex": 0,
            "sliceSize": 100,
        },
    )["sessionGroups"]
    assert {group["name"] for group in groups} == set(tensorboard.runs)
    for group in groups:
        (loss,) = [m["value"] for m in group["metricValues"] if m["name"] == column["metric"]]
        logged = board.scalars(tensorboard.root / group["name"] / "validation")["epoch_loss"]
        assert loss == pytest.approx(logged[-1])
        assert float(group["hparams"]["learning_rate"]) > 0
