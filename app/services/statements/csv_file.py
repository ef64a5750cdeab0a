"""CSV by RFC 4180, in UTF-8, for spreadsheets: one row per entry, between rows for the opening and the closing balance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from app.clock import rfc3339
from app.services.statements.model import Heading, Line

COLUMNS = (
    "record",
    "sequence",
    "posted_at",
    "amount",
    "balance",
    "currency",
    "type",
    "purpose",
    "transaction_id",
    "counterparty",
    "counterparty_wallet_id",
    "description",
    "reference",
    "reverses_id",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_REMOVED = " '\"\u00a0\u3000\ufeff"
_QUOTED = re.compile('[,"\r\n]')


class CsvFile:
    """The encoder of CSV."""

    def __init__(self, heading: Heading) -> None:
        self._heading = heading

    def begin(self) -> bytes:
        heading = self._heading
        opening = ["OPENING", "", rfc3339(heading.from_at), "", heading.decimal(heading.opening), heading.currency]
        names = [heading.holder, heading.wallet_id, heading.wallet_name]
        return _rows([COLUMNS, [*opening, "", "", "", *map(_text, names), "", ""]])

    def add(self, lines: Sequence[Line]) -> bytes:
        return "".join(map(self._row, lines)).encode("utf-8", "replace")

    def end(self) -> bytes:
        heading = self._heading
        closing = ["CLOSING", "", rfc3339(heading.to_at), "", heading.decimal(heading.closing), heading.currency]
        return _rows([[*closing, *[""] * (len(COLUMNS) - len(closing))]])

    def _row(self, line: Line) -> str:
        # Only texts of users need quotes. Amounts are numbers: -5.00 stays one.
        return (
            f"ENTRY,{line.sequence},{line.posted_text},{line.amount_text},{line.balance_text},{self._heading.currency},"
            f"{line.type.value},{line.purpose.value},{line.transaction_id},{_text(line.counterparty)},"
            f"{line.counterparty_wallet_id or ''},{_text(line.description)},{_text(line.reference)},{line.reverses_id or ''}\r\n"
        )


def _rows(rows: Iterable[Sequence[str]]) -> bytes:
    return "".join(",".join(row) + "\r\n" for row in rows).encode("utf-8", "replace")


def _text(text: str | None) -> str:
    """A user's text as a field. With an apostrophe in front, a spreadsheet does not take it for a formula.

    Blanks and quotes before the sign do not help, because some programs remove them.
    """
    if not text:
        return ""
    if text[0] in _FORMULA or text.lstrip(_REMOVED).startswith(_FORMULA):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
