"""Checks a receipt of Paycore offline. This file needs nothing else of Paycore: copy it. It needs the package `cryptography`.

    python verifier.py receipt.tlog-proof "example.com/ledger+1a2b3c4d+AbCd…"

A receipt is a c2sp.org/tlog-proof@v1. Its extra line is JSON: the leaf, and what the holder may know of its commitments.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HEAD = ("id", "type", "amount", "currency", "sender", "receiver", "created_at", "completed_at", "reverses")
OPENED = {
    "words": ("description", "reference", "metadata"),
    "request": ("initiator", "idempotency_key", "fee", "fee_schedule", "hold", "quote", "terms"),
    "entry": ("leg", "wallet", "sequence", "amount", "balance_after", "created_at", "purpose"),
}
UUIDS = {"id", "sender", "receiver", "reverses", "initiator", "fee_schedule", "hold", "quote", "wallet"}
INTEGERS = {"amount", "fee", "leg", "sequence", "balance_after"}
SALT_BYTES = 32
YEAR_2000 = datetime(2000, 1, 1, tzinfo=UTC)


class InvalidReceipt(ValueError):
    """The receipt proves nothing."""


def check(receipt: str, key: str) -> dict[str, Any]:
    """Return the transaction that a receipt proves, as far as the receipt opens it. Raises InvalidReceipt."""
    try:
        return _check(receipt, key)
    except InvalidReceipt:
        raise
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, struct.error, OverflowError, RecursionError) as error:
        raise InvalidReceipt(f"the receipt is malformed: {type(error).__name__}") from None


def _check(receipt: str, key: str) -> dict[str, Any]:
    proof, _, note = receipt.partition("\n\n")
    version, extra, index, *path = proof.split("\n")
    _must(version == "c2sp.org/tlog-proof@v1" and extra.startswith("extra ") and index.startswith("index "), "not a receipt")
    size, root = _checkpoint(note, key)
    content = json.loads(base64.b64decode(extra.removeprefix("extra "), validate=True))
    leaf = base64.b64decode(content["leaf"], validate=True)
    place = int(index.removeprefix("index "))
    hashes = [base64.b64decode(line, validate=True) for line in path]
    _must(_root(sha256(b"\x00" + leaf).digest(), place, size, hashes) == root, "the proof does not lead to the checkpoint")
    return {"index": place, "log_size": size, **_transaction(leaf, content["openings"])}


def _checkpoint(note: str, key: str) -> tuple[int, bytes]:
    """The size and the root of a checkpoint that the key has signed."""
    name, key_id, encoded = key.split("+", 2)
    public = base64.b64decode(encoded, validate=True)
    _must(public[:1] == b"\x01", "the key is not a log's")
    _must(sha256(f"{name}\n".encode() + public).digest()[:4].hex() == key_id, "the key does not match its id")
    body, _, lines = note.rpartition("\n\n")
    origin, size, root = body.split("\n")
    _must(origin == name, f"the checkpoint is of {origin}, not of {name}")
    for line in lines.splitlines():
        dash, signer, value = line.split(" ")
        signature = base64.b64decode(value, validate=True)
        if (dash, signer, signature[:4].hex()) == ("—", name, key_id):
            try:
                Ed25519PublicKey.from_public_bytes(public[1:]).verify(signature[4:], f"{body}\n".encode())
            except InvalidSignature:
                raise InvalidReceipt("the signature of the checkpoint is wrong") from None
            return int(size), base64.b64decode(root, validate=True)
    raise InvalidReceipt("the checkpoint is not signed with this key")


def _root(hash_: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that follows from a leaf's hash and its path (RFC 9162, 2.1.3.2)."""
    _must(0 <= index < size, "the log has no such leaf")
    node, last = index, size - 1
    for sibling in path:
        _must(last > 0 and len(sibling) == len(hash_), "the proof is too long")
        if node % 2 or node == last:
            hash_ = sha256(b"\x01" + sibling + hash_).digest()
            while node % 2 == 0 and node:
                node, last = node // 2, last // 2
        else:
            hash_ = sha256(b"\x01" + hash_ + sibling).digest()
        node, last = node // 2, last // 2
    _must(last == 0, "the proof is too short")
    return hash_


def _transaction(leaf: bytes, openings: list[dict[str, str]]) -> dict[str, Any]:
    """What a leaf says, and what the openings say of its commitments."""
    _must(leaf[:1] == b"\x01", "a leaf of an unknown version")
    fields = _fields(leaf[1:])
    committed = fields[len(HEAD) :]
    found: dict[str, Any] = {**_named(HEAD, fields[: len(HEAD)]), "entries": []}
    for opening in openings:
        salt, data = (base64.b64decode(opening[name], validate=True) for name in ("salt", "bytes"))
        _must(len(salt) == SALT_BYTES, "a salt is not 32 bytes long")
        _must(sha256(salt + data).digest() in committed, f"what is said of its {opening['of']} is not what was committed to")
        _must(data[0] == list(OPENED).index(opening["of"]), "an opening is of another kind than it says")
        content = _named(OPENED[opening["of"]], _fields(data[1:]))
        if opening["of"] == "entry":
            found["entries"].append(content)
        else:
            found[opening["of"]] = content
    return found


def _fields(data: bytes) -> list[bytes | None]:
    """Split into fields: each has its length in four bytes before it. A length of -1: there is no value."""
    found: list[bytes | None] = []
    while data:
        (length,) = struct.unpack(">i", data[:4])
        _must(-1 <= length <= len(data) - 4, "a field is cut off")
        found.append(None if length < 0 else data[4 : 4 + length])
        data = data[4 + max(length, 0) :]
    return found


def _named(names: tuple[str, ...], fields: list[bytes | None]) -> dict[str, Any]:
    return {name: None if raw is None else _value(name, raw) for name, raw in zip(names, fields, strict=True)}


def _value(name: str, raw: bytes) -> Any:
    if name in UUIDS:
        return str(UUID(bytes=raw))
    if name in INTEGERS:
        return int.from_bytes(raw, signed=True)
    if name.endswith("_at"):
        # Microseconds, as PostgreSQL stores times.
        return (YEAR_2000 + timedelta(microseconds=int.from_bytes(raw, signed=True))).isoformat()
    return raw.decode()


def _must(holds: object, otherwise: str) -> None:
    if not holds:
        raise InvalidReceipt(otherwise)


if __name__ == "__main__":
    try:
        proved = check(Path(sys.argv[1]).read_text(encoding="utf-8"), sys.argv[2])
        sys.stdout.write(json.dumps(proved, indent=2, ensure_ascii=False) + "\n")
    except InvalidReceipt as error:
        sys.exit(f"NOT VALID: {error}")
