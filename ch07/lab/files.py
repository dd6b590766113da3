"""Writing files so that a reader of them never meets half of one, and folders never shared."""

import contextlib
import itertools
import secrets
from pathlib import Path


def write_aside(path: Path, content: bytes) -> None:
    """Write `path` whole or not at all: into a file beside it, which then takes its name.

    OSError if the folder cannot be written to, or the disk is full; `path` is as it was.
    """
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def new_folder(parent: Path, name: str) -> Path:
    """Make a folder in `parent` that was not there: `name`, or else `name`-1, `name`-2 and so on.

    Making it is what claims it, so two programs that ask at the same moment get two folders.
    OSError if `parent` is a file, or cannot be made or written to.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for tries in itertools.count():
        folder = parent / (f"{name}-{tries}" if tries else name)
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder
