"""The pictures in the documents: ``python -m tools.pictures``.

Runs the chapter with seed 0 and puts small copies of the pictures that the documents show into
docs/pictures; then photographs TensorBoard on what section 7.2 has logged, and on what it logs with
real words, for which it needs Chromium with its chromedriver, and the package selenium.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFont

from ch07 import board
from ch07.clinic import SYMPTOMS as RULES
from ch07.lab.files import write_aside
from ch07.lab.startup import ROOT
from ch07.plots.common import GREY
from tools import documents
from tools.screens import Browser, Server, until

PICTURES = ROOT / "docs" / "pictures"
MOST = 150_000  # bytes of a picture: a page with forty of them still opens at once
WIDEST = 1400  # pixels: as wide as a page shows them on a sharp screen
NARROWEST = 700  # pixels: a narrow diagram is not blown up to the width of a page
PAPER = "#F1F2F4"  # what white becomes: it glares on no dark page, and is calm on a light one
ANIMATIONS = 2  # seconds until a page of TensorBoard has ended them, which nothing on it tells

# For each fault of the clinic: the tab of TensorBoard and the tags in which its symptom is seen.
SYMPTOMS = {fault: (of.tab.lower(), of.tag) for fault, of in RULES.items()}
SYMPTOMS["vanishing"] = ("scalars", "gradient_norm/(conv_1|sentiment)")  # not of every layer


def small(picture: Image.Image) -> bytes:
    """`picture` as a PNG of at most `MOST` bytes, on `PAPER`, in as many colours as have room."""
    if picture.width > WIDEST:
        height = round(picture.height * WIDEST / picture.width)
        picture = picture.resize((WIDEST, height), Image.Resampling.LANCZOS)
    wide = max(picture.width, NARROWEST)
    opaque = Image.new("RGB", (wide, picture.height), "white")
    mask = picture.getchannel("A") if "A" in picture.getbands() else None
    opaque.paste(picture, ((wide - picture.width) // 2, 0), mask=mask)
    opaque = ImageChops.multiply(opaque, Image.new("RGB", opaque.size, PAPER))
    for colours in (256, 128, 64, 32, 16):
        buffer = io.BytesIO()
        opaque.quantize(colours, dither=Image.Dither.NONE).save(buffer, "png", optimize=True)
        if buffer.tell() <= MOST:
            break
    return buffer.getvalue()


def copy(source: Path) -> None:
    """Put a small copy of a picture into the documents' folder."""
    with Image.open(source) as picture:
        write_aside(PICTURES / source.name, small(picture))


def shown() -> set[str]:
    """The names of the pictures that the documents show, without ".png"."""
    texts = [page.path.read_text(encoding="utf-8") for page in documents.pages()]
    return {name for text in texts for name in re.findall(r"pictures/(\w+)\.png\)", text)}


def tabs(browser) -> Iterator[str]:
    """Open each panel of TensorBoard on the classifier of section 7.2.2; yields its name, drawn."""
    reviews = browser.server.reviews
    browser.open("graphs")
    browser.wait_for("g.node[data-name]", 2)
    browser.click("paper-dropdown-menu", reviews)
    browser.click("paper-item", f"{reviews}/train")
    time.sleep(ANIMATIONS)  # the graph that was open before has nodes of the same names
    (model,) = (name for name in browser.names() if name.startswith("text_classifier"))
    browser.expand(model)
    yield "graphs"
    browser.click("paper-dropdown-menu", "keras")
    browser.click("paper-item", "keras")
    until(lambda: browser.names() == {"text_classifier"}, "graph of the layers")
    browser.expand("text_classifier")
    yield "graphs_keras"
    charts = {"histograms": "vz-histogram-timeseries", "distributions": "vz-distribution-chart"}
    for tab, chart in charts.items():
        browser.open(f"{tab}&regexInput={reviews}&tagFilter=conv_1")
        until(lambda chart=chart: browser.charts(chart) >= 3, tab)
        yield tab
    browser.open(f"scalars&regexInput={reviews}&tagFilter=epoch_(accuracy|loss)|gradient_norm")
    until(lambda: browser.lines() >= 3, "scalars")
    yield "scalars"
    browser.open("hparams")
    browser.wait_for_text("learning_rate", reviews)
    yield "hparams"
    browser.open("projector")
    browser.wait_for("iframe")
    browser.enter_frames()
    browser.wait_for_text("Points:", "1000\n", "Total variance described")
    yield "projector"


