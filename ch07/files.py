"""Writing files so that a reader of them never meets half of one."""

import os
from pathlib import Path


def write_aside(path: Path, content: bytes) -> None:
    """Write `path` whole or not at all: into a file beside it, which then takes its name.

    Raises:
        OSError: the folder cannot be written to, or the disk is full; `path` is as it was.
    """
    aside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
