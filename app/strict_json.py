"""JSON in which every name of an object is given once."""

from __future__ import annotations

import json
from typing import Any

import orjson

from app.errors import BadUserInput


def loads(text: str | bytes) -> Any:
    """The value of a JSON text (RFC 8259).

    Raises BadUserInput if an object has a name twice: parsers differ in which of the two values they take, and one of them
    may be an amount. Raises json.JSONDecodeError for anything that is not JSON: NaN, lone surrogates, invalid UTF-8.
    """
    value = orjson.loads(text)
    # orjson does not report names that are given twice. This pass keeps nothing of what it reads.
    try:
        _NAMES.decode(text if isinstance(text, str) else text.decode())
    except RecursionError:
        message = "nested too deeply"
        raise json.JSONDecodeError(message, "", 0) from None
    return value


def _check_names(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise BadUserInput("The JSON has an object in which a name is given twice.")


_NAMES = json.JSONDecoder(object_pairs_hook=_check_names)
