"""What is written into the outbox comes out at the subscriber unchanged."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app import ids
from app.messages import events
from app.messages.redis_names import RedisNames
from app.records import Entry, EntryPurpose

BIGINTS = st.integers(-(2**63), 2**63 - 1)
MOMENTS = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
NAMES = RedisNames(uuid4())
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
    (channel, message), _ = events.outgoing(NAMES, payload, NOW).messages
    assert channel == NAMES.wallet_channel(written.wallet_id)
    assert events.parse(message) == events.EntryEvent(written)


@given(
    st.lists(st.tuples(BIGINTS, BIGINTS, MOMENTS, st.sampled_from(EntryPurpose)), max_size=4),
    st.lists(st.uuids(), max_size=3),
    st.none() | st.text(max_size=60),
)
def test_the_payload_of_a_transaction_is_compact_json_with_all_of_its_entries(moved, owners, trace):
    """It is put together by hand."""
    rows = [
        entry(leg=leg, amount=after - b, balance_after=after, created_at=at)._replace(purpose=purpose)
        for leg, (b, after, at, purpose) in enumerate(moved)
    ]
    payload = events.settled_payload(uuid := uuid4(), owners, rows, trace)
    purposes = {str(one.leg): one.purpose.value for one in rows if one.purpose is not EntryPurpose.PRINCIPAL}
    expected = {
        **({} if trace is None else {"trace": trace}),
        "v": 1,
        "kind": "settled",
        "transaction_id": str(uuid),
        "owner_ids": [str(owner) for owner in owners],
        "entries": [
            [str(e.wallet_id), e.leg, e.sequence, e.amount, e.balance_before, e.balance_after, e.created_at.isoformat()]
            for e in rows
        ],
        **({"purposes": purposes} if purposes else {}),
    }
    assert payload == json.dumps(expected, separators=(",", ":"), ensure_ascii=False)


def test_a_settled_transaction_is_told_to_each_wallet_then_to_each_user_once_then_to_administrators():
    alice, bob = uuid4(), uuid4()
    transaction_id = ids.new_transaction_id(NOW)
    legs = [entry(transaction_id=transaction_id, leg=leg) for leg in range(2)]
    messages = events.outgoing(NAMES, events.settled_payload(transaction_id, [alice, bob, alice], legs), NOW).messages
    assert [channel for channel, _ in messages] == [
        *(NAMES.wallet_channel(leg.wallet_id) for leg in legs),
        NAMES.user_channel(alice),
        NAMES.user_channel(bob),
        NAMES.settled_channel,
    ]
    assert {events.parse(message) for _, message in messages[2:]} == {events.SettledEvent(transaction_id, NOW)}


def test_nobody_but_the_wallet_itself_is_told_a_balance():
    written = entry(balance_after=987654316)
    messages = events.outgoing(NAMES, events.settled_payload(written.transaction_id, [uuid4()], [written]), NOW).messages
    assert [channel for channel, message in messages if "987654" in message] == [NAMES.wallet_channel(written.wallet_id)]


def test_a_change_of_state_is_told_to_the_wallet():
    wallet_id = uuid4()
    ((channel, message),) = events.outgoing(NAMES, events.wallet_state_payload(wallet_id, 3), NOW).messages
    assert channel == NAMES.wallet_channel(wallet_id)
    assert events.parse(message) == events.WalletStateEvent(wallet_id, 3)


def test_what_happens_to_a_hold_reaches_its_wallet_and_then_its_watchers():
    hold_id, wallet_id = uuid4(), uuid4()
    (state_channel, state), (hold_channel, hold) = events.outgoing(
        NAMES, events.hold_payload(hold_id, 2, wallet_id, 7), NOW
    ).messages
    assert (state_channel, hold_channel) == (NAMES.wallet_channel(wallet_id), NAMES.hold_channel(hold_id))
    assert events.parse(state) == events.WalletStateEvent(wallet_id, 7)
    assert events.parse(hold) == events.HoldChangedEvent(hold_id, 2)


def test_an_event_that_changes_nothing_held_reaches_only_the_watchers_of_its_hold():
    hold_id = uuid4()
    ((channel, _),) = events.outgoing(NAMES, events.hold_payload(hold_id, 3, uuid4(), None), NOW).messages
    assert channel == NAMES.hold_channel(hold_id)


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
        '{"v":1,"kind":"hold"}',
        '{"v":1,"kind":"hold","hold_id":"x","number":1}',
        '{"v":1,"kind":"hold","hold_id":"00000000-0000-7000-8000-000000000001","number":true}',
    ],
)
def test_what_cannot_be_read_is_said_to_be_malformed(text):
    with pytest.raises(events.MalformedEvent):
        events.outgoing(NAMES, text, NOW)
    with pytest.raises(events.MalformedEvent):
        events.parse(text)


@pytest.mark.parametrize("row", ["null", "[]", "[1,2,3,4,5,6,7]", '["x",0,1,1,1,1,"2026-01-01"]', '{"a":1}'])
def test_a_malformed_entry_is_said_to_be_malformed(row):
    with pytest.raises(events.MalformedEvent):
        events.parse(f'{{"v":1,"kind":"entry","transaction_id":"{uuid4()}","entry":{row}}}')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.uuids().map(str),
    lambda inside: st.lists(inside, max_size=8) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=12,
)


@given(st.sampled_from(["v", "kind", "transaction_id", "owner_ids", "entries", "trace"]), JSON, st.none() | st.integers(0, 6))
def test_whatever_a_row_holds_it_is_malformed_or_its_messages_can_be_read(name, value, column):
    written = entry()
    content = orjson.loads(events.settled_payload(written.transaction_id, [uuid4()], [written], "00-trace"))
    if column is None:
        content[name] = value
    else:
        content["entries"][0][column] = value
    for _, message in messages_of(json.dumps(content)):
        events.parse(message)


def messages_of(payload: str) -> list[tuple[str, str]]:
    """None of a payload that cannot be read."""
    try:
        return events.outgoing(NAMES, payload, NOW).messages
    except events.MalformedEvent:
        return []


@given(st.text())
def test_the_reason_why_a_row_cannot_be_read_is_short_and_plain(kind):
    with pytest.raises(events.MalformedEvent) as malformed:
        events.outgoing(NAMES, json.dumps({"v": 1, "kind": kind * 9}), NOW)
    reason = str(malformed.value)
    assert len(reason) < 600
    assert reason.isascii()
    assert reason.isprintable()


WALLET, TRANSACTION = str(uuid4()), str(uuid4())
ROW = [WALLET, 0, 1, 5, 0, 5, "2026-01-01T00:00:00+00:00"]


@pytest.mark.parametrize(
    "changes",
    [
        {"transaction_id": "x", "entries": [[]]},
        {"entries": [[]]},
        {"entries": [ROW[:6]]},
        {"entries": [["x", *ROW[1:]]]},
        {"entries": [[WALLET, 0, "1", *ROW[3:]]]},
        {"entries": [[WALLET, 0, 1.0, *ROW[3:]]]},
        {"entries": [[WALLET, 0, True, *ROW[3:]]]},
        {"entries": [[WALLET, 0, 2**63, *ROW[3:]]]},
        {"entries": [[*ROW[:6], "2026-01-01T00:00:00"]]},
        {"entries": {"a": 1}},
        {"owner_ids": [5]},
        {"owner_ids": ["*"]},
        {"owner_ids": [{}]},
        {"trace": 5},
        {"trace": []},
        {"kind": {"a": "\0"}},
    ],
)
def test_a_row_whose_messages_nobody_could_read_is_malformed(changes):
    content = {"v": 1, "kind": "settled", "transaction_id": TRANSACTION, "owner_ids": [], "entries": [ROW], **changes}
    with pytest.raises(events.MalformedEvent):
        events.outgoing(NAMES, json.dumps(content), NOW)


@pytest.mark.parametrize("version", ['"2"', "1.5", "true", "null", str(2**63)])
def test_a_state_without_a_whole_version_is_malformed(version):
    text = f'{{"v":1,"kind":"wallet_state","wallet_id":"{WALLET}","version":{version}}}'
    with pytest.raises(events.MalformedEvent):
        events.outgoing(NAMES, text, NOW)
    with pytest.raises(events.MalformedEvent):
        events.parse(text)


def test_the_trace_of_an_event_is_text_or_the_event_is_malformed():
    with pytest.raises(events.MalformedEvent):
        events.parse(f'{{"v":1,"kind":"settled","transaction_id":"{TRANSACTION}","trace":5}}')


def test_any_exception_while_a_row_is_read_is_the_rows_fault():
    def fail(_trace: str | None) -> str | None:
        raise RuntimeError("whatever it is")

    with pytest.raises(events.MalformedEvent, match="RuntimeError: whatever it is"):
        events.outgoing(NAMES, events.settled_payload(uuid4(), [], []), NOW, fail)


def test_the_purpose_of_an_entry_reaches_its_wallet_and_plain_transfers_carry_none():
    plain = entry()
    fee = entry(transaction_id=plain.transaction_id, leg=2, purpose=EntryPurpose.FEE)
    published = events.outgoing(NAMES, events.settled_payload(plain.transaction_id, [], [plain, fee]), NOW).messages
    assert [events.parse(message) for _, message in published[:2]] == [events.EntryEvent(plain), events.EntryEvent(fee)]
    assert "purpose" not in events.settled_payload(plain.transaction_id, [], [plain])


def test_a_purpose_that_a_later_release_has_added_is_other():
    fee = entry(leg=2, purpose=EntryPurpose.FEE)
    payload = events.settled_payload(fee.transaction_id, [], [fee]).replace("FEE", "TAX")
    (_, message), *_ = events.outgoing(NAMES, payload, NOW).messages
    assert events.parse(message) == events.EntryEvent(fee._replace(purpose=EntryPurpose.OTHER))
