"""Cells in the consoles of readers: Jupyter's kernel, the console of PyCharm, Python's own.

The windows of the IDEs themselves are not opened.
"""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

SCRIPT = ROOT / "ch0701_functional_api.py"
NAME = "sequential_and_functional"  # the shortest lesson
HEAD, *CELLS = re.split(r"^(?=# %%)", SCRIPT.read_text(encoding="utf-8"), flags=re.MULTILINE)
CELL = next(cell for cell in CELLS if f'"{NAME}"' in cell)
WIDER = re.sub(r"Dense\(32", "Dense(48", CELL)
ELSEWHERE = "section.folder = section.folder.__class__({!r})"  # for what a cell writes


def in_kernel(tmp_path, *sources):
    """Run sources in a kernel of Jupyter, in the folder of the project; what each of them shows."""
    manager = pytest.importorskip("jupyter_client").KernelManager(kernel_name="python3")
    # Of this environment, whatever kernels are installed.
    manager.kernel_spec.argv = [
        sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}",
    ]  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    # As in an environment that is activated: its programs are found.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment |= {"HOME": str(tmp_path), "PATH": path}
    manager.start_kernel(cwd=str(ROOT), env=environment)
    client = manager.blocking_client()
    client.start_channels()
    shown = []
    try:
        client.wait_for_ready(timeout=120)
        for source in sources:
            found = []
            reply = client.execute_interactive(source, timeout=300, output_hook=found.append)
            text = "".join(m["content"].get("text", "") for m in found)
            html = "".join(m["content"].get("data", {}).get("text/html", "") for m in found)
            images = sum("image/png" in m["content"].get("data", {}) for m in found)
            shown.append((reply["content"]["status"], text + html, images))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return shown


@pytest.mark.slow
def test_a_cell_in_a_notebook_is_run_changed_and_run_again(tmp_path):
    import_cell, *_, again = in_kernel(
        tmp_path, HEAD, ELSEWHERE.format(str(tmp_path)), CELL, "first = model.count_params()", WIDER
    )
    assert import_cell == ("ok", "", 0)
    status, text, images = again
    assert status == "ok"
    assert "Remember: " in text
    assert images >= 1
    assert list(tmp_path.glob("*.png"))


@pytest.mark.slow
def test_percent_run_of_a_lesson_ends_without_a_traceback(tmp_path):
    (shown, after) = in_kernel(
        tmp_path, f"%run {SCRIPT.name} {NAME} --output {tmp_path}", "model.count_params()"
    )
    status, text, images = shown
    assert status == "ok"
    assert "1 lesson, " in text
    assert "Traceback" not in text
    assert images >= 1
    assert after[0] == "ok"


@pytest.mark.slow
def test_tensorboard_opens_in_a_notebook(tmp_path):
    # As the questions and answers say, on a port of its own.
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    *_, (status, text, _), stopped = in_kernel(
        tmp_path,
        "%load_ext tensorboard",
        f"%tensorboard --logdir ch07/my_log_dir --port {port}",
        "import os, signal; from tensorboard import notebook, manager\n"
        "[os.kill(one.pid, signal.SIGTERM) for one in manager.get_all() "
        f"if one.port == {port}]",
    )
    assert status == "ok"
    assert "<iframe" in text
    assert f"{port}" in text
    assert stopped[0] == "ok"


def in_console(command, text, tmp_path):
    """What a console prints that is given `text` on its standard input."""
    done = subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
    )
    return done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("ipython", [False, True], ids=["plain", "IPython"])
def test_a_cell_in_the_console_of_pycharm(ipython, tmp_path):
    pytest.importorskip("pydevd_pycharm")
    fragments = [
        HEAD,
        ELSEWHERE.format(str(tmp_path)),
        CELL,
        WIDER,
        "print('units', model.layers[1].units)",
    ]
    command = [sys.executable, str(Path(__file__).with_name("pycharm_console.py"))]
    out, err = in_console(command + ["--ipython"] * ipython, "\n# ---\n".join(fragments), tmp_path)
    assert out.count("Remember: ") == 2, err
    assert "units 48" in out
    assert "Traceback" not in out + err
    assert list(tmp_path.glob("*.png"))


@pytest.mark.slow
@pytest.mark.parametrize("ipython", [False, True], ids=["plain", "IPython"])
def test_run_with_python_console_of_pycharm(ipython, tmp_path):
    pytest.importorskip("pydevd_pycharm")
    run = f"runfile({str(SCRIPT)!r}, args=[{NAME!r}, '--output', {str(tmp_path)!r}])"
    fragments = [run, "print('parameters', model.count_params())", CELL]
    command = [sys.executable, str(Path(__file__).with_name("pycharm_console.py"))]
    out, err = in_console(command + ["--ipython"] * ipython, "\n# ---\n".join(fragments), tmp_path)
    assert "1 lesson, " in out, err
    assert "parameters 3466" in out
    assert out.count("Remember: ") == 2  # in the run, and in the cell afterwards
    assert "Traceback" not in out + err


@pytest.mark.skipif(os.name == "nt", reason="needs a terminal of POSIX")
@pytest.mark.slow
def test_selected_lines_in_a_plain_python_console(tmp_path):
    # As "Execute Selection" pastes them: without the empty lines that would end a block.
    def pasted(text):
        return f"exec(compile({text!r}, '<input>', 'exec'))\n"

    text = pasted(HEAD) + ELSEWHERE.format(str(tmp_path)) + "\n" + pasted(CELL) + pasted(WIDER)
    out, err = in_console([sys.executable, "-i", "-q"], text, tmp_path)
    assert out.count("Remember: ") == 2, err
    assert "Traceback" not in err
