"""The pictures in the documents: ``python -m ch07.pictures``.

Runs the numbered scripts with seed 0, and puts small copies of what they draw into ``pictures``;
then opens TensorBoard on what section 7.2 has logged, and photographs it. The screenshots need
Chromium with its chromedriver, and the package selenium; without them the old ones stay.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from ch07 import documents
from ch07.files import write_aside

PICTURES = documents.HOME / "pictures"
MOST = 150_000  # bytes of a picture: a page with forty of them still opens at once
WIDEST = 1400  # pixels: as wide as a page shows them on a sharp screen

SETTLES = 2  # seconds until the page has ended its animations, which nothing on it tells

# For each illness of the clinic: the tab of TensorBoard and the tags in which its sign is seen.
SIGNS = {
    "rate_too_high": ("scalars", "epoch_loss"),
    "no_sigmoid": ("histograms", "activations/sentiment"),
    "dead_relus": ("scalars", "share_of_dead_units/conv_1"),
    "vanishing": ("scalars", "gradient_norm/(conv_1|sentiment)"),
    "overfitting": ("scalars", "epoch_accuracy"),
}


def small(picture: Image.Image) -> bytes:
    """`picture` as a PNG of at most `MOST` bytes, on white, in as many colours as there is room."""
    if picture.width > WIDEST:
        height = round(picture.height * WIDEST / picture.width)
        picture = picture.resize((WIDEST, height), Image.Resampling.LANCZOS)
    opaque = Image.new("RGB", picture.size, "white")  # a transparent one is unreadable on dark
    opaque.paste(picture, mask=picture.getchannel("A") if "A" in picture.getbands() else None)
    for colours in (256, 128, 64, 32, 16):
        buffer = io.BytesIO()
        opaque.quantize(colours, dither=Image.Dither.NONE).save(buffer, "png", optimize=True)
        if buffer.tell() <= MOST:
            break
    return buffer.getvalue()


def copy(source: Path, name: str) -> None:
    """Put a small copy of the picture `source` into the documents' folder."""
    with Image.open(source) as picture:
        write_aside(PICTURES / f"{name}.png", small(picture))


def of_lessons(output: Path) -> Iterator[tuple[Path, str]]:
    """Each picture that the scripts have drawn below `output`, and its name in the documents."""
    for lesson in documents.all_lessons():
        name = f"{lesson.program}_{lesson.name}" if lesson.summary else lesson.name
        yield output / "my_figures" / lesson.program / f"{lesson.name}.png", name


def tabs(browser) -> Iterator[str]:
    """Open each panel of TensorBoard on the classifier of section 7.2.2; yields its name, drawn."""
    from ch07.screens import until

    reviews = browser.server.reviews
    browser.open("graphs")
    browser.wait_for("g.node[data-name]", 2)
    browser.click("paper-dropdown-menu", reviews)
    browser.click("paper-item", f"{reviews}/train")
    time.sleep(SETTLES)  # the graph of the run that was open before has nodes of the same names
    (model,) = (name for name in browser.names() if name.startswith("text_classifier"))
    browser.expand(model)
    yield "graphs"
    browser.click("paper-dropdown-menu", "keras")
    browser.click("paper-item", "keras")
    until(lambda: browser.names() == {"text_classifier"}, "graph of the layers")
    browser.expand("text_classifier")
    yield "graphs_keras"
    for tab, chart in (
        ("histograms", "vz-histogram-timeseries"),
        ("distributions", "vz-distribution-chart"),
    ):
        browser.open(f"{tab}&regexInput={reviews}&tagFilter=conv_1")
        until(lambda chart=chart: browser.charts(chart) >= 3, tab)
        yield tab
    browser.open(f"scalars&regexInput={reviews}&tagFilter=epoch_(accuracy|loss)|gradient_norm")
    until(lambda: browser.lines() >= 3, "scalars")
    yield "scalars"
    browser.open("hparams")
    browser.wait_for_text("learning_rate", *browser.server.runs)
    yield "hparams"
    browser.open("projector")
    browser.wait_for("iframe")
    browser.enter_frames()
    browser.wait_for_text("Points:", "2000\n", "Total variance described")
    until(lambda: browser.points() > 1000, "points")
    yield "projector"
    browser.click("div.state-radio paper-icon-button")
    browser.wait_for_text("photography")
    until(lambda: browser.points() > 1000, "points")
    yield "projector_bookmark"


def patients(browser) -> Iterator[str]:
    """Open TensorBoard on the sign of each illness of the clinic; yields its name, drawn."""
    from ch07.screens import until

    def histograms() -> int:
        return browser.charts("vz-histogram-timeseries")

    for illness, (tab, tag) in SIGNS.items():
        charts = 1 + tag.count("|")
        browser.open(f"{tab}&regexInput={illness}&tagFilter={tag}&_smoothingWeight=0")
        drawn = browser.lines if tab == "scalars" else histograms
        until(lambda drawn=drawn, charts=charts: drawn() >= charts, illness)
        if illness == "rate_too_high":  # the loss of its first epoch is what counts as an outlier
            browser.click("paper-checkbox", "Ignore outliers")
        if charts == 1:
            browser.enlarge_first()
        yield illness


def photograph(root: Path, folder: Path) -> Iterator[tuple[Path, str]]:
    """The screenshots of TensorBoard on the logs below `root`, as `of_lessons` gives pictures."""
    from ch07 import screens

    with contextlib.ExitStack() as stack:
        server = screens.Server(root, folder)
        stack.callback(server.close)
        browser = screens.Browser(server, folder / "profile", folder)
        stack.callback(browser.driver.quit)
        for name, size, photographed in (
            ("tensorboard", (1200, 760), tabs),
            ("clinic", (1000, 800), patients),
        ):
            browser.driver.set_window_size(*size)
            for one in photographed(browser):
                time.sleep(SETTLES)
                browser.screenshot(f"{name}_{one}")
                yield folder / f"{name}_{one}.png", f"{name}_{one}"


def obstacle() -> str:
    """What is missing for screenshots; empty if nothing is."""
    if importlib.util.find_spec("selenium") is None:
        return "the package selenium"
    from ch07 import screens

    return "" if screens.CHROMIUM and screens.DRIVER else "Chromium with chromedriver"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m ch07.pictures", description=__doc__)
    parser.add_argument(
        "--of",
        type=Path,
        metavar="DIR",
        help="the --output of runs of all scripts, instead of running them now",
    )
    options = parser.parse_args(arguments)
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        output = options.of or Path(scratch, "runs")
        if not options.of:
            for script in documents.SCRIPTS:
                print(f"running {script}.py", flush=True)
                program = documents.ROOT / f"{script}.py"
                done = subprocess.run(
                    [sys.executable, program, "--output", output], stdout=subprocess.DEVNULL
                )
                if done.returncode not in (0, 1):  # 1: a claim does not hold, the picture says so
                    sys.exit(f"{script}.py ended with {done.returncode}.")
        made = list(of_lessons(output))
        for source, name in made:
            copy(source, name)
        print(f"{len(made)} pictures of lessons in {PICTURES}")
        if missing := obstacle():
            sys.exit(f"No screenshots: {missing} is missing.")
        screens = Path(scratch, "screens")
        screens.mkdir()
        taken = [copy(*one) for one in photograph(output / "my_log_dir", screens)]
        print(f"{len(taken)} screenshots of TensorBoard in {PICTURES}")


if __name__ == "__main__":
    main()
