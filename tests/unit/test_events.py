"""What is written into the outbox comes out at the subscriber unchanged."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app import events, ids
from app.records import Entry

BIGINTS = st.integers(-(2**63), 2**63 - 1)
MOMENTS = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
NOW = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)


def entry(**changes: object) -> Entry:
    values = {
        "transaction_id": ids.new_transaction_id(NOW),
        "leg": 0,
        "wallet_id": uuid4(),
        "sequence": 7,
        "amount": -5,
        "balance_after": 7,
        "created_at": NOW,
    }
    return Entry(**{**values, **changes})  # type: ignore[arg-type]


@given(BIGINTS, BIGINTS, st.integers(1, 2**63 - 1), MOMENTS)
def test_an_entry_survives_the_way_exactly(before, after, sequence, created_at):
    written = entry(amount=after - before, balance_after=after, sequence=sequence, created_at=created_at)
    assume(-(2**63) <= written.amount < 2**63)
    payload = events.settled_payload(written.transaction_id, [], [written])
    (channel, message), _ = events.messages(payload, NOW)
    assert channel == events.wallet_channel(written.wallet_id)
    assert events.parse(message) == events.EntryEvent(written)


def test_a_settled_transaction_is_told_to_each_wallet_then_to_each_user_once_then_to_administrators():
    alice, bob = uuid4(), uuid4()
    transaction_id = ids.new_transaction_id(NOW)
    legs = [entry(transaction_id=transaction_id, leg=leg) for leg in range(2)]
    messages = events.messages(events.settled_payload(transaction_id, [alice, bob, alice], legs), NOW)
    assert [channel for channel, _ in messages] == [
        *(events.wallet_channel(leg.wallet_id) for leg in legs),
        events.user_channel(alice),
        events.user_channel(bob),
        events.SETTLED_CHANNEL,
    ]
    assert {events.parse(message) for _, message in messages[2:]} == {events.SettledEvent(transaction_id, NOW)}


def test_nobody_but_the_wallet_itself_is_told_a_balance():
    written = entry(balance_after=987654316)
    messages = events.messages(events.settled_payload(written.transaction_id, [uuid4()], [written]), NOW)
    assert [channel for channel, message in messages if "987654" in message] == [events.wallet_channel(written.wallet_id)]


def test_a_change_of_state_is_told_to_the_wallet():
    wallet_id = uuid4()
    ((channel, message),) = events.messages(events.wallet_state_payload(wallet_id, 3), NOW)
    assert channel == events.wallet_channel(wallet_id)
    assert events.parse(message) == events.WalletStateEvent(wallet_id, 3)


def test_ids_as_the_database_driver_returns_them_are_written_like_any_other():
    wallet_id = uuid4()
    driver_id = asyncpg.pgproto.pgproto.UUID(str(wallet_id))
    assert type(driver_id) is not UUID
    assert events.wallet_state_payload(driver_id, 1) == events.wallet_state_payload(wallet_id, 1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        "{}",
        '{"v":1}',
        '{"v":2,"kind":"settled"}',
        '{"v":1,"kind":"unheard-of"}',
        '{"v":1,"kind":"settled"}',
        '{"v":1,"kind":"settled","transaction_id":"x","owner_ids":null,"entries":[]}',
        '{"v":1,"kind":"settled","transaction_id":"x","owner_ids":[],"entries":[5]}',
        '{"v":1,"kind":"wallet_state"}',
    ],
)
def test_what_cannot_be_read_is_said_to_be_malformed(text):
    with pytest.raises(events.MalformedEvent):
        events.messages(text, NOW)
    with pytest.raises(events.MalformedEvent):
        events.parse(text)


@pytest.mark.parametrize("row", ["null", "[]", "[1,2,3,4,5,6,7]", '["x",0,1,1,1,1,"2026-01-01"]', '{"a":1}'])
def test_a_malformed_entry_is_said_to_be_malformed(row):
    with pytest.raises(events.MalformedEvent):
        events.parse(f'{{"v":1,"kind":"entry","transaction_id":"{uuid4()}","entry":{row}}}')
