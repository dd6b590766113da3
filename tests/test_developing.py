"""The worked example of docs/developing.md: a lesson is added to a copy of the project and runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools import breakages
from tools.documents import ROOT

NAME = "restored_weights"
PLACES = {  # what each block of the page goes in front of
    "python": [("ch0702_tensor_board.py", "# %% 7.2.1 Callbacks: a log of every epoch")],
    "toml": [("ch07/lab/words/ch0702_tensor_board.toml", "[csv_logger]\n")],
    "markdown": [(f"docs/7.2{of}.md", "<!-- lesson csv_logger -->") for of in ("", ".zh-CN")],
}


def test_every_place_to_break_is_there():
    for place in breakages.places().values():
        text = (ROOT / place["file"]).read_text(encoding="utf-8")
        assert text.count(place["old"]) == 1, place
        assert place["new"] != place["old"]
        assert all((ROOT / test).exists() for test in place["tests"].split()), place


def test_the_record_of_broken_places_is_of_todays_list_and_names_tests_that_are_there():
    record = json.loads(breakages.CAUGHT.read_text(encoding="utf-8"))
    digests = {name: breakages.digest(of) for name, of in breakages.places().items()}
    assert {name: of["of"] for name, of in record.items()} == digests
    for name, of in record.items():
        path, _, test = of["test"].partition("[")[0].partition("::")
        assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), name


@pytest.mark.slow
def test_the_example_is_a_lesson_and_nothing_else_has_to_be_touched(tmp_path):
    root = tmp_path / "a copy"
    breakages.copied(root)
    page = (ROOT / "docs" / "developing.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    assert blocks.keys() == PLACES.keys()
    for kind, block in blocks.items():
        for name, before in PLACES[kind]:
            path = root / name
            text = path.read_text(encoding="utf-8")
            assert text.count(before) == 1
            space = "\n\n" if kind == "python" else "\n"
            text = text.replace(before, f"{block.rstrip()}\n{space}{before}")
            path.write_text(text, encoding="utf-8")

    def run(*arguments: str | Path) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    shown = run("ch0702_tensor_board.py", NAME, "--output", tmp_path, "--language", "en")
    assert "ok  Restored, it is: " in shown
    assert "Remember: restore_best_weights=True puts" in shown
    assert run("-m", "tools.documents") == ""
    notes = (root / "docs" / "7.2.md").read_text(encoding="utf-8")
    assert "**Remember.** restore_best_weights=True puts the best epoch back" in notes
    tests = [f"tests/test_{of}.py" for of in ("conventions", "documents")]
    run("-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *tests)
