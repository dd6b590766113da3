"""Cells in the consoles of readers, without a window: Jupyter's kernel, and that of PyCharm."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow

SCRIPT = ROOT / "ch0701_functional_api.py"
NAME = "sequential_and_functional"  # the shortest lesson
HEAD, *CELLS = re.split(r"^(?=# %%)", SCRIPT.read_text(encoding="utf-8"), flags=re.MULTILINE)
CELL = next(cell for cell in CELLS if f'"{NAME}"' in cell)
WIDER = re.sub(r"Dense\(32", "Dense(48", CELL)
ELSEWHERE = "section.folder = section.folder.__class__({!r})"  # for what a cell writes


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """A function that runs a source in a kernel of Jupyter: its text, its number of pictures."""
    manager = pytest.importorskip("jupyter_client.manager")
    monkeypatch.delenv("MPLBACKEND")
    monkeypatch.setenv("HOME", str(tmp_path))
    # As in an environment that is activated: its kernel and its programs are found.
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)

    def execute(source):
        found = []
        reply = client.execute_interactive(source, timeout=300, output_hook=found.append)
        content = [message["content"] for message in found]
        shown = "".join(of.get("text", of.get("data", {}).get("text/html", "")) for of in content)
        assert reply["content"]["status"] == "ok", shown
        assert "Traceback" not in shown
        return shown, sum("image/png" in of.get("data", {}) for of in content)

    with manager.run_kernel(kernel_name="python3", startup_timeout=120, cwd=str(ROOT)) as client:
        yield execute


def test_a_notebook_runs_cells_scripts_and_tensorboard(kernel, tmp_path):
    assert kernel(HEAD) == ("", 0)
    kernel(ELSEWHERE.format(str(tmp_path)))
    for cell in (CELL, WIDER):
        text, images = kernel(cell)
        assert "Remember: " in text
        assert images >= 1
    assert list(tmp_path.glob("*.png"))
    text, images = kernel(f"%run {SCRIPT.name} {NAME} --output {tmp_path}")
    assert "1 lesson, " in text
    assert images >= 1
    assert "3466" in kernel("print(model.count_params())")[0]
    # As the questions and answers say, on a port of its own.
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kernel("%load_ext tensorboard")
    text, _ = kernel(f"%tensorboard --logdir ch07/my_log_dir --port {port}")
    assert "<iframe" in text
    assert f"{port}" in text
    kill = f"[os.kill(one.pid, signal.SIGTERM) for one in manager.get_all() if one.port == {port}]"
    kernel(f"import os, signal\nfrom tensorboard import manager\n{kill}")


@pytest.mark.parametrize("option", [[], ["--ipython"]], ids=["plain", "IPython"])
def test_the_console_of_pycharm_runs_cells_and_scripts(option, tmp_path):
    pytest.importorskip("pydevd_pycharm")
    cells = [HEAD, ELSEWHERE.format(str(tmp_path)), CELL, WIDER]
    run = f"runfile({str(SCRIPT)!r}, args=[{NAME!r}, '--output', {str(tmp_path / 'run')!r}])"
    show = "print('units', model.layers[1].units)"
    command = [sys.executable, str(Path(__file__).with_name("pycharm_console.py")), *option]
    text = "\n# ---\n".join([*cells, show, run, show, CELL])
    how = {"encoding": "utf-8", "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    out = subprocess.run(command, input=text, cwd=ROOT, env=environment, **how).stdout
    assert "Traceback" not in out
    said = ["Remember: "] * 2 + ["units 48", "Remember: ", "1 lesson, ", "units 32", "Remember: "]
    assert re.findall(r"Remember: |units \d+|1 lesson, ", out) == said
    assert list(tmp_path.glob("*.png"))
