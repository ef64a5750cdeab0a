"""SWIFT MT940, for programs that do not read camt.053. In SWIFT's character set X: other characters are replaced.

A message has at most 2,000 characters, so a statement has several: the balance between two is :62M: of one and :60M: of the next.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import timedelta

from app.records import EntryPurpose, TransactionType
from app.services.statements.model import CannotHold, Heading, Line

_MESSAGE = 2_000
_AMOUNT = 15
"""Most characters of an amount, with its comma."""
_MESSAGES = 99_999
"""Most messages of a statement: their number has five digits."""
_LEAST_ENTRIES = 3
"""Entries that fit into one message even if all their texts are long."""
_LINE, _LINES = 65, 6
_FOREIGN = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]")
_SPELLED = str.maketrans({
    "ß": "ss", "Æ": "AE", "æ": "ae", "Ø": "O", "ø": "o", "Œ": "OE", "œ": "oe", "Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "Þ": "Th",
    "þ": "th", "ð": "d", "\u0131": "i",
    "\u2018": "'", "\u2019": "'", "\u201c": "'", "\u201d": "'", '"': "'", "\u2013": "-", "\u2014": "-", "&": "+", "_": "-",
    "@": "(at)", "€": "EUR",
})  # fmt: skip
_KINDS = {TransactionType.REVERSAL: "RTI", TransactionType.CONVERSION: "FEX"}


class Mt940File:
    """The encoder of MT940."""

    def __init__(self, heading: Heading) -> None:
        self._heading = heading
        # A statement of many entries has longer messages instead of numbers that are too long.
        enough = -(-heading.entry_count // (_MESSAGES * _LEAST_ENTRIES)) or 1
        self._most = _MESSAGE * enough
        self._messages = 0
        self._length = 0
        self._balance = heading.opening
        self._at = heading.from_at

    def begin(self) -> bytes:
        return self._open("F").encode("ascii")

    def add(self, lines: Sequence[Line]) -> bytes:
        return "".join(map(self._entry, lines)).encode("ascii")

    def end(self) -> bytes:
        # The period ends before `to`.
        self._at = self._heading.to_at - timedelta(microseconds=1)
        return self._closing("F").encode("ascii")

    def _entry(self, line: Line) -> str:
        content = self._statement_line(line) + _information(line)
        turned = ""
        room = self._most - len(self._closing("M"))
        if self._length + len(content) > room:
            turned = self._closing("M") + self._open("M")
        self._length += len(content)
        self._balance, self._at = line.balance_after, line.posted_at
        return turned + content

    def _open(self, kind: str) -> str:
        heading = self._heading
        self._messages += 1
        reference = heading.statement_id[-16:].upper()
        content = (
            f":20:{reference}\r\n:25:{heading.wallet_id.removeprefix('wal_').upper()}\r\n"
            f":28C:{heading.number % 100_000}/{self._messages}\r\n:60{kind}:{self._balance_of()}\r\n"
        )
        self._length = len(content)
        return content

    def _closing(self, kind: str) -> str:
        return f":62{kind}:{self._balance_of()}\r\n-\r\n"

    def _balance_of(self) -> str:
        side = "D" if self._balance < 0 else "C"
        return f"{side}{self._at:%y%m%d}{self._heading.currency}{self._amount(self._balance)}"

    def _statement_line(self, line: Line) -> str:
        side = "D" if line.amount < 0 else "C"
        if line.type is TransactionType.REVERSAL:
            # RC is the reversal of a credit, so a debit; RD the other way round.
            side = "RC" if line.amount < 0 else "RD"
        kind = "CHG" if line.purpose is EntryPurpose.FEE else _KINDS.get(line.type, "TRF")
        reference = _plain(line.reference, 16).replace("//", "/-").strip(" /") or "NONREF"
        return (
            f":61:{line.posted_at:%y%m%d%m%d}{side}{self._amount(line.amount)}N{kind}{reference}"
            f"//{line.transaction_id[-16:].upper()}\r\n"
        )

    def _amount(self, minor: int) -> str:
        decimal = self._heading.decimal(abs(minor)).replace(".", ",")
        text = decimal if "," in decimal else decimal + ","
        if len(text) > _AMOUNT:
            raise CannotHold(f"An amount has more than the {_AMOUNT} characters that MT940 allows.")
        return text


def _information(line: Line) -> str:
    """The field :86:, in lines of 65 characters. A line does not begin with ":" or "-", which begin a field and end a message."""
    parts = [line.type.value, line.counterparty, line.description, line.reference]
    text = " ".join(_plain(" ".join(part for part in parts if part), _LINE * _LINES).split())
    lines: list[str] = []
    while text and len(lines) < _LINES:
        taken, text = text[:_LINE], text[_LINE:]
        lines.append(taken.rstrip())
        text = text.lstrip()
        if text[:1] in (":", "-"):
            text = "." + text[1:]
    return ":86:" + "\r\n".join(lines) + "\r\n"


def _plain(text: str | None, most: int) -> str:
    """The text in SWIFT's character set: letters without their marks, and a point for each character that has no such letter."""
    if not text:
        return ""
    text = text.translate(_SPELLED)
    if not text.isascii():
        spelled = unicodedata.normalize("NFKD", text)
        text = "".join(one for one in spelled if not unicodedata.combining(one))
    return _FOREIGN.sub(".", text)[:most]
