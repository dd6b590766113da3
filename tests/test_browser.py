"""TensorBoard as a reader sees it: its pages in a browser, each opened without a further click."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from screens import CHROMIUM, DRIVER, Browser, until

from ch07 import board, data

pytestmark = [
    pytest.mark.slow,
    # Keras 3.15 turns its learning rate into an array in a way that NumPy 2 deprecates.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium here"),
    pytest.mark.skipif(not DRIVER, reason="there is no chromedriver here"),
]

KINDS = tuple(dict.fromkeys(data.reviews(0, train=1, test=1).kinds))


@pytest.fixture(scope="module")
def browser(tensorboard, tmp_path_factory):
    opened = Browser(
        tensorboard, tmp_path_factory.mktemp("profile"), tmp_path_factory.mktemp("screens")
    )
    yield opened
    opened.driver.quit()


def test_graphs_opens_on_the_operations(browser):
    browser.open("graphs")
    browser.wait_for("g.node[data-name]", 2)
    browser.screenshot("graphs")
    assert any(name.startswith("text_classifier") for name in browser.names())
    assert "Graph visualization failed" not in browser.text()


def test_the_tag_keras_shows_the_layers(browser):
    browser.open("graphs")
    browser.wait_for("g.node[data-name]", 2)
    browser.click("paper-dropdown-menu", "keras")
    browser.click("paper-item", "keras")
    until(lambda: browser.names() == {"text_classifier"}, "graph of the layers")
    browser.screenshot("graphs_keras")
    assert "Graph visualization failed" not in browser.text()


@pytest.mark.parametrize(
    ("tab", "chart"),
    [("histograms", "vz-histogram-timeseries"), ("distributions", "vz-distribution-chart")],
)
def test_histograms_and_distributions_open_on_the_activations(browser, tab, chart):
    browser.open(tab)
    browser.wait_for_text("activations/conv_1", "gradients")
    until(lambda: browser.charts(chart) >= len(browser.server.runs), tab)
    browser.screenshot(tab)


def test_scalars_opens_on_the_metrics_with_training_and_validation(browser):
    browser.open("scalars")
    browser.wait_for_text("epoch_accuracy", "epoch_loss", "gradient_norm")
    browser.screenshot("scalars")
    text = browser.text()
    assert text.partition("(regular expressions supported)")[2].split()[0] == "epoch_accuracy"
    for run in browser.server.runs:
        assert f"{run}/train" in text
        assert f"{run}/validation" in text


def test_images_shows_the_pictures(browser):
    browser.open("images")
    wide = "element.naturalWidth >= 700"
    until(lambda: sum(browser.visible("img", wide)) == 1, "pictures")
    browser.screenshot("images")


def share_of_colour(png: bytes, colour: tuple[float, float, float]) -> float:
    """The share of the pixels of an image that have the `colour`, up to its antialiasing."""
    pixels = plt.imread(io.BytesIO(png))[..., :3]
    return float(np.mean(np.abs(pixels - colour).max(axis=-1) < 0.02))


@pytest.fixture
def projector(browser):
    """The Projector, opened, with its points."""
    browser.open("projector")
    browser.wait_for("iframe")
    browser.enter_frames()
    browser.wait_for_text("Points:", "Dimension:", "1000\n", "Total variance described")
    return browser


def coloured_by_kind(browser) -> bool:
    """Whether the Projector draws points in the colour of each kind."""
    png = browser.visible("#scatter canvas")[0].screenshot_as_png
    # The padding is a single point, which others may hide.
    places = [at for at, kind in enumerate(KINDS) if kind != "padding"]
    colours = [board.PALETTE[3 * at % len(board.PALETTE)] for at in places]
    return all(share_of_colour(png, colour) > 1e-4 for colour in colours)


def test_the_projector_opens_on_points_coloured_by_kind(projector):
    until(lambda: coloured_by_kind(projector), "points in the colours of the kinds")
    projector.screenshot("projector")
    assert "photography" not in projector.text()  # there is no legend yet


def test_to_colour_the_projector_by_kind_shows_the_legend(projector):
    projector.click("paper-dropdown-menu", "No color map")
    projector.click("paper-item", "kind")
    projector.wait_for_text(*KINDS)
    projector.screenshot("projector_legend")


def test_hparams_compares_the_runs(browser):
    browser.open("hparams")
    browser.wait_for_text("learning_rate", "train.epoch_loss", "validation.epoch_loss")
    browser.wait_for_text(*browser.server.runs)
    browser.screenshot("hparams")
