"""A JSON parser that refuses duplicate names in an object."""

from __future__ import annotations

import json
from typing import Any

import orjson

from app.errors import BadUserInput

MAX_MARKS = 65_536
"""Most commas and opening brackets in a text, outside its strings. A `transferBatch` of 500 has 6,000."""


def loads(text: str | bytes) -> Any:
    """Parse a JSON text (RFC 8259).

    Raises BadUserInput if an object has a name twice: parsers differ in which of the two values they take, and one of them
    may be an amount. Also raises it for a text with too many values. Raises json.JSONDecodeError for anything that is not
    JSON: NaN, lone surrogates, invalid UTF-8.
    """
    # Each mark takes a byte, so short texts need no count.
    if len(text) > MAX_MARKS:
        _check_marks(text.encode(errors="surrogatepass") if isinstance(text, str) else text)
    value = orjson.loads(text)
    # orjson does not report duplicate names. This second pass keeps nothing of what it reads.
    try:
        _NAMES.decode(text if isinstance(text, str) else text.decode())
    except RecursionError:
        message = "nested too deeply"
        raise json.JSONDecodeError(message, "", 0) from None
    return value


def _check_marks(text: bytes) -> None:
    """Limit the number of values: many small ones take hundreds of times the memory of one string of the same length."""
    if _marks(text) <= MAX_MARKS:
        return
    # Once escaped quotes are removed, every second part is outside a string. This splits only as often as the limit needs.
    parts = text.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"', 2 * MAX_MARKS)
    if _marks(b"".join(parts[::2])) > MAX_MARKS:
        raise BadUserInput(f"The JSON has more than {MAX_MARKS} commas and opening brackets.")


def _marks(text: bytes) -> int:
    return sum(map(text.count, (b",", b"[", b"{")))


def _check_names(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise BadUserInput("The JSON has an object with the same name twice.")


_NAMES = json.JSONDecoder(object_pairs_hook=_check_names)
