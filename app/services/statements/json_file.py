"""JSON: one object, whose entries are on lines of their own. Amounts are decimal strings, as in the API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from app.clock import rfc3339
from app.services.statements.model import Heading, Line


class JsonFile:
    """The encoder of JSON."""

    def __init__(self, heading: Heading) -> None:
        self._heading = heading
        self._is_first = True

    def begin(self) -> bytes:
        heading = self._heading
        content = {
            "id": heading.statement_id,
            "number": heading.number,
            "wallet": {"id": heading.wallet_id, "name": heading.wallet_name, "holder": heading.holder},
            "currency": heading.currency,
            "from": rfc3339(heading.from_at),
            "to": rfc3339(heading.to_at),
            "created_at": rfc3339(heading.created_at),
            "first_sequence": str(heading.first_sequence),
            "last_sequence": str(heading.last_sequence),
            "opening": heading.decimal(heading.opening),
            "credits": heading.decimal(heading.credits),
            "debits": heading.decimal(heading.debits),
            "closing": heading.decimal(heading.closing),
            "credit_count": heading.credit_count,
            "debit_count": heading.debit_count,
        }
        return _dumps(content)[:-1] + b',"entries":[\n'

    def add(self, lines: Sequence[Line]) -> bytes:
        if not lines:
            return b""
        rows = b",\n".join(_dumps(self._object(line)) for line in lines)
        separator, self._is_first = b"" if self._is_first else b",\n", False
        return separator + rows

    def end(self) -> bytes:
        return b"\n]}\n"

    @staticmethod
    def _object(line: Line) -> dict[str, Any]:
        return {
            "sequence": str(line.sequence),
            "posted_at": line.posted_text,
            "amount": line.amount_text,
            "balance": line.balance_text,
            "type": line.type.value,
            "purpose": line.purpose.value,
            "transaction_id": line.transaction_id,
            "counterparty": _text(line.counterparty),
            "counterparty_wallet_id": line.counterparty_wallet_id,
            "description": _text(line.description),
            "reference": _text(line.reference),
            "reverses_id": line.reverses_id,
        }


def _text(text: str | None) -> str | None:
    """A text without half surrogates, which JSON in UTF-8 cannot hold."""
    return text if text is None or text.isascii() else text.encode("utf-8", "replace").decode()


def _dumps(value: Any) -> bytes:
    return orjson.dumps(value)
