"""Signatures of Standard Webhooks (standardwebhooks.com): `v1` by a shared secret, `v1a` by an Ed25519 key.

Each message has both, so a receiver verifies the one that it prefers. While a secret is being replaced, the message is signed
by the old keys too: it then has four signatures, separated by spaces, and one that verifies is enough.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import NamedTuple, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix, not a secret
PUBLIC_PREFIX = "whpk_"
_SECRET_BYTES = 32
_SEED_BYTES = 32


class SigningKeys(NamedTuple):
    """What signs an endpoint's messages. Never logged: the representation hides it."""

    secret: bytes
    seed: bytes
    """The Ed25519 private key."""

    @classmethod
    def generate(cls) -> Self:
        return cls(secrets.token_bytes(_SECRET_BYTES), secrets.token_bytes(_SEED_BYTES))

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """The keys from what `pack` returned."""
        assert len(packed) == _SECRET_BYTES + _SEED_BYTES
        return cls(packed[:_SECRET_BYTES], packed[_SECRET_BYTES:])

    def pack(self) -> bytes:
        return self.secret + self.seed

    @property
    def shared(self) -> str:
        """The secret as receivers get it, once."""
        return SECRET_PREFIX + base64.b64encode(self.secret).decode()

    @property
    def public(self) -> bytes:
        """The Ed25519 public key, 32 bytes."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return "SigningKeys(…)"


def public_text(key: bytes) -> str:
    """A public key as receivers get it."""
    return PUBLIC_PREFIX + base64.b64encode(key).decode()


def signed_headers(message_id: str, timestamp: int, body: bytes, keys: Sequence[SigningKeys]) -> dict[str, str]:
    """The headers of a message. `timestamp` is in Unix seconds: receivers refuse one that is far from their clock."""
    # Else two messages could have one signed text.
    assert "." not in message_id
    content = b".".join((message_id.encode(), str(timestamp).encode(), body))
    signatures = [text for one in keys for text in (_v1(one.secret, content), _v1a(one.seed, content))]
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": " ".join(signatures)}


def _v1(secret: bytes, content: bytes) -> str:
    return "v1," + base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()


def _v1a(seed: bytes, content: bytes) -> str:
    return "v1a," + base64.b64encode(Ed25519PrivateKey.from_private_bytes(seed).sign(content)).decode()
