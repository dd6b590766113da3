"""Make sure that Keras can run, then load it on TensorFlow without its start-up lines.

Written in the syntax of Python 3.8: a reader whose Python is too old gets a sentence, as for every
obstacle that a reader can remove. What changes a process for good (the handling of Ctrl-C, what
TensorFlow logs, the settings of Keras) is left alone in a reader's own program.
"""

import _thread
import atexit
import builtins
import contextlib
import faulthandler
import json
import logging
import multiprocessing
import os
import re
import signal
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

from ch07.lab.language import tr

OLDEST_PYTHON = (3, 11)  # the oldest that TensorFlow 2.21 and NumPy 2.4 are tested with here
NEWEST_PYTHON = (3, 13)  # the newest with wheels of TensorFlow 2.21 that the tests have seen
ROOT = Path(__file__).resolve().parent.parent.parent
REQUIREMENTS = ROOT / "requirements.txt"
INSTALL = 'run "%s -m pip install -r %s"' % (Path(sys.executable).name, REQUIREMENTS.name)

# TensorFlow's first lines: news (severity I), a heading, and that there is no GPU.
CHATTER = re.compile(
    r"I\d{4} |To enable the following instructions: |WARNING: All log messages before absl::"
    r"InitializeLog|E\d{4} .*failed call to cuInit"
)

took = {}  # seconds: what the speed of a run is compared with
heard = []  # the signals that Ctrl-C has sent so far


def interactive():
    """Whether somebody types at a console, or into a notebook, and so goes on after an error."""
    # The console of PyCharm sets no prompt of Python's unless IPython is there.
    return hasattr(sys, "ps1") or "get_ipython" in vars(builtins) or "pydevconsole" in sys.modules


def own_program():
    """The file of the program of this project that runs; None in a reader's own, or a console."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    # `python -m ch07`, which is not there yet; Python 3.9 knows no `orig_argv`.
    if sys.argv[0] == "-m" and "ch07" in getattr(sys, "orig_argv", ()):
        path = ROOT / "ch07" / "__main__.py"
    if interactive() or path is None:
        return None
    path = Path(path).resolve()
    numbered = path.parent == ROOT and re.match(r"ch07\d\d_", path.name)
    inside = [ROOT / name for name in ("ch07", "exercises", "tools")]
    return path if numbered or not set(inside).isdisjoint(path.parents) else None


class UsageError(Exception):
    """Something the user can put right; its text is one sentence that says how."""


def refusal(error):
    """Print `error` as argparse prints a bad argument; returns the exit status, 2."""
    program = Path(sys.argv[0]).name
    print("%s: %s%s" % (program, tr("error: "), tr(str(error))), file=sys.stderr)
    return 2


def hear(number, frame):
    """The handler of Ctrl-C: Python's own, with a memory."""
    heard.append(number)
    signal.default_int_handler(number, frame)


def by_ctrl_c(kind):
    """Whether an exception of this `kind` comes of Ctrl-C, which compiled code may change."""
    return issubclass(kind, KeyboardInterrupt) or bool(heard and issubclass(kind, Exception))


