"""Activity: what a user finds among the entries of their wallets, and that nobody else's rows are ever found."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app import ids
from app.access.viewer import Viewer
from app.db import activity_sql
from app.errors import BadUserInput, Unavailable
from app.paging.pages import PageRequest
from app.paging.update_cursor import encode_update_cursor
from app.records import EntryDirection
from app.services import activity
from app.services.activity import ActivityFilter, ActivityRequest
from app.services.activity_words import document, lexemes, search, words_of
from app.services.transfers import TransferInput, transfer
from tests.bank import new_key, uuid_of
from tests.time_world import BEGIN, TimeWorld, times

__all__ = ["times"]


async def found_by(
    times: TimeWorld,
    viewer: Viewer,
    query: str | None = None,
    narrowed: ActivityFilter = ActivityFilter(),  # noqa: B008 - immutable
    *,
    owner: Viewer | None = None,
    not_before: str | None = None,
    page: PageRequest = PageRequest(first=100),  # noqa: B008 - immutable
) -> activity.Activity:
    request = ActivityRequest(page, query, narrowed, not_before)
    return await activity.activity_of(times.bank.engine, viewer, (owner or viewer).user_id, request, times.clock)


async def amounts(times: TimeWorld, viewer: Viewer, query: str | None = None, **options: Any) -> list[int]:
    return [item.amount for item in (await found_by(times, viewer, query, **options)).page.items]


async def pay(times: TimeWorld, payer: Viewer, sender: str, receiver: str, amount: str, **more: Any) -> None:
    times.clock.move(1)
    given = TransferInput(new_key(), sender, receiver, amount, "USD", **more)
    assert not (await transfer(times.bank.ledger, payer, given)).refusals


async def rename(times: TimeWorld, viewer: Viewer, name: str) -> None:
    async with times.bank.engine.begin() as connection:
        await connection.execute(
            text("UPDATE users SET display_name = :name WHERE id = :id"), {"name": name, "id": viewer.user_id}
        )


async def two_who_paid(times: TimeWorld) -> tuple[Viewer, Viewer, str, str]:
    alice, bob = await times.bank.viewer("alice"), await times.bank.viewer("bob")
    paying, paid = await times.bank.wallet(alice, balance="1000.00"), await times.bank.wallet(bob)
    await rename(times, bob, "Bob Žižka")
    await pay(times, alice, paying, paid, "1.00", description="Morning coffee")
    await pay(times, alice, paying, paid, "2.00", description="Café au lait", reference="INV-2025/7")
    await pay(times, alice, paying, paid, "3.00", metadata=[("order", "A 17"), ("till", "4")])
    await pay(times, alice, paying, paid, "40.00")
    await times.catch_up()
    return alice, bob, paying, paid


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (None, [-4000, -300, -200, -100, 100000]),
        ("coffee", [-100]),
        ("COFF", [-100]),
        ("cafe", [-200]),
        ("cafe lait", [-200]),
        ("lait coffee", []),
        ("inv 2025", [-200]),
        ("inv-2025/7", [-200]),
        ("zizka", [-4000, -300, -200, -100]),
        ("žiž coff", [-100]),
        ("paycore", [100000]),
        ("offee", []),
        ("17", []),
    ],
)
async def test_each_word_begins_a_word_of_a_text_or_of_the_counterpartys_name(
    times: TimeWorld, query: str | None, expected: list[int]
) -> None:
    alice, *_ = await two_who_paid(times)
    assert await amounts(times, alice, query) == expected


async def test_a_filter_narrows_by_wallet_side_amount_metadata_and_time(times: TimeWorld) -> None:
    alice, _, paying, paid = await two_who_paid(times)
    cases: list[tuple[ActivityFilter, list[int]]] = [
        (ActivityFilter(wallet_id=paying), [-4000, -300, -200, -100, 100000]),
        (ActivityFilter(wallet_id=paid), []),
        (ActivityFilter(wallet_id="wal_nonsense"), []),
        (ActivityFilter(direction=EntryDirection.CREDIT), [100000]),
        (ActivityFilter(amount_from="2", amount_to="3.00"), [-300, -200]),
        (ActivityFilter(amount_from="2.001"), [-4000, -300, 100000]),
        (ActivityFilter(amount_to="9" * 30), [-4000, -300, -200, -100, 100000]),
        (ActivityFilter(metadata=(("order", "A 17"),)), [-300]),
        (ActivityFilter(metadata=(("order", "A 17"), ("till", "4"))), [-300]),
        (ActivityFilter(metadata=(("order", "A 17"), ("till", "5"))), []),
        (ActivityFilter(metadata=(("order", "A"),)), []),
        (ActivityFilter(created_from=times.clock.now), [-4000]),
        (ActivityFilter(created_to=times.clock.now - timedelta(seconds=1)), [-200, -100, 100000]),
    ]
    for narrowed, expected in cases:
        assert await amounts(times, alice, narrowed=narrowed) == expected, narrowed
    assert await amounts(times, alice, "bob", narrowed=ActivityFilter(amount_from="3")) == [-4000, -300]


async def test_a_name_is_looked_at_as_it_is_now(times: TimeWorld) -> None:
    alice, bob, *_ = await two_who_paid(times)
    await rename(times, bob, "Robert")
    assert await amounts(times, alice, "bob") == []
    assert await amounts(times, alice, "robert coffee") == [-100]


@pytest.mark.parametrize("hostile", ["' | 'x", "x:*", "a & b | !c", "@paycore", "#", "\\", "');--", "a\0b", "\ud800", "  ", "'"])
async def test_no_search_reaches_postgresql_as_anything_but_words(times: TimeWorld, hostile: str) -> None:
    alice, bob, *_ = await two_who_paid(times)
    for viewer in (alice, bob):
        try:
            found = await found_by(times, viewer, hostile, ActivityFilter(metadata=((hostile, hostile),)))
        except BadUserInput:
            continue
        assert found.page.items == ()


async def test_too_many_words_or_too_long_a_query_is_refused(times: TimeWorld) -> None:
    alice, *_ = await two_who_paid(times)
    for query in ("a b c d e f g h i", "x" * 201, ""):
        with pytest.raises(BadUserInput):
            await found_by(times, alice, query)
    with pytest.raises(BadUserInput):
        await found_by(times, alice, narrowed=ActivityFilter(amount_from="-1"))


async def test_nobody_sees_rows_of_another(times: TimeWorld) -> None:
    alice, bob, *_ = await two_who_paid(times)
    carol = await times.bank.viewer("carol")
    blind = await times.bank.viewer("alice", scopes=["transfers:write"])
    admin = await times.bank.viewer("admin", admin=True)
    for query in (None, "coffee", "bob"):
        assert await amounts(times, carol, query) == []
        assert await amounts(times, carol, query, owner=alice) == []
        assert await amounts(times, bob, query, owner=alice) == []
        assert await amounts(times, blind, query, owner=alice) == []
        assert await amounts(times, admin, query, owner=alice) == await amounts(times, alice, query)
    assert await amounts(times, bob) == [4000, 300, 200, 100]


async def test_pages_follow_one_another_and_a_cursor_belongs_to_its_search(times: TimeWorld) -> None:
    alice, *_ = await two_who_paid(times)
    seen, after = [], None
    while True:
        found = await found_by(times, alice, "bob", page=PageRequest(first=3, after=after))
        seen += [item.amount for item in found.page.items]
        if not found.page.has_next:
            break
        after = found.page.cursors[-1]
    assert seen == [-4000, -300, -200, -100]
    for query in (None, "coffee"):
        with pytest.raises(BadUserInput):
            await found_by(times, alice, query, page=PageRequest(first=3, after=found.page.cursors[-1]))


@pytest.mark.parametrize(
    ("asked", "rows", "reads"),
    [(("bob", 2), (1000, 1000), 1), (("bob", 2), (2, 1000), 2), (("bob", 2), (2, 2), 1), (("inv", 1), (3, 6), 3)],
    ids=["at a glance", "further", "by the index at once", "by the index after all"],
)
async def test_words_are_found_among_the_newest_or_by_the_index(
    times: TimeWorld, monkeypatch: pytest.MonkeyPatch, asked: tuple[str, int], rows: tuple[int, int], reads: int
) -> None:
    """All of Alice's payments were to Bob, and the third newest had the invoice."""
    (query, first), (glanced, scanned) = asked, rows
    alice, *_ = await two_who_paid(times)
    whole = {words: await amounts(times, alice, words) for words in ("coffee", "bob", "paycore", "nothing")}
    page = await amounts(times, alice, query, page=PageRequest(first=first))
    read, count = activity_sql._read, 0

    def counted(found: Any) -> Any:
        nonlocal count
        count += 1
        return read(found)

    monkeypatch.setattr(activity_sql, "_GLANCE", activity_sql._glance(glanced, scanned))
    monkeypatch.setattr(activity_sql, "_SCAN", activity_sql._page(activity_sql._newest(scanned)))
    monkeypatch.setattr(activity_sql, "_read", counted)
    assert await amounts(times, alice, query, page=PageRequest(first=first)) == page
    assert count == reads
    assert {words: await amounts(times, alice, words) for words in whole} == whole


