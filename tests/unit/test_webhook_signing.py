"""Signatures and stored secrets of webhooks, checked with other people's implementations."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from app.services.webhooks.sealing import CannotOpen, Seal
from app.services.webhooks.signing import SigningKeys, public_text, signed_headers

ROW, OTHER_ROW = UUID(int=1), UUID(int=2)
BODY = b'{"data":{"walletUpdated":{"cursor":"\xc3\xa9"}}}'


def now() -> int:
    return int(datetime.now(UTC).timestamp())


def verify_v1a(public: str, headers: dict[str, str], body: bytes) -> None:
    """As the specification says, by `cryptography` alone. Raises InvalidSignature if none of the signatures is right."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    for signature in headers["webhook-signature"].split():
        version, _, value = signature.partition(",")
        if version == "v1a":
            try:
                return key.verify(base64.b64decode(value), content)
            except InvalidSignature:
                continue
    raise InvalidSignature


def test_the_standardwebhooks_package_verifies_v1() -> None:
    keys = SigningKeys.generate()
    headers = signed_headers("msg_1", now(), BODY, [keys])
    assert Webhook(keys.shared).verify(BODY, headers) == {"data": {"walletUpdated": {"cursor": "é"}}}


@pytest.mark.parametrize("change", ["body", "id", "timestamp", "secret"])
def test_v1_fails_for_anything_else(change: str) -> None:
    keys = SigningKeys.generate()
    headers = signed_headers("msg_1", now(), BODY, [keys])
    body = BODY
    match change:
        case "body":
            body += b" "
        case "id":
            headers["webhook-id"] = "msg_2"
        case "timestamp":
            headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) - 1)
        case _:
            keys = SigningKeys.generate()
    with pytest.raises(WebhookVerificationError):
        Webhook(keys.shared).verify(body, headers)
    with pytest.raises(InvalidSignature):
        verify_v1a(public_text(SigningKeys.generate().public), headers, body)


def test_cryptography_verifies_v1a() -> None:
    keys = SigningKeys.generate()
    headers = signed_headers("msg_1", now(), BODY, [keys])
    verify_v1a(public_text(keys.public), headers, BODY)
    with pytest.raises(InvalidSignature):
        verify_v1a(public_text(keys.public), headers, BODY + b" ")


def test_while_keys_are_replaced_old_and_new_ones_verify() -> None:
    old, new = SigningKeys.generate(), SigningKeys.generate()
    headers = signed_headers("msg_1", now(), BODY, [new, old])
    for keys in (old, new):
        Webhook(keys.shared).verify(BODY, headers)
        verify_v1a(public_text(keys.public), headers, BODY)


def test_keys_are_packed_and_are_not_shown() -> None:
    keys = SigningKeys.generate()
    assert SigningKeys.unpack(keys.pack()) == keys
    assert repr(keys) == str(keys) == f"{keys}" == "SigningKeys(…)"


def test_a_sealed_secret_opens_with_its_key_and_for_its_row_only() -> None:
    sealed = Seal(["a" * 32]).seal(b"secret", ROW)
    assert b"secret" not in sealed
    assert Seal(["a" * 32]).open(sealed, ROW) == b"secret"
    assert sealed != Seal(["a" * 32]).seal(b"secret", ROW), "each has a nonce of its own"
    for seal, row, value in (
        (Seal(["b" * 32]), ROW, sealed),
        (Seal(["a" * 32]), OTHER_ROW, sealed),
        (Seal(["a" * 32]), ROW, sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (Seal(["a" * 32]), ROW, b""),
    ):
        with pytest.raises(CannotOpen):
            seal.open(value, row)


def test_the_sealing_key_is_replaced_without_losing_a_secret() -> None:
    before, during, after = Seal(["old" * 11]), Seal(["new" * 11, "old" * 11]), Seal(["new" * 11])
    assert during.open(before.seal(b"one", ROW), ROW) == b"one"
    assert after.open(during.seal(b"two", ROW), ROW) == b"two"


def test_the_timestamp_is_that_of_the_attempt() -> None:
    keys = SigningKeys.generate()
    old = int((datetime.now(UTC) - timedelta(minutes=6)).timestamp())
    with pytest.raises(WebhookVerificationError):
        Webhook(keys.shared).verify(BODY, signed_headers("msg_1", old, BODY, [keys]))
