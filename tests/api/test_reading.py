"""Lists and lookups: pages repeat and skip nothing, need few statements and show strangers nothing."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from decimal import Decimal
from itertools import chain
from typing import Any

import pytest

from app import ids
from app.clock import rfc3339, system_clock
from app.db import session
from app.db.user_sql import insert_user
from tests.api.conftest import Api
from tests.bank import new_key
from tests.statements import recorded_statements

PAGE = """
query($w: ID!, $first: Int, $after: String, $last: Int, $before: String, $filter: TransactionFilter) {
  wallet(id: $w) {
    transactions(first: $first, after: $after, last: $last, before: $before, filter: $filter) {
      edges { cursor node { id amount { amount } status } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
}
"""
ENTRIES = PAGE.replace("transactions(", "entries(").replace(", filter: $filter", "").replace(", $filter: TransactionFilter", "")
ENTRIES = ENTRIES.replace("id amount { amount } status", "id sequence")


async def pages(api: Api, subject: str, query: str, wallet: str, *, backward: bool, **more: Any) -> list[list[str]]:
    """All pages of a list as ids, read forwards or backwards."""
    found: list[list[str]] = []
    arguments: dict[str, Any] = {"last": 7} if backward else {"first": 7}
    for _ in range(50):
        answer = await api.data(subject, query, w=wallet, **arguments, **more)
        (connection,) = answer["wallet"].values()
        found.append([edge["node"]["id"] for edge in connection["edges"]])
        info = connection["pageInfo"]
        if not info["hasPreviousPage" if backward else "hasNextPage"]:
            return found
        arguments |= {"before": info["startCursor"]} if backward else {"after": info["endCursor"]}
    raise AssertionError("the list does not end")


async def history(api: Api, count: int) -> tuple[str, str]:
    """alice's and bob's wallets after `count` payments in both directions."""
    a, b = await api.wallet("alice", balance="1000.00"), await api.wallet("bob", balance="1000.00")
    alice, bob = await api.bank.viewer("alice"), await api.bank.viewer("bob")
    for number in range(count):
        payer, sender, receiver = (alice, a, b) if number % 3 else (bob, b, a)
        await api.bank.pay(payer, sender, receiver, "9999.00" if number % 10 == 9 else "1.00")
    return a, b


@pytest.mark.parametrize("query", [PAGE, ENTRIES], ids=["transactions", "entries"])
async def test_pages_in_both_directions_have_each_item_once_in_the_same_order(api: Api, query: str) -> None:
    a, _ = await history(api, 30)
    forward = [id_ for page in await pages(api, "alice", query, a, backward=False) for id_ in page]
    backward = [id_ for page in reversed(await pages(api, "alice", query, a, backward=True)) for id_ in page]
    assert forward == backward
    assert len(set(forward)) == len(forward) > 20


async def test_new_items_change_no_later_page_of_a_list_read_backwards(api: Api) -> None:
    a, b = await history(api, 25)
    whole = [id_ for page in await pages(api, "alice", PAGE, a, backward=False) for id_ in page]
    first = await api.data("alice", PAGE, w=a, first=7)
    for _ in range(5):
        await api.bank.pay(await api.bank.viewer("alice"), a, b, "1.00")
    rest = await api.data("alice", PAGE, w=a, first=100, after=first["wallet"]["transactions"]["pageInfo"]["endCursor"])
    assert [edge["node"]["id"] for edge in rest["wallet"]["transactions"]["edges"]] == whole[7:]


async def test_a_filter_narrows_a_list_and_its_cursors_fit_only_that_filter(api: Api) -> None:
    a, _ = await history(api, 20)
    sent = await pages(api, "alice", PAGE, a, backward=False, filter={"direction": "DEBIT"})
    received = await pages(api, "alice", PAGE, a, backward=False, filter={"direction": "CREDIT"})
    whole = await pages(api, "alice", PAGE, a, backward=False)
    assert sorted(chain(*sent, *received)) == sorted(chain(*whole))
    failed = await api.data("alice", PAGE, w=a, filter={"status": "FAILED"})
    assert {edge["node"]["status"] for edge in failed["wallet"]["transactions"]["edges"]} == {"FAILED"}
    deposits = await api.data("alice", PAGE, w=a, filter={"type": "DEPOSIT"})
    assert len(deposits["wallet"]["transactions"]["edges"]) == 1
    cursor = failed["wallet"]["transactions"]["pageInfo"]["endCursor"]
    assert await api.codes("alice", PAGE, w=a, after=cursor) == ["BAD_USER_INPUT"]
    assert await api.codes("alice", PAGE, w=a, after=cursor, filter={"status": "FAILED"}) == []


async def test_a_time_filter_includes_its_start_and_excludes_its_end(api: Api) -> None:
    a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
    alice = await api.bank.viewer("alice")
    made = [(await api.bank.pay(alice, a, b, "1.00")).transaction for _ in range(4)]
    moments = [transaction.created_at.isoformat() for transaction in made if transaction is not None]
    found = await api.data("alice", PAGE, w=a, filter={"createdFrom": moments[1], "createdTo": moments[3]})
    shown = [edge["node"]["id"] for edge in found["wallet"]["transactions"]["edges"]]
    assert shown == [ids.encode("txn", transaction.id) for transaction in made[2:0:-1] if transaction is not None]


async def test_a_page_of_fifty_with_parties_needs_as_many_statements_as_a_page_of_five(api: Api) -> None:
    a, _ = await history(api, 60)
    query = """query($w: ID!, $n: Int!) { wallet(id: $w) { transactions(first: $n) { edges { node {
      id sender { displayName wallet { name } } receiver { displayName wallet { name } }
      entries { sequence wallet { owner { displayName } } } } } } } }"""
    await api.data("alice", query, w=a, n=1)  # The first call also finds the user.
    counts = {}
    for size in (5, 50):
        with recorded_statements(api.services.engine) as statements:
            answer = await api.data("alice", query, w=a, n=size)
        assert len(answer["wallet"]["transactions"]["edges"]) == size
        counts[size] = len(statements)
    assert counts[5] == counts[50] <= 7, counts


async def test_a_timeout_of_the_second_transfer_in_a_document_keeps_the_answer_of_the_first(api: Api) -> None:
    a, held, b = await api.wallet("alice", balance="9.00"), await api.wallet("alice", balance="9.00"), await api.wallet("bob")
    transfer = """transfer(input: {idempotencyKey: "%s", senderWalletId: "%s", receiverWalletId: "%s",
      amount: {amount: "1.00", currency: "USD"}})"""
    fields = "{ transaction { status } userErrors { code } }"
    document = f"mutation {{ one: {transfer % (new_key(), a, b)} {fields} two: {transfer % (new_key(), held, b)} {fields} }}"
    async with api.bank.engine.connect() as connection:
        lock = "SELECT FROM wallets WHERE id = $1 FOR UPDATE"
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        await session.set_parameters(raw, {"idle_in_transaction_session_timeout": "0", "transaction_timeout": "0"})
        await raw.execute("BEGIN")
        await raw.execute(lock, ids.decode("wal", held))
        answer = await api.graphql("alice", document)
        await raw.execute("ROLLBACK")
        await connection.invalidate()
    assert answer["data"] == {"one": {"transaction": {"status": "COMPLETED"}, "userErrors": []}, "two": None}
    (error,) = answer["errors"]
    assert error["path"] == ["two"]
    assert error["extensions"] == {"code": "TIMEOUT", "retryable": True}


async def test_a_stranger_reaches_nothing_private_through_the_graph(api: Api) -> None:
    """carol reads the graph from every id that she could know and gets nothing of alice and bob."""
    a, b = await api.wallet("alice", balance="77.31"), await api.wallet("bob")
    c = await api.wallet("carol")
    alice = await api.bank.viewer("alice")
    paid = (await api.bank.pay(alice, a, b, "12.34", "secret-key-1")).transaction
    refused = (await api.bank.pay(alice, a, c, "999.00", "secret-key-2")).transaction
    assert paid is not None
    assert refused is not None
    private = [ids.encode("txn", paid.id), ids.encode("txn", refused.id), ids.encode("ent", ids.entry_id(paid.id, 0)), a, b,
               ids.encode("usr", alice.user_id)]  # fmt: skip
    everything = """{ __typename id
      ... on Wallet { balance { amount } owner { id } entries { edges { node { id } } } transactions { edges { node { id } } } }
      ... on Transaction { idempotencyKey amount { amount } legs: entries { id } sender { wallet { id } } }
      ... on LedgerEntry { balanceAfter { amount } wallet { id } }
      ... on User { wallets { edges { node { id } } } } }"""
    answers = [
        await api.data("carol", f"query($ids: [ID!]!) {{ nodes(ids: $ids) {everything} }}", ids=private),
        await api.data("carol", "query($a: ID!, $b: ID!) { one: wallet(id: $a) { id } two: wallet(id: $b) { id } }", a=a, b=b),
        await api.data("carol", "query($t: ID!) { transaction(id: $t) { id } }", t=private[1]),
        await api.data("carol", 'query { transactionByIdempotencyKey(idempotencyKey: "secret-key-2") { id } }'),
        await api.data("carol", f"query($w: ID!) {{ node(id: $w) {everything} }}", w=c),
        await api.data("carol", "{ viewer { wallets { edges { node { transactions { edges { node { id } } } } } } } }"),
    ]
    text = json.dumps(answers)
    assert not [secret for secret in (*private, "77.31", "64.97", "12.34", "999", "secret-key") if secret in text]
    assert answers[0] == {"nodes": [None] * len(private)}
    for admin_only in ("wallets", "transactions"):
        assert await api.codes("carol", f"{{ {admin_only} {{ edges {{ cursor }} }} }}") == ["FORBIDDEN"]
    party = await api.data("carol", "query($w: ID!) { walletParty(walletId: $w) { displayName currency wallet { id } } }", w=a)
    assert party["walletParty"]["wallet"] is None
    assert "alice" not in party["walletParty"]["displayName"]


async def test_the_receiver_sees_completed_transfers_without_the_key_and_the_senders_side(api: Api) -> None:
    a, b = await api.wallet("alice", balance="50.00"), await api.wallet("bob")
    alice = await api.bank.viewer("alice")
    paid = (await api.bank.pay(alice, a, b, "12.34", "secret-key-1")).transaction
    refused = (await api.bank.pay(alice, a, b, "999.00", "secret-key-2")).transaction
    assert paid is not None
    assert refused is not None
    query = """query($w: ID!) { wallet(id: $w) { transactions { edges { node {
      id idempotencyKey entries { wallet { id } } sender { displayName wallet { id } } } } } } }"""
    (edge,) = (await api.data("bob", query, w=b))["wallet"]["transactions"]["edges"]
    assert edge["node"]["id"] == ids.encode("txn", paid.id)
    assert edge["node"]["idempotencyKey"] is None
    assert edge["node"]["sender"]["wallet"] is None
    assert [entry["wallet"]["id"] for entry in edge["node"]["entries"]] == [b]
    assert await api.data("bob", "query($t: ID!) { transaction(id: $t) { id } }", t=ids.encode("txn", refused.id)) == {
        "transaction": None
    }
    seen = await api.data(
        "admin", "query($t: ID!) { transaction(id: $t) { idempotencyKey failureCode } }", t=ids.encode("txn", refused.id)
    )
    assert seen == {"transaction": {"idempotencyKey": None, "failureCode": "INSUFFICIENT_FUNDS"}}


async def test_only_introspection_is_answered_without_a_token(api: Api) -> None:
    assert await api.codes(None, "{ __schema { queryType { name } } }") == []
    for field in ("viewer { id }", "currencies { code }", 'node(id: "x") { id }', 'walletParty(walletId: "x") { currency }',
                  "wallets { edges { cursor } }", "ledgerStatus { outboxPending }", 'wallet(id: "x") { id }'):  # fmt: skip
        assert await api.codes(None, f"{{ {field} }}") == ["UNAUTHENTICATED"], field
    assert await api.codes(
        None, 'mutation { openWallet(input: {idempotencyKey: "k", currency: "USD", name: "x"}) { replayed } }'
    ) == ["UNAUTHENTICATED"]


async def test_fifty_simultaneous_requests_with_one_key_get_fifty_equal_answers(api: Api) -> None:
    a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
    transfer_input = {
        "idempotencyKey": "one",
        "senderWalletId": a,
        "receiverWalletId": b,
        "amount": {"amount": "1.00", "currency": "USD"},
    }
    mutation = (
        "mutation($i: TransferInput!) { transfer(input: $i) { transaction { id status completedAt } userErrors { code } } }"
    )
    answers = await asyncio.gather(*(api.graphql("alice", mutation, i=transfer_input) for _ in range(50)))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["data"]["transfer"]["transaction"]["status"] == "COMPLETED"
    assert await api.bank.count("transactions WHERE type = 'TRANSFER'") == 1


async def test_queries_for_the_owner_of_a_wallet_are_rate_limited(api: Api) -> None:
    wallet = await api.wallet("bob")
    query = "query($w: ID!) { walletParty(walletId: $w) { displayName } }"
    codes = [await api.codes("carol", query, w=wallet) for _ in range(api.settings.wallet_party_per_minute * 2 + 1)]
    assert codes[0] == []
    assert ["RATE_LIMITED"] in codes
    assert await api.codes("alice", query, w=wallet) == []


USERS = """query($search: String, $first: Int, $after: String, $last: Int, $before: String) {
  users(search: $search, first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { id displayName } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""


async def named(api: Api, *people: tuple[str, str]) -> list[str]:
    """Create users with these subjects and names, oldest first. Returns their ids."""
    now = system_clock()
    made = [ids.new_id(now + timedelta(milliseconds=place)) for place in range(len(people))]
    for user_id, (subject, name) in zip(made, people, strict=True):
        await insert_user(api.bank.engine, user_id, subject, name, now)
    return [ids.encode("usr", user_id) for user_id in made]


async def names(api: Api, search: str) -> list[str]:
    found = await api.data("admin", USERS, search=search)
    return [edge["node"]["displayName"] for edge in found["users"]["edges"]]


async def test_a_search_finds_users_by_id_by_subject_and_by_the_start_of_any_word_of_the_name(api: Api) -> None:
    anna, _, _ = await named(api, ("idp|anna", "Anna Berg"), ("idp|berta", "Berta 100%_sure"), ("Anna", "Carl Oberg"))
    found = {
        search: await names(api, search)
        for search in (anna, "ANNA", "anna b", "ber", "berg", "100%_", "%", "idp|", "idp|anna", "Zoë")
    }
    assert found == {
        anna: ["Anna Berg"],
        "ANNA": ["Anna Berg"],
        "anna b": ["Anna Berg"],
        "ber": ["Berta 100%_sure", "Anna Berg"],
        "berg": ["Anna Berg"],
        "100%_": ["Berta 100%_sure"],
        "%": [],
        "idp|": [],
        "idp|anna": ["Anna Berg"],
        "Zoë": [],
    }
    assert await names(api, "Anna") == ["Carl Oberg", "Anna Berg"]


@pytest.mark.parametrize("search", [None, "kim"])
async def test_pages_of_users_in_both_directions_have_each_user_once_in_the_same_order(api: Api, search: str | None) -> None:
    await named(api, *((f"kim-{number}", f"Kim {number}") for number in range(5)))
    whole = [edge["node"]["id"] for edge in (await api.data("admin", USERS, search=search))["users"]["edges"]]
    first = (await api.data("admin", USERS, search=search, first=2))["users"]
    rest = (await api.data("admin", USERS, search=search, first=100, after=first["pageInfo"]["endCursor"]))["users"]
    back = (await api.data("admin", USERS, search=search, last=2, before=rest["pageInfo"]["startCursor"]))["users"]
    assert [edge["node"]["id"] for edge in (*first["edges"], *rest["edges"])] == whole
    assert back["edges"] == first["edges"]
    assert len(whole) == len(set(whole)) >= 5
    assert await api.codes("admin", USERS, search="ki", after=first["pageInfo"]["endCursor"]) == ["BAD_USER_INPUT"]


@pytest.mark.parametrize("search", ["", "   ", "a\u0000b", "x" * 256])
async def test_a_search_for_users_is_one_line_of_at_most_255_characters(api: Api, search: str) -> None:
    assert await api.codes("admin", USERS, search=search) == ["BAD_USER_INPUT"]
    assert await api.codes("alice", USERS, search=search) == ["FORBIDDEN"]


async def test_an_administrator_finds_a_transaction_by_the_key_of_the_user_who_made_it(api: Api) -> None:
    a, b = await api.wallet("alice", balance="10.00"), await api.wallet("bob")
    alice, key = await api.bank.viewer("alice"), new_key()
    done = await api.bank.pay(alice, a, b, "1.00", key=key)
    assert done.transaction is not None
    query = """query($key: String!, $user: ID!) {
      transactionByIdempotencyKey(idempotencyKey: $key, userId: $user) { id idempotencyKey }
    }"""
    bob = await api.bank.viewer("bob")
    found = [
        (await api.data("admin", query, key=wanted, user=user))["transactionByIdempotencyKey"]
        for wanted, user in (
            (key, ids.encode("usr", alice.user_id)),
            (key, ids.encode("usr", bob.user_id)),
            (new_key(), ids.encode("usr", alice.user_id)),
            (key, "usr_nobody"),
        )
    ]
    assert found == [{"id": ids.encode("txn", done.transaction.id), "idempotencyKey": None}, None, None, None]


@pytest.mark.parametrize(
    ("selected", "reads"),
    [
        ("id wallets { edges { node { id } } }", 1),
        ("...on User { wallets { edges { node { id } } } } __typename", 1),
        ("displayName wallets { edges { node { id } } }", 2),
        ("...name wallets { edges { node { id } } }", 2),
        ("id", 1),
    ],
)
async def test_the_viewer_is_read_only_for_the_name(api: Api, selected: str, reads: int) -> None:
    """Their id is in the token's check. An id alone is read nevertheless: it shows that the database answers."""
    wallet = await api.wallet("alice", balance="1.00")
    spread = " fragment name on Node { ...on User { displayName } }" if "...name" in selected else ""
    # The first call of a user also looks for the user and confirms rights.
    await api.data("alice", "{ viewer { id } }")
    with recorded_statements(api.services.engine) as statements:
        viewer = (await api.data("alice", f"{{ viewer {{ {selected} }} }}{spread}"))["viewer"]
    assert len(statements) == reads, statements
    if "wallets" in viewer:
        assert [edge["node"]["id"] for edge in viewer["wallets"]["edges"]] == [wallet]
    if "isplayName" in selected + spread:
        assert viewer["displayName"].startswith("Member ")


@pytest.mark.parametrize(
    ("selected", "are_read"),
    [
        ("opening { amount } closing { amount } entryCount closingSequence from to", False),
        ("closing { amount } credits { amount }", True),
        ("...sums", True),
    ],
)
async def test_the_debits_of_periods_are_read_only_where_they_are_asked_for(api: Api, selected: str, are_read: bool) -> None:
    wallet, _ = await history(api, 3)
    now = system_clock()
    times = {"from": rfc3339(now - timedelta(days=2)), "to": rfc3339(now + timedelta(days=1))}
    spread = " fragment sums on BalancePeriod { minus: debits { amount } }" if "...sums" in selected else ""
    query = f"""query($w: ID!, $from: DateTime!, $to: DateTime!) {{ wallet(id: $w) {{
      balances(from: $from, to: $to, step: DAY) {{ {selected} }} }} }}{spread}"""
    with recorded_statements(api.services.engine) as statements:
        periods = (await api.data("alice", query, w=wallet, **times))["wallet"]["balances"]
    assert any("m.debits" in text for text, _ in statements) == are_read
    if "closing" in selected:
        assert periods[-1]["closing"] == {"amount": "999.00"}
    if "credits" in selected:
        assert sum(Decimal(period["credits"]["amount"]) for period in periods) == 1001
    if spread:
        assert sum(Decimal(period["minus"]["amount"]) for period in periods) == 2