def leave(status):
    """End the process now, with nothing printed but what was."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, AttributeError, ValueError):  # a closed pipe, no console
            stream.flush()
    os._exit(status)


def interrupted(kind, error, trace):
    """The sys.excepthook of a program: Ctrl-C ends it with one line and 130."""
    if issubclass(kind, BrokenPipeError):
        leave(1)  # whoever read what is printed has left, as `head` does
    if not by_ctrl_c(kind):
        sys.__excepthook__(kind, error, trace)
        return
    with contextlib.suppress(OSError, AttributeError, ValueError):  # a pipe closed, no console
        if not multiprocessing.parent_process():  # which says it for its children
            print("Interrupted.", file=sys.stderr)
    leave(130)  # Python itself would end by the signal


def interrupted_while_tidying(unraisable):
    """The sys.unraisablehook of a program: Ctrl-C while an object was deleted comes again."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        # Or it would be printed and forgotten; so it would be here, hence a little later.
        threading.Timer(0.05, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(unraisable)


def hear_interrupts():
    """Let Ctrl-C end a program without a traceback from here on, imports included."""
    if sys.excepthook is sys.__excepthook__:  # a debugger, or a notebook, has one of its own
        sys.excepthook = interrupted
        sys.unraisablehook = interrupted_while_tidying
        # Otherwise it is ignored, as in the background of a shell; a thread may set no handler.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            with contextlib.suppress(ValueError):
                signal.signal(signal.SIGINT, hear)


def check_python(version=sys.version_info):
    """Raise UsageError unless `version` (major, minor, ...) is one the project supports."""
    if not OLDEST_PYTHON <= tuple(version[:2]) <= NEWEST_PYTHON:
        numbers = tuple(version[:2]) + OLDEST_PYTHON + NEWEST_PYTHON
        raise UsageError("Python %d.%d is not supported: use Python %d.%d to %d.%d." % numbers)


def check_packages(requirements=REQUIREMENTS):
    """Raise UsageError if a package that `requirements` lists is missing or too old."""
    from importlib import metadata

    if not requirements.exists():  # a copy of ch07 without the rest of the project
        return
    try:
        from packaging.requirements import Requirement
    except ImportError:
        raise UsageError("The package %s is missing: %s." % ("packaging", INSTALL)) from None
    lines = requirements.read_text(encoding="utf-8").splitlines()
    for wanted in (Requirement(line.split("#")[0]) for line in lines if line[:1].isalpha()):
        names = [wanted.name]
        if not any(metadata.distributions(name=wanted.name)):
            # The module may come from a sibling package, as tensorflow does from tensorflow-cpu.
            names = metadata.packages_distributions().get(wanted.name)
        if not names:
            raise UsageError("The package %s is missing: %s." % (wanted.name, INSTALL))
        version = metadata.version(names[0])
        if not wanted.specifier.contains(version, prereleases=True):
            what = names[0], version, wanted, INSTALL
            raise UsageError("%s %s is installed, but %s is needed: %s." % what)


def check_backend(environ=os.environ):
    """Raise UsageError if KERAS_BACKEND, or else keras.json, asks for another backend."""
    folder = Path(environ["KERAS_HOME"]) if "KERAS_HOME" in environ else Path.home() / ".keras"
    backend, source, cure = environ.get("KERAS_BACKEND"), "KERAS_BACKEND", "unset it or set it"
    if not backend:
        source, cure = folder / "keras.json", "change it or set KERAS_BACKEND"
        # Keras itself passes over a keras.json that it cannot read.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            backend = json.loads(source.read_text(encoding="utf-8")).get("backend")
    if backend and backend != "tensorflow":
        raise UsageError(
            "%s asks for Keras on '%s', but this chapter runs on TensorFlow: %s to 'tensorflow'."
            % (source, backend, cure)
        )


def check_figures():
    """Raise UsageError if MPLBACKEND asks Matplotlib for something that does not exist."""
    # In a reader's first run, Matplotlib logs that it builds its font cache.
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        import matplotlib.pyplot as plt

        plt.switch_backend(plt.get_backend())
    except (ImportError, ValueError):
        raise UsageError(
            "Matplotlib has no backend '%s', which MPLBACKEND asks for: unset it."
            % os.environ.get("MPLBACKEND")
        ) from None
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def without_chatter():
    """Keep TensorFlow's start-up lines off stderr, and nothing but them.

    It writes them from C++ before any setting can stop it, so file descriptor 2 is pointed at a
    file meanwhile; what is in it and is not chatter is written out at the end.
    """
    try:
        stderr = os.dup(2)
    except OSError:  # started without a stderr, as pythonw.exe does
        yield
        return
    # Should the process die in native code (a processor without AVX), this still says where.
    watched = faulthandler.is_enabled()
    if not watched:
        faulthandler.enable(file=stderr)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            if not watched:
                faulthandler.disable()
            caught.seek(0)
            for line in caught.read().splitlines(keepends=True):
                if not CHATTER.match(line.decode("utf-8", "replace")):
                    os.write(2, line)
            os.close(stderr)


def load():
    """Check Python, packages and backends, then load Keras; leave with status 2 if one fails."""
    own = own_program()
    if own:
        hear_interrupts()
        for stream in (sys.stdout, sys.stderr):
            # A path with Chinese characters must not end a run on a console that lacks them.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
    try:
        check_python()
        check_packages()
        check_backend()
        check_figures()
    except UsageError as error:
        sys.exit(refusal(error))
    if own and own.parent == ROOT / "ch07":
        return  # it starts the scripts, and needs no Keras itself
    if own and re.match(r"ch07\d\d_", own.name):
        from ch07.lab import jobs

        jobs.take_over(own)
    if own or interactive():
        # Only what ends the process: an error that matters reaches Python as an exception.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with without_chatter():
        started = time.perf_counter()
        import keras  # noqa: F401

        took["import keras"] = time.perf_counter() - started
    if own:
        # Registered last, so the first to run at the exit: what is left is TensorFlow's tidying.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)


def settle():
    """Bring TensorFlow and Keras into the state that the numbers of a run belong to.

    One thread inside an operation, so that no number depends on how many cores there are (where
    there has been a tensor, the number of threads stays as it is); the same bits each time.
    """
    import keras
    import tensorflow as tf

    with without_chatter():
        if tf.config.threading.get_intra_op_parallelism_threads() != 1:
            with contextlib.suppress(RuntimeError):
                tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.zeros(())  # the first tensor makes TensorFlow look for devices, and report on them
    # Gradients of embeddings are summed in any order otherwise, and differ in the last bit.
    tf.config.experimental.enable_op_determinism()
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    # Keras 3.15 turns variables into arrays in a way that NumPy 2 is to give up.
    warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
    # TensorFlow takes the function that trains models, each of which is traced once, for one that
    # is traced again and again, and warns of it.
    logger = logging.getLogger("tensorflow")
    if not any(one is untold_of_retracing for one in logger.filters):
        logger.addFilter(untold_of_retracing)


def untold_of_retracing(record):
    """A filter for a logger: whether `record` is about anything but retracing."""
    return "retracing" not in record.getMessage()
