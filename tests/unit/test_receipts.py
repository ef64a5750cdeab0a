"""A receipt proves what it says with nothing but the log's key, and any change of it is found."""

from __future__ import annotations

import base64
import json
import random
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from app.services.receipts import leaves, merkle, notes, proofs, verifier
from app.services.receipts.leaves import Canonical
from app.services.receipts.notes import Checkpoint
from app.services.receipts.verifier import InvalidReceipt

ROOT = Path(__file__).parents[2]
SIGNER = notes.new_signer("example.com/ledger")
KEY = str(SIGNER.verifier)
SECRET = b"s" * 32
SALT = b"w" * 32
ID = UUID("0190a000-0000-7000-8000-000000000000").bytes


def fields(*values: bytes | None) -> bytes:
    return b"".join(struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value for value in values)


def number(value: int, width: int = 8) -> bytes:
    return value.to_bytes(width, signed=True)


HEAD = fields(ID, b"TRANSFER", number(450), b"USD", ID, ID, number(1), number(2_500_000), None)
REQUEST = b"\x01" + fields(ID, b"coffee-1", None, None, None, None, None)
WORDS = b"\x00" + fields("Kaffee, groß".encode(), None, b'{"a": "b"}')
ENTRIES = [
    b"\x02" + fields(number(leg, 2), ID, number(1), number(amount), number(amount), number(2_500_000), b"PRINCIPAL")
    for leg, amount in enumerate((-450, 450))
]
TRANSACTION = Canonical(ID, HEAD, REQUEST, WORDS, ENTRIES)
OPENINGS = [
    *leaves.opened_words(TRANSACTION, SALT),
    leaves.opened_request(TRANSACTION, SECRET),
    *(leaves.opened_entry(TRANSACTION, SECRET, leg) for leg in (0, 1)),
]


def receipt(size: int, index: int, openings: Sequence[leaves.Opening] = ()) -> str:
    """The receipt of TRANSACTION as a leaf of a log of other leaves."""
    leaf = leaves.leaf(TRANSACTION, SECRET, SALT)
    hashes = [merkle.leaf_hash(b"%d" % n) for n in range(size)]
    hashes[index] = merkle.leaf_hash(leaf)
    tiles = merkle.extend({}, 0, hashes)
    path = [merkle.hash_of(range_, tiles) for range_ in merkle.inclusion(index, size)]
    note = notes.sign(Checkpoint(SIGNER.name, size, merkle.root_of(size, tiles)), SIGNER)
    return proofs.receipt(index, leaf, openings, path, note)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 255, 256, 257, 300])
