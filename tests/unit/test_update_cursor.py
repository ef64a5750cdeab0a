"""The cursor of walletUpdated: each position of a wallet has one valid text, and everything else is refused."""

from __future__ import annotations

import base64
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadUserInput
from app.paging.update_cursor import decode_update_cursor, encode_update_cursor

WALLET = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
CURSOR = encode_update_cursor(WALLET, 62)


@given(st.uuids(), st.integers(0, 2**63 - 1))
def test_decoding_a_cursor_returns_its_sequence(wallet_id, sequence):
    assert decode_update_cursor(encode_update_cursor(wallet_id, sequence), wallet_id) == sequence


@given(st.text())
def test_random_text_is_refused(text):
    with pytest.raises(BadUserInput):
        decode_update_cursor(text, WALLET)


@given(st.integers(0, len(CURSOR) - 1), st.characters(codec="ascii"))
def test_a_cursor_with_one_character_changed_is_refused(position, character):
    changed = CURSOR[:position] + character + CURSOR[position + 1 :]
    if changed != CURSOR:
        with pytest.raises(BadUserInput):
            decode_update_cursor(changed, WALLET)


@pytest.mark.parametrize(
    "text",
    [
        "",
        CURSOR + "=",
        CURSOR + "\n",
        " " + CURSOR,
        CURSOR[:-1],
        CURSOR * 1000,
        CURSOR[:-1] + "é",
        CURSOR[:-1] + "\ud800",
        CURSOR[:-1] + "\x00",
        base64.urlsafe_b64encode(b"\x02" + base64.urlsafe_b64decode(CURSOR)[1:]).decode(),
        # A negative sequence.
        base64.urlsafe_b64encode(b"\x01" + b"\xff" * 8 + WALLET.bytes + b"\x00\x00").decode(),
    ],
)
def test_a_malformed_cursor_is_refused(text):
    with pytest.raises(BadUserInput):
        decode_update_cursor(text, WALLET)


def test_the_cursor_of_another_wallet_is_refused():
    with pytest.raises(BadUserInput):
        decode_update_cursor(CURSOR, uuid4())


def test_a_cursor_in_standard_base64_is_refused():
    wallet_id = UUID(int=2**128 - 1)
    cursor = encode_update_cursor(wallet_id, 2**63 - 1)
    assert "_" in cursor
    with pytest.raises(BadUserInput):
        decode_update_cursor(cursor.replace("_", "/"), wallet_id)
