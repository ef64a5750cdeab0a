"""Checkpoints as C2SP signed notes: the log's signature (Ed25519), and cosignatures of witnesses. Pure.

Formats: c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-cosignature (v1).
"""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_LOG, _WITNESS = 1, 4
"""Types of signatures, in key ids and encoded keys."""
_ID_BYTES, _TIME_BYTES = 4, 8
_MAX_SIGNATURES = 64
_MAX_NOTE = 65_536
_PRIVATE = "PRIVATE+KEY+"


class InvalidNote(ValueError):
    """A key or a note that is malformed, or whose signature is wrong."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name. A witness's signatures carry a time."""

    name: str
    key: Ed25519PublicKey
    is_witness: bool = False

    @property
    def id(self) -> bytes:
        """What signatures name beside the key's name."""
        kind = bytes([_WITNESS if self.is_witness else _LOG])
        return sha256(self.name.encode() + b"\n" + kind + self.key.public_bytes_raw()).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        kind = bytes([_WITNESS if self.is_witness else _LOG])
        return f"{self.name}+{self.id.hex()}+{_base64(kind + self.key.public_bytes_raw())}"


@dataclass(frozen=True, slots=True)
class SignerKey:
    """A private key with its name."""

    name: str
    key: Ed25519PrivateKey

    @property
    def verifier(self) -> VerifierKey:
        """The public key."""
        return VerifierKey(self.name, self.key.public_key())

    def encode(self) -> str:
        """The text form, which `parse_signer` reads."""
        return f"{_PRIVATE}{self.name}+{self.verifier.id.hex()}+{_base64(bytes([_LOG]) + self.key.private_bytes_raw())}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: its origin, its number of leaves, and their root."""

    origin: str
    size: int
    root: bytes

    @property
    def body(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature line: the key's name and id, and what follows them."""

    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> str:
        """As it stands in a note."""
        return f"— {self.name} {_base64(self.key_id + self.value)}\n"


def new_signer(name: str) -> SignerKey:
    """Make a key. Raises InvalidNote if the name cannot be a key's."""
    return SignerKey(_checked_name(name), Ed25519PrivateKey.generate())


def parse_signer(text: str) -> SignerKey:
    """Read a private key. Raises InvalidNote, which does not quote it."""
    if not text.startswith(_PRIVATE):
        raise InvalidNote("a signing key begins with PRIVATE+KEY+")
    name, key_id, kind, material = _parse_key(text.removeprefix(_PRIVATE))
    signer = SignerKey(name, Ed25519PrivateKey.from_private_bytes(material))
    if kind != _LOG or signer.verifier.id != key_id:
        raise InvalidNote("the signing key is damaged")
    return signer


def parse_verifier(text: str) -> VerifierKey:
    """Read a public key, of a log or of a witness. Raises InvalidNote."""
    name, key_id, kind, material = _parse_key(text)
    if kind not in (_LOG, _WITNESS):
        raise InvalidNote("the key is of an unknown type")
    try:
        key = VerifierKey(name, Ed25519PublicKey.from_public_bytes(material), kind == _WITNESS)
    except ValueError:
        raise InvalidNote("the key is not one of Ed25519") from None
    if key.id != key_id:
        raise InvalidNote("the key does not match its id")
    return key


def sign(checkpoint: Checkpoint, signer: SignerKey) -> str:
    """Return the signed note of a checkpoint."""
    signature = Signature(signer.name, signer.verifier.id, signer.key.sign(checkpoint.body.encode()))
    return f"{checkpoint.body}\n{signature.line}"


def cosign(checkpoint: Checkpoint, signer: SignerKey, unix_seconds: int) -> Signature:
    """Return a witness's signature: at this time, this was the largest consistent head that it had seen."""
    witness = VerifierKey(signer.name, signer.key.public_key(), is_witness=True)
    signed = signer.key.sign(_cosigned(checkpoint, unix_seconds))
    return Signature(signer.name, witness.id, struct.pack(">Q", unix_seconds) + signed)


def parse(note: str) -> tuple[Checkpoint, list[Signature]]:
    """Read a checkpoint without looking at its signatures. Raises InvalidNote."""
    body, blank, lines = note.rpartition("\n\n")
    if not blank or len(note) > _MAX_NOTE or any(ord(letter) < ord(" ") and letter != "\n" for letter in note):
        raise InvalidNote("not a signed note")
    origin, _, rest = body.partition("\n")
    size, _, root = rest.partition("\n")
    root = root.partition("\n")[0]
    if not size.isascii() or not size.isdigit() or str(int(size[:20])) != size:
        raise InvalidNote("the size of the checkpoint is not a number")
    checkpoint = Checkpoint(_checked_name(origin), int(size), _decoded(root))
    if len(checkpoint.root) != sha256().digest_size or checkpoint.body != f"{body}\n":
        raise InvalidNote("not a checkpoint of three lines")
    if not lines.endswith("\n") or lines.count("\n") > _MAX_SIGNATURES:
        raise InvalidNote("the signatures are cut off, or too many")
    return checkpoint, [_parse_signature(line) for line in lines.splitlines()]


def verify(note: str, key: VerifierKey) -> Checkpoint:
    """Return the checkpoint of a note that the key has signed, and whose origin is the key's name. Raises InvalidNote."""
    checkpoint, signatures = parse(note)
    if checkpoint.origin != key.name:
        raise InvalidNote(f"the checkpoint is of {checkpoint.origin}, not of {key.name}")
    # Each is looked at: a wrong signature of this key makes the note invalid, also beside a right one.
    signed = [is_signed_by(checkpoint, signature, key) for signature in signatures]
    if not any(signed):
        raise InvalidNote(f"the checkpoint is not signed by {key.name}")
    return checkpoint


def is_signed_by(checkpoint: Checkpoint, signature: Signature, key: VerifierKey) -> bool:
    """Whether a signature is this key's. False if it is another key's. Raises InvalidNote if it is this key's and wrong."""
    if (signature.name, signature.key_id) != (key.name, key.id):
        return False
    signed, value = checkpoint.body.encode(), signature.value
    if key.is_witness:
        if len(value) < _TIME_BYTES:
            raise InvalidNote("a cosignature without its time")
        (unix_seconds,) = struct.unpack(">Q", value[:_TIME_BYTES])
        signed, value = _cosigned(checkpoint, unix_seconds), value[_TIME_BYTES:]
    try:
        key.key.verify(value, signed)
    except InvalidSignature:
        raise InvalidNote(f"the signature of {key.name} is wrong") from None
    return True


def _cosigned(checkpoint: Checkpoint, unix_seconds: int) -> bytes:
    return f"cosignature/v1\ntime {unix_seconds}\n{checkpoint.body}".encode()


def _parse_signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, value = rest.partition(" ")
    raw = _decoded(value)
    if dash != "—" or len(raw) <= _ID_BYTES:
        raise InvalidNote("a line is not a signature")
    return Signature(_checked_name(name), raw[:_ID_BYTES], raw[_ID_BYTES:])


def _parse_key(text: str) -> tuple[str, bytes, int, bytes]:
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise InvalidNote("a key has the form name+id+key")
    name, key_id, encoded = parts
    raw = _decoded(encoded)
    try:
        decoded_id = bytes.fromhex(key_id)
    except ValueError:
        raise InvalidNote("the id of the key is not hexadecimal") from None
    if len(raw) != 1 + 32:
        raise InvalidNote("the key does not have 32 bytes")
    return _checked_name(name), decoded_id, raw[0], raw[1:]


def _checked_name(name: str) -> str:
    if not name or "+" in name or any(letter.isspace() or ord(letter) < ord(" ") for letter in name):
        raise InvalidNote("a name is empty, or has a space or a plus sign")
    return name


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decoded(text: str) -> bytes:
    """Raises InvalidNote unless it is exactly what encoding would write."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidNote("not base64") from None
    if _base64(raw) != text:
        raise InvalidNote("not base64 as it is written")
    return raw
