"""TensorBoard in a browser: for the screenshots in the documents, and for the tests.

It needs Chromium, its chromedriver and the package selenium, which reading the chapter does not.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib import request

from selenium import webdriver

CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser"])), None)
DRIVER = shutil.which("chromedriver")


def until(ready: Callable, what: str, seconds: float = 90):
    """Ask `ready` until its answer is true, and return that; else a TimeoutError names `what`."""
    deadline = time.monotonic() + seconds
    while not (answer := ready()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {seconds} s")
        threading.Event().wait(0.2)
    return answer


class Server:
    """The program `tensorboard` on a directory of logs."""

    def __init__(self, root: Path, folder: Path):
        self.root = root
        self.runs = sorted(path.name for path in root.iterdir() if path.is_dir())
        (self.reviews,) = (run for run in self.runs if "-reviews" in run)
        self.stderr = folder / "stderr.txt"
        command = [sys.executable, "-m", "tensorboard.main", "--host", "127.0.0.1", "--port", "0"]
        with self.stderr.open("wb") as stderr:
            # Named as the reader names it: the page shows what it was given.
            self.process = subprocess.Popen(
                [*command, "--logdir", root.name], stderr=stderr, cwd=root.parent
            )
        try:
            self.url = until(self.address, "address of TensorBoard")
            until(lambda: self.json("data/plugins_listing")["projector"]["enabled"], "Projector")
            until(lambda: len(self.json("data/runs")) >= 2 * len(self.runs), "runs")
        except BaseException:
            self.close()
            raise

    def address(self) -> str | None:
        """The address that it has printed; None if it has not."""
        printed = self.stderr.read_text(encoding="utf-8", errors="replace")
        if self.process.poll() is not None:
            raise RuntimeError(f"TensorBoard has ended: {printed}")
        found = re.search(r"^TensorBoard \S+ at (http://\S+)", printed, re.MULTILINE)
        return found and found[1]

    def json(self, path: str):
        """What it answers to a question of its pages."""
        with request.urlopen(f"{self.url}{path}", timeout=60) as answer:
            return json.load(answer)

    def close(self):
        """End it."""
        self.process.terminate()
        self.process.wait()


# TensorBoard's pages are nested web components, which selectors do not look into.
DEEP = """
const found = [];
(function look(root) {
  for (const element of root.querySelectorAll('*')) {
    if (element.matches(selector) && element.getClientRects().length) found.push(element);
    if (element.shadowRoot) look(element.shadowRoot);
  }
})(document);
"""


class Browser:
    """Chromium, and what it shows of TensorBoard."""

    def __init__(self, server, profile, screens):
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in (
            "--headless=new",
            "--no-sandbox",  # Chromium as root, as in a container, starts only so
            "--window-size=1400,900",
            "--use-angle=swiftshader",  # WebGL, which the Projector needs, without a GPU
            "--enable-unsafe-swiftshader",
            "--disable-component-update",
            f"--user-data-dir={profile}",
        ):
            options.add_argument(argument)
        # With both paths given Selenium downloads nothing.
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
        self.server = server
        self.screens = screens

    def open(self, tab: str) -> None:
        """Open a tab of TensorBoard afresh."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.server.url}#{tab}")

    def visible(self, selector: str, of_each: str = "element") -> list:
        """The elements, however deep, that have a place on the page, or something `of_each`.

        In one script: the page may redraw an element before a second question about it.
        """
        return self.driver.execute_script(
            f"const selector = arguments[0]; {DEEP} return found.map(element => {of_each});",
            selector,
        )

    def text(self) -> str:
        """The text on the page."""
        own = "[...element.childNodes].filter(n => n.nodeType == 3).map(n => n.data).join('')"
        return "\n".join(self.visible("*", own))

    def wait_for(self, selector: str, count: int = 1) -> list:
        """The visible elements that match, as soon as there are `count`."""
        return until(lambda: len(found := self.visible(selector)) >= count and found, selector)

    def wait_for_text(self, *texts: str) -> None:
        """Wait until all of `texts` are on the page."""
        until(lambda: all(text in page for page in [self.text()] for text in texts), repr(texts))

    def click(self, selector: str, text: str = "") -> None:
        """Click on the element that matches and has `text`, as soon as it is there."""
        clicked = f"element.textContent.includes('{text}') && (element.click() || true)"
        until(lambda: any(self.visible(selector, clicked)), f"{selector} {text}")

    def names(self) -> set[str]:
        """The names of the nodes of the graph."""
        return set(self.visible("g.node[data-name]", "element.dataset.name"))

    def charts(self, kind: str) -> int:
        """How many components of a `kind` of chart have drawn something."""
        return sum(self.visible(kind, "Boolean(element.shadowRoot.querySelector('path[d]'))"))

    def lines(self) -> int:
        """How many charts of scalars have drawn a line."""
        drawn = "Boolean(element.shadowRoot.querySelector('.line-chart, path[d], canvas'))"
        return sum(self.visible("vz-line-chart2", drawn))

    def expand(self, node: str) -> None:
        """Open a node of the graph, and let the graph fill the page."""
        double = "new MouseEvent('dblclick', {bubbles: true, composed: true, view: window})"
        shape = f"g.node[data-name='{node}'] > g.nodeshape"
        self.visible(shape, f"element.dispatchEvent({double})")
        until(lambda: len(self.names()) > 4, f"layers of {node}")
        self.click("paper-button, button", "Fit to screen")

    def enlarge(self, count: int) -> None:
        """Let the first charts of a page of them take its whole width."""
        icons = "paper-icon-button[icon=fullscreen]"
        self.visible(icons, f"found.indexOf(element) < {count} && element.click()")

    def enter_frames(self) -> None:
        """Go to the innermost frame of the page."""
        while frames := self.visible("iframe"):
            self.driver.switch_to.frame(frames[0])

    def type_into(self, selector: str, text: str) -> None:
        """Type `text` into the field of the component that matches."""
        field = "element.shadowRoot.querySelector('paper-input').inputElement.inputElement"
        self.visible(selector, field)[0].send_keys(text)
