"""JSON in which every name of an object is given once."""

from __future__ import annotations

import json
from typing import Any

import orjson

from app.errors import BadUserInput

MOST_MARKS = 65_536
"""Commas and opening brackets that a text may have outside its strings. A `transferBatch` of 500 has 6,000."""


def loads(text: str | bytes) -> Any:
    """The value of a JSON text (RFC 8259).

    Raises BadUserInput if an object has a name twice: parsers differ in which of the two values they take, and one of them
    may be an amount. Raises it for a text of very many values, too. Raises json.JSONDecodeError for anything that is not JSON:
    NaN, lone surrogates, invalid UTF-8.
    """
    # Each mark takes a byte, so that short texts need no count.
    if len(text) > MOST_MARKS:
        _check_marks(text.encode(errors="surrogatepass") if isinstance(text, str) else text)
    value = orjson.loads(text)
    # orjson does not report names that are given twice. This pass keeps nothing of what it reads.
    try:
        _NAMES.decode(text if isinstance(text, str) else text.decode())
    except RecursionError:
        message = "nested too deeply"
        raise json.JSONDecodeError(message, "", 0) from None
    return value


def _check_marks(text: bytes) -> None:
    """Small values cost hundreds of times what the same bytes cost as long strings."""
    if _marks(text) <= MOST_MARKS:
        return
    # Without escaped quotes every second part is outside a string. Enough parts are split off to see whether there are too many.
    parts = text.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"', 2 * MOST_MARKS)
    if _marks(b"".join(parts[::2])) > MOST_MARKS:
        raise BadUserInput(f"The JSON has more than {MOST_MARKS} commas and opening brackets.")


def _marks(text: bytes) -> int:
    return sum(map(text.count, (b",", b"[", b"{")))


def _check_names(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise BadUserInput("The JSON has an object in which a name is given twice.")


_NAMES = json.JSONDecoder(object_pairs_hook=_check_names)
