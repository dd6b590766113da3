"""The console of PyCharm, without PyCharm: ``python pycharm_console.py [--ipython] < code``.

The package pydevd-pycharm has the interpreter behind PyCharm's console and its `runfile`, but not
the connection to the window, for which there are placeholders here. Standard input is executed, a
fragment for each line that is only "# ---", as the window sends the selection or a cell.
"""

import os
import sys
import threading

WINDOW = "_pydev_comm", "pydev_console", "_shaded_thriftpy"
MODULES = ".pydev_rpc", ".pydev_server", ".pydev_transport", ".pydev_protocol", ".thrift", ""


class Placeholder(type):
    """A class, or a module, whose attributes are such classes."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Placeholder(name, (), {})


if __name__ == "__main__":
    os.environ["IPYTHONENABLE"] = str("--ipython" in sys.argv)
    fragments = sys.stdin.read().split("\n# ---\n")
    sys.argv = ["pydevconsole.py"]
    names = [package + module for package in WINDOW for module in MODULES]
    sys.modules.update({name: Placeholder(name, (), {}) for name in names})
    import pydevconsole
    from _pydev_bundle.pydev_console_types import CodeFragment
    from _pydev_bundle.pydev_umd import _set_globals_function

    interpreter = pydevconsole.InterpreterInterface(threading.current_thread())
    _set_globals_function(interpreter.get_namespace)
    for fragment in fragments:
        interpreter.do_add_exec(CodeFragment(fragment + "\n", is_single_line=False))
