"""The files of a statement as they are stored: in parts of at most 1 MiB, each compressed by itself."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

from app.records import StatementFile, StatementFormat
from app.services.statements.camt_file import CamtFile
from app.services.statements.csv_file import CsvFile
from app.services.statements.json_file import JsonFile
from app.services.statements.model import CannotHold, Encoder, Heading, Line
from app.services.statements.mt940_file import Mt940File
from app.services.statements.pdf_file import PdfFile

PART_BYTES = 1_048_576
"""Before compression: what a download and its part of a worker's memory need, whatever the file's size."""
_ENCODERS: Final[Mapping[StatementFormat, Callable[[Heading], Encoder]]] = {
    StatementFormat.CSV: CsvFile,
    StatementFormat.JSON: JsonFile,
    StatementFormat.CAMT_053: CamtFile,
    StatementFormat.MT940: Mt940File,
    StatementFormat.PDF: PdfFile,
}
Part = tuple[StatementFormat, int, bytes]


class FileWriter:
    """Encodes one file and cuts it into parts. Nothing but the last part is kept in memory."""

    def __init__(self, statement_id: UUID, format_: StatementFormat, heading: Heading) -> None:
        self._statement_id = statement_id
        self._format = format_
        self._encoder = _ENCODERS[format_](heading)
        self._hash = hashlib.sha256()
        self._size = 0
        self._parts = 0
        self._rest = bytearray()
        self._problem: str | None = None

    def begin(self) -> list[Part]:
        """Return the parts that are full after the beginning of the file. The next two methods go on with it."""
        return self._take(self._encoder.begin)

    def add(self, lines: Sequence[Line]) -> list[Part]:
        return self._take(lambda: self._encoder.add(lines))

    def end(self) -> list[Part]:
        """Return all parts that remain."""
        return self._take(self._encoder.end, is_last=True)

    def file(self) -> StatementFile:
        """What was written, after the end. If the format cannot hold the statement, its earlier parts must be removed."""
        if self._problem is not None:
            return StatementFile(self._statement_id, self._format, 0, 0, None, self._problem)
        return StatementFile(self._statement_id, self._format, self._size, self._parts, self._hash.digest(), None)

    def _take(self, encode: Callable[[], bytes], *, is_last: bool = False) -> list[Part]:
        if self._problem is not None:
            return []
        try:
            content = encode()
        except CannotHold as problem:
            self._problem = str(problem)
            self._rest.clear()
            return []
        self._hash.update(content)
        self._size += len(content)
        self._rest += content
        full = []
        while len(self._rest) >= PART_BYTES or (is_last and self._rest):
            self._parts += 1
            full.append((self._format, self._parts, zlib.compress(memoryview(self._rest)[:PART_BYTES])))
            del self._rest[:PART_BYTES]
        return full


def writers(statement_id: UUID, heading: Heading) -> list[FileWriter]:
    """One writer for each format."""
    return [FileWriter(statement_id, format_, heading) for format_ in _ENCODERS]
