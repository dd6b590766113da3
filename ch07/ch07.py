"""Not the package, which is the folder around it, but what Python finds under its name beside a
program in that folder, such as `python ch07/board.py`, or in a console that was started in it.
"""

import sys
from pathlib import Path

HELP = (
    "the folder ch07 is a package and has no programs: from the folder above it, run a numbered "
    "script such as ch0702_tensor_board.py, whose --board starts TensorBoard, or import ch07 there."
)
program = Path(getattr(sys.modules["__main__"], "__file__", None) or "")
if program.suffix != ".py":
    raise ImportError(HELP)
print(f"{program.name}: error: {HELP}", file=sys.stderr)
sys.exit(2)
