"""Ids: UUIDv7 of a given time, TypeIDs in the API, and entries' ids that derive from their transaction's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import ids
from app.clock import unix_milliseconds

MOMENT = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)


def test_an_id_holds_the_millisecond_of_the_given_time() -> None:
    made = ids.new_id(MOMENT)
    assert made.version == 7
    assert made.variant == "specified in RFC 4122"
    assert made.int >> 80 == unix_milliseconds(MOMENT)


def test_ids_sort_by_time_and_differ_within_a_millisecond() -> None:
    earlier = {ids.new_id(MOMENT) for _ in range(2000)}
    later = ids.new_id(MOMENT + timedelta(milliseconds=1))
    assert len(earlier) == 2000
    assert max(earlier) < later
    assert ids.id_floor(MOMENT) <= min(earlier)


def test_an_entrys_id_gives_its_transaction_and_leg() -> None:
    transaction = ids.new_transaction_id(MOMENT)
    assert transaction.version == 7
    entry = ids.entry_id(transaction, 1)
    assert entry != transaction
    assert ids.split_entry_id(entry) == (transaction, 1)


@given(st.uuids())
def test_decoding_a_public_id_with_its_prefix_returns_the_uuid(value: UUID) -> None:
    text = ids.encode("wal", value)
    assert text.startswith("wal_")
    assert ids.decode("wal", text) == value
    assert ids.decode("txn", text) is None


@given(st.text(max_size=40))
def test_decoding_random_text_returns_none_or_a_matching_prefix(text: str) -> None:
    decoded = ids.decode_any(text)
    assert decoded is None or f"{decoded[0]}_" == text[: len(decoded[0]) + 1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "wal_",
        "WAL_01h455vb4pex5vsknk084sn02q",
        "wal_01H455VB4PEX5VSKNK084SN02Q",
        "wal_8zzzzzzzzzzzzzzzzzzzzzzzzz",
        "wal_\ud800" + "0" * 25,
    ],
)
def test_an_id_has_only_one_valid_text(text: str) -> None:
    assert ids.decode_any(text) is None


def test_transaction_ids_made_together_rise_and_leave_room_for_legs() -> None:
    made = ids.new_transaction_ids(MOMENT, 500)
    assert made == sorted(set(made))
    assert len(made) == 500
    for one in made:
        assert (one.version, one.variant) == (7, "specified in RFC 4122")
        assert one.int >> 80 == unix_milliseconds(MOMENT)
        assert one.int & (ids.MAX_LEGS - 1) == 0
