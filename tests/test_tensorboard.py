"""TensorBoard as a reader sees it: its pages in a browser, each opened without a further click."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest

from ch07 import board, data
from tools.screens import CHROMIUM, DRIVER, Browser, until

lacks = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium, or no chromedriver")
pytestmark = [pytest.mark.slow, lacks]


@pytest.fixture(scope="module")
def browser(tensorboard, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    opened = Browser(tensorboard, folder / "profile", folder)
    yield opened
    opened.driver.quit()


def test_graphs_opens_on_the_operations_and_the_tag_keras_shows_the_layers(browser):
    browser.open("graphs")
    browser.wait_for("g.node[data-name]", 2)
    assert any(name.startswith("text_classifier") for name in browser.names())
    browser.click("paper-dropdown-menu", "keras")
    browser.click("paper-item", "keras")
    until(lambda: browser.names() == {"text_classifier"}, "graph of the layers")
    assert "Graph visualization failed" not in browser.text()


def test_histograms_and_distributions_open_on_the_activations(browser):
    charts = {"histograms": "vz-histogram-timeseries", "distributions": "vz-distribution-chart"}
    for tab, chart in charts.items():
        browser.open(tab)
        browser.wait_for_text("activations/conv_1", "gradients")
        until(lambda chart=chart: browser.charts(chart) >= len(browser.server.runs), tab)


def test_scalars_opens_on_the_metrics_with_training_and_validation(browser):
    browser.open("scalars")
    browser.wait_for_text("epoch_accuracy", "epoch_loss", "gradient_norm", "share_of_dead_units")
    text = browser.text()
    assert text.partition("(regular expressions supported)")[2].split()[0] == "epoch_accuracy"
    for run in browser.server.runs:
        assert f"{run}/train" in text
        assert f"{run}/validation" in text


def test_images_shows_the_pictures(browser):
    browser.open("images")
    until(lambda: sum(browser.visible("img", "element.naturalWidth >= 700")) == 1, "pictures")


def test_the_projector_opens_on_points_coloured_by_kind_for_which_there_is_a_legend(browser):
    browser.open("projector")
    browser.wait_for("iframe")
    browser.enter_frames()
    browser.wait_for_text("Points:", "Dimension:", "1000\n", "Total variance described")
    kinds = list(dict.fromkeys(data.reviews(0, train=1, test=1).kinds))

    def coloured_by_kind():
        png = browser.visible("#scatter canvas")[0].screenshot_as_png
        pixels = plt.imread(io.BytesIO(png))[..., :3]
        for at, kind in enumerate(kinds):
            colour = board.PALETTE[3 * at % len(board.PALETTE)]
            share = np.mean(np.abs(pixels - colour).max(axis=-1) < 0.02)  # without smoothed edges
            if share <= 1e-4 and kind != "padding":  # a single point, which others may hide
                return False
        return True

    until(coloured_by_kind, "points in the colours of the kinds")
    assert "photography" not in browser.text()  # there is no legend yet
    browser.click("paper-dropdown-menu", "No color map")
    browser.click("paper-item", "kind")
    browser.wait_for_text(*kinds)


def test_hparams_compares_the_runs_with_their_last_metrics(browser):
    browser.open("hparams")
    browser.wait_for_text("learning_rate", "epoch_loss", "epoch_accuracy")
    for run in browser.server.runs:
        loss = board.scalars(browser.server.root / run / "validation")["epoch_loss"][-1]
        browser.wait_for_text(run, f"{loss:#.5g}")
