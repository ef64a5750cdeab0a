"""Files that are whole or not there, also after a crash of the machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO


def write(path: Path, content: bytes) -> None:
    """Replace a file in one step. Raises OSError."""
    with new_beside(path).open("wb") as file:
        file.write(content)
        put_in_place(file, path)


def new_beside(path: Path) -> Path:
    """Where a file is written until `put_in_place` gives it its name."""
    return path.with_name(f".{path.name}.new")


def put_in_place(file: BinaryIO, path: Path) -> None:
    """Close a file that was written at `new_beside(path)`, and give it its name. Both are on the disk then. Raises OSError."""
    file.flush()
    os.fsync(file.fileno())
    file.close()
    new_beside(path).replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