def clinic(browser) -> Iterator[str]:
    """Open TensorBoard on the symptom of each fault of the clinic; yields its name, drawn."""
    for fault, (tab, tag) in SYMPTOMS.items():
        charts = 1 + tag.count("|")
        runs = f"(healthy|{fault})/"
        browser.open(f"{tab}&regexInput={runs}&tagFilter={tag}&_smoothingWeight=0")
        if tab == "scalars":
            until(lambda charts=charts: browser.lines() >= charts, fault)
        else:
            until(lambda: browser.charts("vz-histogram-timeseries") >= 2, fault)
        if fault == "rate_too_high":  # the loss of its first epoch is what counts as an outlier
            browser.click("paper-checkbox", "Ignore outliers")
        if tab == "scalars":  # a histogram that is enlarged counts epochs in halves
            browser.enlarge(charts)
        yield fault
    tag = "activations/conv_1"
    browser.open(f"histograms&regexInput=(healthy|dead_relus)/&tagFilter={tag}")
    until(lambda: browser.charts("vz-histogram-timeseries") >= 2, tag)
    yield "histogram"


# Where numbers stand on charts, in shares of each: those to which the text beside them refers.
MARKS = {
    "histogram": (((0.12, 0.1), (0.5, 0.6), (0.93, 0.55)), ((0.55, 0.1),)),
    "no_sigmoid": (((0.2, 0.3), (0.75, 0.3)), ((0.5, 0.3),)),
}
CHARTS = "vz-line-chart2, vz-histogram-timeseries, vz-distribution-chart"
# Of a chart: its box, and the texts and middles of its ticks, of the values and of the steps.
CHART = """(() => {
  const box = element.getBoundingClientRect();
  const ticks = (axis, start, size) =>
    [...element.shadowRoot.querySelectorAll(`.${axis}-axis .tick-label`)]
      .map(tick => [tick, tick.getBoundingClientRect()])
      .map(([tick, place]) => [tick.textContent, place[start] + place[size] / 2]);
  return [box.x, box.y, box.width, box.height, ticks('y', 'y', 'height'), ticks('x', 'x', 'width')];
})()"""
# Pixels: above a chart for its tag, beside it for the names of lines, between two of these.
ABOVE, BESIDE, APART = 64, 230, 19


def tags_of(pattern: str) -> list[str]:
    """The tags that a filter such as "a/(b|c)" asks for."""
    before, _, last = pattern.partition("(")
    return [before + one for one in last.rstrip(")").split("|")] if last else [before]


def crop(browser, name: str, path: Path) -> None:
    """Cut a screenshot to its charts; put numbers on them, or the names of runs at their lines."""
    height = browser.driver.execute_script("return window.innerHeight")
    charts = [one for one in browser.visible(CHARTS, CHART) if one[1] + one[3] <= height]
    tab, tag = SYMPTOMS.get(name, ("histograms", ""))
    if name in SYMPTOMS or name in MARKS:  # behind what was asked for come the charts of all tags
        charts = charts[: len(tags_of(tag)) if tab == "scalars" else 2]
    left, top = min(one[0] for one in charts) - 10, min(one[1] for one in charts) - ABOVE
    right, bottom = (max(one[at] + one[at + 2] for one in charts) + 4 for at in (0, 1))
    named = name in SYMPTOMS and tab == "scalars"
    with Image.open(path) as whole:
        size = round(right - left) + BESIDE * named, round(bottom - top)
        picture = Image.new("RGB", size, "white")
        picture.paste(whole.crop(tuple(map(round, (left, top, right, bottom)))))
    draw, number = ImageDraw.Draw(picture), 0
    for (x, y, wide, high, *_), marks in zip(charts, MARKS.get(name, ()), strict=False):
        for across, down in marks:
            number += 1
            centre = (x - left + across * wide, y - top + down * high)
            draw.circle(centre, 9, fill="black")
            draw.text(centre, str(number), "white", ImageFont.load_default(13), anchor="mm")
    for chart, one in zip(charts if named else (), tags_of(tag), strict=False):
        name_lines(draw, browser, name, one, chart, (left, top, right))
    if picture.width < NARROWEST:
        picture = picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.LANCZOS)
    picture.save(path)


def name_lines(draw, browser, fault: str, tag: str, chart: list, corner: Sequence[float]) -> None:
    """Write beside a chart which line is that of which run; an arrow points at those of `fault`."""
    *_, values, steps = chart
    left, top, right = corner
    scale = zip(*sorted((float(text), place) for text, place in values), strict=True)
    known, places = map(list, scale)
    lines, first = [], fault == "rate_too_high"  # which is seen in the first epoch, not in the last
    for run in ("healthy", fault):
        (folder,) = (of for of in browser.server.runs if of.endswith(f"-{run}"))
        for kind in ("train", "validation"):
            logged = board.scalars(browser.server.root / folder / kind).get(tag)
            if logged:
                at = 0 if first and (run, kind) == (fault, "train") else len(logged) - 1
                place = float(np.interp(logged[at], known, places)) - top
                lines.append((place, dict(steps)[str(at)] - left, f"{run}/{kind}"))
    below = -np.inf
    for place, across, text in sorted(lines):
        below = max(place, below + APART)
        start = right - left + 12
        colour = "black" if text.startswith(fault) else GREY
        draw.line([(start, below), (across + 9, place)], colour, width=2)
        if colour == "black":
            draw.regular_polygon((across + 12, place, 7), 3, rotation=90, fill=colour)
        draw.text((start + 4, below), text, colour, ImageFont.load_default(16), anchor="lm")


def words(browser) -> Iterator[str]:
    """Open the Projector on real words, at those nearest to "boring"; yields its name, drawn."""
    browser.open("projector")
    browser.wait_for("iframe")
    browser.enter_frames()
    browser.wait_for_text("Points:", "2000\n", "Total variance described")
    browser.type_into("vz-projector-input#search-box", "boring")
    browser.wait_for_text("1 matches.")
    browser.click("paper-button, button", "Isolate")
    browser.wait_for_text("101\n")
    yield "words"


def photograph(root: Path, folder: Path, pages: dict) -> None:
    """Take the screenshots of TensorBoard on the logs below `root`; `folder` is for itself."""
    folder.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        server = Server(root, folder)
        stack.callback(server.close)
        browser = Browser(server, folder / "profile", folder)
        stack.callback(browser.driver.quit)
        for name, (opened, *size) in pages.items():
            browser.driver.set_window_size(*size)
            for one in opened(browser):
                time.sleep(ANIMATIONS)
                browser.driver.save_screenshot(str(browser.screens / f"{name}_{one}.png"))
                path = folder / f"{name}_{one}.png"
                if name == "clinic" or one in ("histograms", "distributions", "scalars"):
                    crop(browser, one, path)
                if one == "words":  # the points alone
                    with Image.open(path) as picture:
                        picture.crop((313, 125, 1000, picture.height)).save(path)
                copy(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.pictures", description=__doc__)
    parser.add_argument("--of", type=Path, help="the --output of a run of the chapter")
    options = parser.parse_args(arguments)
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        output = options.of or Path(scratch, "run")
        if not options.of:
            done = subprocess.run([sys.executable, "-m", "ch07", "--output", output], cwd=ROOT)
            if done.returncode not in (0, 1):  # 1: a claim does not hold, the picture says so
                sys.exit(f"The run ended with {done.returncode}.")
        drawn = {path.stem: path for path in output.glob("my_figures/*/*.png")}
        for name in shown() & drawn.keys():
            copy(drawn[name])
        pages = {"tensorboard": (tabs, 1200, 900), "clinic": (clinic, 1000, 1300)}
        photograph(output / "my_log_dir", Path(scratch, "screens"), pages)
        real = Path(scratch, "real")
        script = [sys.executable, ROOT / "ch0702_tensor_board.py", "text_classifier"]
        subprocess.run([*script, "--data", "real", "--output", real], check=True)
        photograph(real / "my_log_dir", Path(scratch, "more"), {"real": (words, 1300, 800)})
    unused = {path.stem for path in PICTURES.glob("*.png")} - shown()
    print(f"No document shows: {', '.join(sorted(unused)) or 'all are shown'}.")


if __name__ == "__main__":
    main()
