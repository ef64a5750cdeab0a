"""The files of an archived month: its rows as compressed CSV, and a manifest that says what they are."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import orjson

from app.db.archive_sql import COLUMNS, Seal
from app.errors import ConfigurationError
from app.services import durable_files

_GZIP = 31
"""zlib's code for the format gzip. Its header has no time: the same rows give the same file."""
_READ = 1 << 18


class DamagedArchive(ConfigurationError):
    """A file that is missing, or is not what its month's seal says. The message names it."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file with the rows of a month."""

    path: Path
    sha256: bytes
    size: int


class Writer:
    """Writes the rows of a month. The file gets its name when it is whole and on the disk."""

    def __init__(self, directory: Path, partition: str) -> None:
        self._path = rows_of(directory, partition)
        self._file = durable_files.new_beside(self._path).open("wb")
        self._packed, self.hash = zlib.compressobj(6, zlib.DEFLATED, _GZIP), sha256()

    async def take(self, data: bytes) -> None:
        """Add rows."""
        self.hash.update(data)
        self._file.write(self._packed.compress(data))

    def finish(self) -> None:
        """Close the file and give it its name."""
        self._file.write(self._packed.flush())
        durable_files.put_in_place(self._file, self._path)


def make_directory(directory: Path) -> None:
    """Make the directory of the files, unless it is there."""
    directory.mkdir(parents=True, exist_ok=True)


def rows_of(directory: Path, partition: str) -> Path:
    """The file with the rows."""
    return directory / f"{partition}.csv.gz"


def manifest_of(directory: Path, partition: str) -> Path:
    """The manifest."""
    return directory / f"{partition}.json"


def write_manifest(directory: Path, seal: Seal, written: Written) -> None:
    """Say what the file has, with its hashes."""
    content = {
        "format": "paycore-archive-1",
        "partition": seal.partition,
        "low": str(seal.low),
        "high": str(seal.high),
        "columns": COLUMNS,
        "entries": seal.entries,
        "sums": seal.sums,
        "rows_sha256": seal.sha256.hex(),
        "sealed_at": seal.sealed_at.isoformat(),
        "file": written.path.name,
        "file_sha256": written.sha256.hex(),
        "file_bytes": written.size,
    }
    durable_files.write(manifest_of(directory, seal.partition), orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")


def check(directory: Path, seal: Seal) -> Written:
    """Read a month's file and compare it with the seal and with the manifest, if there is one. Raises DamagedArchive."""
    path = rows_of(directory, seal.partition)
    packed, rows, size, count = sha256(), sha256(), 0, 0
    try:
        with path.open("rb") as file:
            for data, unpacked in _unpacked(file):
                packed.update(data)
                size += len(data)
                rows.update(unpacked)
                count += unpacked.count(b"\n")
    except OSError as error:
        raise DamagedArchive(f"{path} cannot be read: {error.strerror}") from None
    except zlib.error:
        raise DamagedArchive(f"{path} is damaged") from None
    if rows.digest() != seal.sha256 or count != seal.entries:
        raise DamagedArchive(f"{path} does not have the rows that were sealed")
    manifest = manifest_of(directory, seal.partition)
    if manifest.exists():
        _check_manifest(manifest, seal, packed.digest())
    return Written(path, packed.digest(), size)


def _check_manifest(path: Path, seal: Seal, file_sha256: bytes) -> None:
    try:
        said = orjson.loads(path.read_bytes())
        same = (said["rows_sha256"], said["file_sha256"], said["entries"], said["sums"]) == (
            seal.sha256.hex(),
            file_sha256.hex(),
            seal.entries,
            seal.sums,
        )
    except (ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise DamagedArchive(f"{path} is not the manifest of what was sealed")


async def rows(directory: Path, seal: Seal) -> AsyncIterator[bytes]:
    """The rows of a file that was checked, some at a time."""
    with rows_of(directory, seal.partition).open("rb") as file:
        for _, unpacked in _unpacked(file):
            if unpacked:
                yield unpacked


def _unpacked(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Parts of a file, packed and unpacked, in bounded memory."""
    unpacker = zlib.decompressobj(_GZIP)
    while data := file.read(_READ):
        rest, sent = data, data
        while rest or sent:
            unpacked = unpacker.decompress(rest, _READ * 4)
            yield sent, unpacked
            rest, sent = unpacker.unconsumed_tail, b""
            if not rest:
                break
    if not unpacker.eof:
        raise zlib.error
