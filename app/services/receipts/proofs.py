"""Receipts as text: c2sp.org/tlog-proof@v1, with the leaf and its openings in the extra line. Pure."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import orjson

from app.services.receipts.leaves import Opening

_VERSION = "c2sp.org/tlog-proof@v1"


def receipt(index: int, leaf: bytes, openings: Sequence[Opening], path: Sequence[bytes], checkpoint: str) -> str:
    """The text of a receipt. `path` leads from the leaf's sibling to the root of the signed checkpoint."""
    extra = orjson.dumps({"leaf": base64.b64encode(leaf).decode(), "openings": [opening.as_json() for opening in openings]})
    hashes = "".join(f"{base64.b64encode(hash_).decode()}\n" for hash_ in path)
    return f"{_VERSION}\nextra {base64.b64encode(extra).decode()}\nindex {index}\n{hashes}\n{checkpoint}"
