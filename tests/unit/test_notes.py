"""Checkpoints are signed notes that others can read: keys, signatures, cosignatures, and what is refused."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.services.receipts import notes
from app.services.receipts.notes import Checkpoint, InvalidNote

# The example of Go's golang.org/x/mod/sumdb/note, with which these formats began.
GO_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GO_VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
# A checkpoint and a cosignature from c2sp.org/tlog-cosignature.
C2SP = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""
SIGNER = notes.parse_signer(GO_SIGNER)
CHECKPOINT = Checkpoint(SIGNER.name, 7, bytes(32))
NOTE = notes.sign(CHECKPOINT, SIGNER)


def test_keys_are_those_of_other_programs() -> None:
    assert str(SIGNER.verifier) == GO_VERIFIER
    assert SIGNER.encode() == GO_SIGNER
    assert str(notes.parse_verifier(GO_VERIFIER)) == GO_VERIFIER
    fresh = notes.new_signer("example.com/ledger")
    assert notes.parse_signer(fresh.encode()).encode() == fresh.encode()


def test_a_note_of_others_is_read() -> None:
    checkpoint, (own, witness) = notes.parse(C2SP)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.body + "\n" + own.line + witness.line == C2SP
    assert (witness.name, witness.key_id.hex()) == ("witness.example.com/w1", "8d66cf3f")


def test_the_signature_is_over_the_text_as_the_specification_says() -> None:
    _, (signature,) = notes.parse(NOTE)
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(GO_VERIFIER.split("+", 2)[2])[1:])
    public.verify(signature.value, f"PeterNeumann\n7\n{base64.b64encode(bytes(32)).decode()}\n".encode())
    assert notes.verify(NOTE, SIGNER.verifier) == CHECKPOINT


def test_a_witness_signs_with_a_time() -> None:
    witness = notes.new_signer("witness.example")
    signature = notes.cosign(CHECKPOINT, witness, 1_679_315_147)
    key = notes.VerifierKey(witness.name, witness.key.public_key(), is_witness=True)
    assert notes.parse_verifier(str(key)) == key
    assert notes.is_signed_by(CHECKPOINT, signature, key)
    assert not notes.is_signed_by(CHECKPOINT, signature, SIGNER.verifier)
    assert notes.verify(NOTE + signature.line, SIGNER.verifier) == CHECKPOINT
    later = notes.Signature(signature.name, signature.key_id, signature.value[:7] + b"\xff" + signature.value[8:])
    with pytest.raises(InvalidNote, match="wrong"):
        notes.is_signed_by(CHECKPOINT, later, key)
    with pytest.raises(InvalidNote, match="wrong"):
        notes.is_signed_by(Checkpoint(SIGNER.name, 8, bytes(32)), signature, key)


@pytest.mark.parametrize(
    ("note", "match"),
    [
        (NOTE.replace("\n7\n", "\n8\n"), "wrong"),
        (NOTE.replace("PeterNeumann\n7", "Someone\n7"), "is of Someone"),
        (NOTE.replace("\n7\n", "\n07\n"), "not a number"),
        (NOTE.replace("\n7\n", "\n-7\n"), "not a number"),
        (NOTE.replace("\n7\n", "\n²\n"), "not a number"),
        (NOTE.replace("AAA=", "AAB="), "not base64 as it is written"),
        (NOTE.replace("\n\n", "\nan extension\n\n"), "three lines"),
        (NOTE[:-1], "cut off"),
        (NOTE.split("\n\n", maxsplit=1)[0], "not a signed note"),
        (NOTE.replace("\n7\n", "\n7\r\n"), "not a signed note"),
        (NOTE.replace("— PeterNeumann", "- PeterNeumann"), "not a signature"),
        (NOTE.replace("— PeterNeumann", "— Another"), "not signed by"),
        (NOTE + "— x AAAAAAA=\n" * 64, "too many"),
        ("", "not a signed note"),
    ],
)
def test_a_note_that_was_changed_is_refused(note: str, match: str) -> None:
    with pytest.raises(InvalidNote, match=match):
        notes.verify(note, SIGNER.verifier)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "PeterNeumann",
        GO_VERIFIER.replace("c74f20a3", "c74f20a4"),
        GO_VERIFIER.replace("c74f20a3", "zz"),
        GO_VERIFIER[:-4],
        GO_VERIFIER.replace("Peter", "Peter "),
        GO_SIGNER,
    ],
)
def test_a_damaged_key_is_refused_and_not_quoted(key: str) -> None:
    with pytest.raises(InvalidNote) as refused:
        notes.parse_verifier(key)
    with pytest.raises(InvalidNote) as refused_too:
        notes.parse_signer(GO_SIGNER.replace("c74f20a3", "c74f20a4"))
    assert "AYEKFALV" not in f"{refused.value}{refused_too.value}"


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b"])
def test_a_name_that_no_key_can_have_is_refused(name: str) -> None:
    with pytest.raises(InvalidNote):
        notes.new_signer(name)