def test_a_receipt_is_valid_at_each_place_of_a_log(size: int) -> None:
    for index in {0, 1, size // 2, size - 1} & set(range(size)):
        found = verifier.check(receipt(size, index), KEY)
        assert (found["index"], found["log_size"]) == (index, size)
        assert (found["type"], found["amount"], found["currency"], found["reverses"]) == ("TRANSFER", 450, "USD", None)
        assert found["completed_at"] == "2000-01-01T00:00:02.500000+00:00"
        assert found["entries"] == []


def test_a_receipt_says_what_it_opens_and_hides_the_rest() -> None:
    text = receipt(5, 3, OPENINGS)
    found = verifier.check(text, KEY)
    assert found["words"] == {"description": "Kaffee, groß", "reference": None, "metadata": '{"a": "b"}'}
    assert found["request"]["idempotency_key"] == "coffee-1"
    assert [(entry["leg"], entry["amount"]) for entry in found["entries"]] == [(0, -450), (1, 450)]
    closed = base64.b64decode(receipt(5, 3).splitlines()[1].removeprefix("extra "))
    leaf = base64.b64decode(json.loads(closed)["leaf"])
    assert b"Kaffee" not in leaf
    assert b"coffee-1" not in leaf
    assert b"PRINCIPAL" not in leaf


def test_any_change_of_a_receipt_is_found() -> None:
    text = receipt(300, 77, OPENINGS)
    original = verifier.check(text, KEY)
    chance = random.Random(3)
    # What base64 and JSON allow to be written in two ways says the same.
    for place in [*range(60), *chance.sample(range(60, len(text)), 1500)]:
        for letter in {"A", "0", "\n", chr(ord(text[place]) ^ 1)} - {text[place]}:
            changed = text[:place] + letter + text[place + 1 :]
            try:
                found = verifier.check(changed, KEY)
            except InvalidReceipt:
                continue
            assert found == original, f"{place}: {text[place]!r} became {letter!r}"


def test_a_receipt_of_another_log_or_key_is_refused() -> None:
    text = receipt(5, 3)
    other = notes.new_signer(SIGNER.name)
    with pytest.raises(InvalidReceipt, match="not signed with this key"):
        verifier.check(text, str(other.verifier))
    with pytest.raises(InvalidReceipt, match=r"is of example\.com/ledger"):
        verifier.check(text, str(notes.new_signer("example.com/other").verifier))
    with pytest.raises(InvalidReceipt, match="does not match its id"):
        verifier.check(text, KEY.replace("ledger", "another"))


def test_an_opening_cannot_be_taken_for_another() -> None:
    entry = leaves.opened_entry(TRANSACTION, SECRET, 0)
    for opening, reason in (
        (leaves.Opening("request", entry.salt, entry.data), "of another kind"),
        (leaves.Opening("entry", entry.salt, ENTRIES[1]), "not what was committed to"),
        (leaves.Opening("entry", entry.salt + entry.data[:1], entry.data[1:]), "not 32 bytes"),
        (leaves.Opening("entry", entry.salt[:-1], entry.salt[-1:] + entry.data), "not 32 bytes"),
    ):
        with pytest.raises(InvalidReceipt, match=reason):
            verifier.check(receipt(5, 3, [opening]), KEY)


def test_a_proof_has_exactly_as_many_hashes_as_its_size_needs() -> None:
    leaf = leaves.leaf(TRANSACTION, SECRET, SALT)
    tiles = merkle.extend({}, 0, [merkle.leaf_hash(leaf), *(merkle.leaf_hash(b"%d" % n) for n in range(3))])
    path = [merkle.hash_of(range_, tiles) for range_ in merkle.inclusion(0, 4)]
    for size, reason in ((8, "too short"), (2, "too long")):
        note = notes.sign(Checkpoint(SIGNER.name, size, merkle.root_of(4, tiles)), SIGNER)
        with pytest.raises(InvalidReceipt, match=reason):
            verifier.check(proofs.receipt(0, leaf, [], path, note), KEY)


@pytest.mark.parametrize(
    "text", ["", "x", "\n\n", "c2sp.org/tlog-proof@v1\n\n", "c2sp.org/tlog-proof@v1\nextra \nindex 0\n\n\n\n"]
)
def test_what_is_no_receipt_is_refused(text: str) -> None:
    with pytest.raises(InvalidReceipt):
        verifier.check(text, KEY)


def test_the_verifier_runs_alone(tmp_path: Path) -> None:
    script = tmp_path / "verifier.py"
    script.write_text(Path(verifier.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    file = tmp_path / "receipt.tlog-proof"
    file.write_text(receipt(9, 4, OPENINGS), encoding="utf-8")
    run = [sys.executable, str(script), str(file)]
    valid = subprocess.run([*run, KEY], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (valid.returncode, json.loads(valid.stdout)["amount"]) == (0, 450)
    file.write_text(receipt(9, 4).replace("index 4", "index 5"), encoding="utf-8")
    invalid = subprocess.run([*run, KEY], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (invalid.returncode, invalid.stderr) == (1, "NOT VALID: the proof does not lead to the checkpoint\n")


def test_the_examples_of_the_typescript_verifier_are_valid_here_too() -> None:
    examples = json.loads((ROOT / "frontend-demo/tests/receipts/examples.json").read_text(encoding="utf-8"))
    found = verifier.check(examples["receipt"], examples["key"])
    assert (found["index"], found["words"]["description"], len(found["entries"])) == (77, "Kaffee, groß", 2)
    assert verifier.check(examples["hidden"], examples["key"])["entries"] == []