async def test_not_before_waits_for_my_write_or_says_unavailable(times: TimeWorld) -> None:
    alice, _, paying, paid = await two_who_paid(times)
    await pay(times, alice, paying, paid, "5.00")
    mine = encode_update_cursor(uuid_of(paying), 6)
    with pytest.raises(Unavailable):
        await found_by(times, alice, not_before=mine)
    waiting = asyncio.create_task(amounts(times, alice, not_before=mine))
    await asyncio.sleep(0.1)
    await times.catch_up()
    assert (await waiting)[0] == -500
    position = (await found_by(times, alice)).position
    assert position.lag_seconds == 0
    assert (await amounts(times, alice, not_before=str(position.position)))[0] == -500
    await pay(times, alice, paying, paid, "5.00")
    with pytest.raises(BadUserInput):
        await found_by(times, alice, not_before=str(position.position + 1))
    with pytest.raises(BadUserInput):
        await found_by(times, alice, not_before=encode_update_cursor(uuid_of(paying), 8))


async def test_not_before_says_nothing_of_another_wallet(times: TimeWorld) -> None:
    alice, _, _, paid = await two_who_paid(times)
    for wallet_id in (uuid_of(paid), ids.new_id(times.clock.now)):
        for sequence in (0, 1, 10**6):
            with pytest.raises(BadUserInput):
                await found_by(times, alice, not_before=encode_update_cursor(wallet_id, sequence))
    for nonsense in ("", "x", "-1", "\u0661", "9" * 40):
        with pytest.raises(BadUserInput):
            await found_by(times, alice, not_before=nonsense)


async def test_the_lag_is_that_of_the_oldest_event_that_is_missing(times: TimeWorld) -> None:
    alice, _, paying, paid = await two_who_paid(times)
    await pay(times, alice, paying, paid, "5.00")
    await times.sequence()
    moment = await times.connection.fetchval("SELECT max(sequenced_at) FROM event_chunks")
    times.clock.now = moment + timedelta(seconds=3)
    position = (await found_by(times, alice)).position
    assert (position.at, position.lag_seconds) == (moment, 3.0)


@given(st.text(), st.text())
def test_a_text_is_found_by_each_beginning_of_its_words(one: str, other: str) -> None:
    owner = ids.new_id(BEGIN)
    found = lexemes(owner, None, document([one, other], None), is_with_system=False).split(" ")
    for word in words_of(one):
        assert word.isalnum()
        assert search(owner, [(word[:2], [])], []) is not None
        assert any(lexeme.startswith(owner.hex[-8:] + word[:2]) for lexeme in found)
