"""Page cursors: a list accepts its own cursors and refuses everything else."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadUserInput
from app.paging.cursors import decode_cursor, encode_cursor

MOST = 2**128 - 1
SCOPE = "entries of 01890a5d-ac96-774b-bcce-b302099a8057"
CURSOR = encode_cursor(SCOPE, 7)


@given(scope=st.text(st.characters(codec="utf-8")), position=st.integers(0, MOST))
def test_decoding_a_cursor_returns_its_position(scope: str, position: int) -> None:
    assert decode_cursor(encode_cursor(scope, position), scope, highest=MOST) == position


@given(st.binary(max_size=40) | st.binary(min_size=25, max_size=25))
def test_random_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(BadUserInput):
        decode_cursor(base64.urlsafe_b64encode(raw).rstrip(b"=").decode(), SCOPE, highest=MOST)


@given(st.text(st.characters(), max_size=40) | st.text(st.characters(), min_size=34, max_size=34))
def test_random_text_is_refused(text: str) -> None:
    with pytest.raises(BadUserInput):
        decode_cursor(text, SCOPE, highest=MOST)


@pytest.mark.parametrize(
    "text",
    [
        "", "A", CURSOR + "=", CURSOR + "==", CURSOR + "\n", " " + CURSOR, CURSOR[:-1], CURSOR + "A", CURSOR.swapcase(),
        "\ud800" * 34, "ä" * 34, "٣" * 34, "A" * 34, "A" * 1_000_000, CURSOR.replace("_", "/").replace("-", "+") + "=",
    ],
)  # fmt: skip
def test_a_cursor_has_only_one_valid_text(text: str) -> None:
    with pytest.raises(BadUserInput):
        decode_cursor(text, SCOPE, highest=MOST)


@pytest.mark.parametrize("index", range(len(CURSOR)))
def test_a_cursor_with_a_changed_character_is_refused_unless_only_the_position_changed(index: int) -> None:
    """Changed bits of the position give another position of the same list. No other bit may change."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    position_start = 12
    for character in alphabet:
        changed = CURSOR[:index] + character + CURSOR[index + 1 :]
        if changed == CURSOR:
            continue
        try:
            found = decode_cursor(changed, SCOPE, highest=MOST)
        except BadUserInput:
            continue
        assert index >= position_start
        assert encode_cursor(SCOPE, found) == changed


def test_a_position_that_the_list_cannot_have_is_refused() -> None:
    cursor = encode_cursor(SCOPE, 2**63)
    with pytest.raises(BadUserInput):
        decode_cursor(cursor, SCOPE, highest=2**63 - 1)
    assert decode_cursor(cursor, SCOPE, highest=2**63) == 2**63


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(BadUserInput):
        decode_cursor(CURSOR, "entries of 01890a5d-ac96-774b-bcce-b302099a8058", highest=MOST)
