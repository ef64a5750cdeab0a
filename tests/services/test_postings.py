"""Transactions of any number of entries: postings, conditions, metadata and references, and who sees them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from app import ids
from app.access.policy import rights_of
from app.access.viewer import Role, Viewer
from app.clock import system_clock
from app.db import reads
from app.errors import Forbidden, RefusalCode
from app.paging.pages import PageRequest, TransactionFilter
from app.records import AccountType, EntryDirection, EntryPurpose, TransactionStatus, WalletStatus
from app.services import reading
from app.services.conditions import ConditionInput
from app.services.postings import LegInput, PostingInput, post_transaction
from app.services.requests import ConditionKind
from app.services.transfers import TransferInput, TransferResult, transfer
from app.services.verification import verify
from app.services.wallets import SystemWalletInput, open_system_wallet, set_wallet_status
from app.settings import Settings
from tests.bank import Bank, new_key, uuid_of
from tests.invariants.conftest import owner
from tests.services.transaction_lists import transactions_of

__all__ = ["owner"]

DEBIT, CREDIT = EntryDirection.DEBIT, EntryDirection.CREDIT


class People:
    """Alice and Bob with dollars, Bob with euros too, and a service account."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank

    async def build(self) -> People:
        """Open their wallets."""
        self.alice, self.bob = await self.bank.viewer("alice"), await self.bank.viewer("bob")
        self.admin = await self.bank.viewer("admin", admin=True)
        service = await self.bank.viewer("billing")
        self.service = Viewer(service.user_id, "billing", rights_of(Role.SERVICE, None), service.expires_at)
        self.mine = await self.bank.wallet(self.alice, balance="100.00")
        self.theirs = await self.bank.wallet(self.bob, balance="5.00")
        self.euros = await self.bank.wallet(self.bob, "EUR", balance="50.00")
        self.my_euros = await self.bank.wallet(self.alice, "EUR")
        fees = SystemWalletInput("USD", "FEES", AccountType.INCOME, "Fees", "for the tests")
        opened = await open_system_wallet(self.bank.engine, self.admin, fees, self.bank.currencies, system_clock)
        assert opened.wallet is not None
        self.fees = ids.encode("wal", opened.wallet.id)
        return self

    async def post(self, *legs: LegInput, viewer: Viewer | None = None, key: str | None = None, **more: Any) -> TransferResult:
        """One posting by the service account."""
        return await post_transaction(self.bank.ledger, viewer or self.service, PostingInput(key or new_key(), legs, **more))

    async def listed(self, viewer: Viewer, wallet_id: str, **narrowed: Any) -> list[Any]:
        """The ids of a wallet's transactions, newest first."""
        (wallet,) = await reads.wallets_by_id(self.bank.engine, [uuid_of(wallet_id)], None)
        page = await transactions_of(self.bank.engine, viewer, wallet, PageRequest(), TransactionFilter(**narrowed))
        return [transaction.id for transaction in page.items]


@pytest.fixture
async def people(bank: Bank) -> People:
    return await People(bank).build()


def leg(wallet: str, direction: EntryDirection, amount: str, currency: str = "USD", **more: Any) -> LegInput:
    return LegInput(wallet, direction, amount, currency, **more)


def exchange(people: People) -> Sequence[LegInput]:
    """Alice pays 10 dollars and gets euros from Bob; 25 cents of it are a fee."""
    return (
        leg(people.mine, DEBIT, "10.00"),
        leg(people.theirs, CREDIT, "9.75"),
        leg(people.fees, CREDIT, "0.25", purpose=EntryPurpose.FEE),
        leg(people.euros, DEBIT, "9.00", "EUR", purpose=EntryPurpose.FX),
        leg(people.my_euros, CREDIT, "9.00", "EUR", purpose=EntryPurpose.FX),
    )


async def test_a_posting_moves_several_currencies_at_once(people: People, settings: Settings) -> None:
    result = await people.post(*exchange(people), description="exchange", reference="x-1")
    assert result.refusals == ()
    assert result.transaction is not None
    assert result.transaction.status is TransactionStatus.COMPLETED
    assert (result.transaction.amount, result.transaction.currency) == (1000, "USD")
    assert [(entry.amount, entry.purpose.value) for entry in result.entries] == [
        (-1000, "PRINCIPAL"),
        (975, "PRINCIPAL"),
        (25, "FEE"),
        (-900, "FX"),
        (900, "FX"),
    ]
    balances = [await people.bank.balance(wallet) for wallet in (people.mine, people.theirs, people.euros, people.my_euros)]
    assert balances == [9000, 1475, 4100, 900]
    assert await verify(settings) == []


async def test_a_postings_key_replays_and_any_other_leg_is_other_input(people: People) -> None:
    legs = exchange(people)
    first = await people.post(*legs, key="k")
    again = await people.post(*legs, key="k")
    assert again.replayed
    assert again.transaction == first.transaction
    changes = (
        {0: leg(people.mine, DEBIT, "10.00", purpose=EntryPurpose.OTHER)},
        {0: leg(people.mine, DEBIT, "11.00"), 1: leg(people.theirs, CREDIT, "10.75")},
        {0: legs[1], 1: legs[0]},
    )
    for change in changes:
        other = [change.get(index, one) for index, one in enumerate(legs)]
        refused = await people.post(*other, key="k")
        assert [refusal.code for refusal in refused.refusals] == [RefusalCode.IDEMPOTENCY_KEY_REUSED]
    assert await people.bank.balance(people.mine) == 9000


async def test_a_refused_posting_is_recorded_and_says_which_leg_lacked_funds(people: People) -> None:
    legs = (
        leg(people.theirs, CREDIT, "4.00"),
        leg(people.theirs, DEBIT, "9.50"),
        leg(people.mine, CREDIT, "5.50"),
    )
    result = await people.post(*legs, key="k")
    (refusal,) = result.refusals
    assert refusal.code is RefusalCode.INSUFFICIENT_FUNDS
    assert refusal.path == ("input", "legs", "1", "amount")
    assert refusal.available is None, "the service may not see balances"
    assert result.transaction is not None
    assert result.transaction.status is TransactionStatus.FAILED
    by_admin = await people.post(*legs, viewer=people.admin)
    assert by_admin.refusals[0].available is not None
    assert by_admin.refusals[0].required is not None
    assert (by_admin.refusals[0].available.amount, by_admin.refusals[0].required.amount) == ("9.00", "9.50")
    again = await people.post(*legs, key="k")
    assert again.replayed
    assert again.refusals == result.refusals
    assert await people.bank.balance(people.theirs) == 500


async def test_a_later_credit_does_not_cover_an_earlier_debit(people: People) -> None:
    debit_first = leg(people.theirs, DEBIT, "9.00"), leg(people.theirs, CREDIT, "9.00")
    assert (await people.post(*debit_first)).refusals[0].code is RefusalCode.INSUFFICIENT_FUNDS
    assert (await people.post(*reversed(debit_first))).refusals == ()


async def test_refusals_of_postings_in_order_of_precedence(people: People, owner: asyncpg.Connection) -> None:
    frozen, unknown = await people.bank.wallet(people.bob), ids.encode("wal", ids.new_id(system_clock()))
    await set_wallet_status(people.bank.engine, people.admin, frozen, WalletStatus.FROZEN, "test", clock=system_clock)
    pays, gets = leg(people.mine, DEBIT, "1.00"), leg(people.theirs, CREDIT, "1.00")
    too_much = leg(people.mine, DEBIT, "900.00"), leg(people.theirs, CREDIT, "900.00")
    table: list[tuple[str, Sequence[LegInput], RefusalCode, tuple[str, ...], bool]] = [
        ("no legs", (), RefusalCode.INVALID_INPUT, ("legs",), False),
        ("one leg", (pays,), RefusalCode.INVALID_INPUT, ("legs",), False),
        ("101 legs", (pays,) * 101, RefusalCode.TOO_MANY_ENTRIES, ("legs",), False),
        ("an unknown currency", (leg(people.mine, DEBIT, "1", "ABC"), gets), RefusalCode.INVALID_INPUT,
         ("legs", "0", "amount", "currency"), False),
        ("an amount of zero", (pays, leg(people.theirs, CREDIT, "0.00")), RefusalCode.INVALID_AMOUNT, ("legs", "1", "amount"),
         False),
        ("a malformed wallet before the sums", (leg("wal_x", DEBIT, "2.00"), gets), RefusalCode.WALLET_NOT_FOUND,
         ("legs", "0", "walletId"), False),
        ("debits that are not the credits", (pays, leg(people.theirs, CREDIT, "1.01")), RefusalCode.UNBALANCED, ("legs",), False),
        ("two currencies that only balance together", (pays, leg(people.euros, CREDIT, "1.00", "EUR")), RefusalCode.UNBALANCED,
         ("legs",), False),
        ("an unknown wallet before a frozen one", (leg(frozen, DEBIT, "1.00"), leg(unknown, CREDIT, "1.00")),
         RefusalCode.WALLET_NOT_FOUND, ("legs", "1", "walletId"), False),
        ("a frozen wallet before a wrong currency", (leg(people.euros, DEBIT, "1.00"), leg(frozen, CREDIT, "1.00")),
         RefusalCode.WALLET_NOT_ACTIVE, ("legs", "1", "walletId"), True),
        ("a wrong currency before missing funds", (too_much[0], leg(people.euros, CREDIT, "900.00")),
         RefusalCode.CURRENCY_MISMATCH, ("legs", "1", "amount"), True),
        ("missing funds", too_much, RefusalCode.INSUFFICIENT_FUNDS, ("legs", "0", "amount"), True),
    ]  # fmt: skip
    for name, legs, code, path, is_recorded in table:
        result = await people.post(*legs)
        assert [refusal.code for refusal in result.refusals] == [code], name
        assert result.refusals[0].path == ("input", *path), name
        assert (result.transaction is not None) == is_recorded, name
    assert await owner.fetchval("SELECT count(*) FROM transactions WHERE type = 'POSTING'") == 3
    assert await owner.fetchval("SELECT count(*) FROM audit_log WHERE action = 'POSTING'") == 3


async def test_only_who_has_the_right_may_post_or_open_system_wallets(people: People) -> None:
    for viewer in (people.alice, await people.bank.viewer("alice", scopes=["transfers:write", "wallets:read"])):
        with pytest.raises(Forbidden):
            await people.post(*exchange(people), viewer=viewer)
    details = SystemWalletInput("USD", "OTHER", AccountType.EXPENSE, "Other", "test")
    for viewer in (people.alice, people.service):
        with pytest.raises(Forbidden):
            await open_system_wallet(people.bank.engine, viewer, details, people.bank.currencies, system_clock)


async def test_a_system_wallet_is_opened_once_for_each_purpose(people: People, owner: asyncpg.Connection) -> None:
    async def opened(**changes: Any) -> Any:
        given = {"currency": "JPY", "purpose": "CARDS", "account_type": AccountType.ASSET, "name": "Cards", "reason": "r"}
        details = SystemWalletInput(**{**given, **changes})
        return await open_system_wallet(people.bank.engine, people.admin, details, people.bank.currencies, system_clock)

    results = await asyncio.gather(*(opened() for _ in range(5)))
    assert len({result.wallet.id for result in results}) == 1
    assert sorted(result.replayed for result in results) == [False, True, True, True, True]
    for changes in ({"name": "Other"}, {"account_type": AccountType.EXPENSE}, {"purpose": "cards"}, {"currency": "ABC"}):
        assert [refusal.code for refusal in (await opened(**changes)).refusals] == [RefusalCode.INVALID_INPUT]
    assert await owner.fetchval("SELECT count(*) FROM audit_log WHERE action = 'OPEN_SYSTEM_WALLET'") == 2


async def test_everyone_with_an_entry_sees_a_posting_and_nobody_else(people: People) -> None:
    result = await people.post(*exchange(people))
    assert result.transaction is not None
    posted = result.transaction.id
    carol = await people.bank.viewer("carol")
    for viewer, sees in ((people.alice, True), (people.bob, True), (people.service, True), (people.admin, True), (carol, False)):
        assert bool(await reading.load_transactions(people.bank.engine, viewer, [posted])) == sees
    for viewer, wallet in (
        (people.alice, people.mine),
        (people.alice, people.my_euros),
        (people.bob, people.theirs),
        (people.admin, people.fees),
    ):
        assert posted in await people.listed(viewer, wallet)
    assert posted in await people.listed(people.alice, people.mine, direction=DEBIT)
    assert posted not in await people.listed(people.alice, people.mine, direction=CREDIT)
    assert posted in await people.listed(people.alice, people.my_euros, direction=CREDIT)


async def test_a_refused_posting_is_only_its_initiators(people: People) -> None:
    result = await people.post(leg(people.theirs, DEBIT, "900.00"), leg(people.mine, CREDIT, "900.00"))
    assert result.transaction is not None
    for viewer, sees in ((people.alice, False), (people.bob, False), (people.service, True), (people.admin, True)):
        assert bool(await reading.load_transactions(people.bank.engine, viewer, [result.transaction.id])) == sees
    assert result.transaction.id not in await people.listed(people.bob, people.theirs)


def condition(kind: ConditionKind, wallet: str, value: str | int, currency: str = "USD") -> ConditionInput:
    if isinstance(value, int):
        return ConditionInput(kind, wallet, sequence=value)
    return ConditionInput(kind, wallet, amount=value, currency=currency)


async def test_a_condition_that_holds_lets_the_transfer_through_and_one_that_does_not_leaves_the_key_free(
    people: People, owner: asyncpg.Connection
) -> None:
    async def pay(*conditions: ConditionInput, key: str) -> TransferResult:
        details = TransferInput(key, people.mine, people.theirs, "1.00", "USD", conditions=conditions)
        return await transfer(people.bank.ledger, people.alice, details)

    seen = ConditionKind.SEQUENCE_IS, ConditionKind.AVAILABLE_AT_LEAST, ConditionKind.BALANCE_AT_MOST
    for key, fails, holds in (
        ("a", condition(seen[0], people.mine, 0), condition(seen[0], people.mine, 1)),
        ("b", condition(seen[1], people.mine, "99.01"), condition(seen[1], people.mine, "99.00")),
        ("c", condition(seen[2], people.mine, "97.99"), condition(seen[2], people.mine, "98.00")),
        ("d", condition(seen[2], people.mine, "-1.00"), condition(seen[2], people.my_euros, "0.00", "EUR")),
    ):
        refused = await pay(fails, key=key)
        assert [refusal.code for refusal in refused.refusals] == [RefusalCode.CONDITION_FAILED]
        assert refused.transaction is None
        assert refused.refusals[0].wallet_id == uuid_of(fails.wallet_id)
        assert (await pay(holds, key=key)).refusals == ()
        assert (await pay(holds, key=key)).replayed
        assert (await pay(fails, key=key)).refusals[0].code is RefusalCode.IDEMPOTENCY_KEY_REUSED
    assert await owner.fetchval("SELECT count(*) FROM transactions WHERE status = 'FAILED'") == 0


async def test_conditions_are_about_own_wallets_in_their_own_currency(people: People) -> None:
    for given, code, field in (
        (condition(ConditionKind.BALANCE_AT_MOST, people.theirs, "9999.00"), RefusalCode.WALLET_NOT_FOUND, "walletId"),
        (condition(ConditionKind.SEQUENCE_IS, "wal_x", 1), RefusalCode.WALLET_NOT_FOUND, "walletId"),
        (condition(ConditionKind.AVAILABLE_AT_LEAST, people.mine, "1.00", "EUR"), RefusalCode.CURRENCY_MISMATCH, "amount"),
        (condition(ConditionKind.AVAILABLE_AT_LEAST, people.mine, "1.001"), RefusalCode.INVALID_AMOUNT, "amount"),
    ):
        details = TransferInput(new_key(), people.mine, people.theirs, "1.00", "USD", conditions=[given])
        result = await transfer(people.bank.ledger, people.alice, details)
        assert [refusal.code for refusal in result.refusals] == [code]
        assert result.transaction is None
        assert result.refusals[0].path == ("input", "conditions", "0", given.kind.value, field)
    sender_only = await people.bank.viewer("alice", scopes=["transfers:write"])
    details = TransferInput(
        new_key(), people.mine, people.theirs, "1.00", "USD", conditions=[condition(ConditionKind.SEQUENCE_IS, people.mine, 1)]
    )
    with pytest.raises(Forbidden):
        await transfer(people.bank.ledger, sender_only, details)


async def test_of_many_that_saw_the_same_sequence_one_pays(people: People, other_bank: Bank) -> None:
    async def pay(bank: Bank) -> TransferResult:
        seen = condition(ConditionKind.SEQUENCE_IS, people.mine, 1)
        details = TransferInput(new_key(), people.mine, people.theirs, "1.00", "USD", conditions=[seen])
        return await transfer(bank.ledger, people.alice, details)

    results = await asyncio.gather(*(pay(bank) for bank in (people.bank, other_bank) for _ in range(20)))
    assert sum(not result.refusals for result in results) == 1
    codes = {result.refusals[0].code for result in results if result.refusals}
    assert codes == {RefusalCode.CONDITION_FAILED}
    assert await people.bank.balance(people.mine) == 9900


async def test_metadata_and_reference_are_stored_compared_and_found(people: People) -> None:
    async def pay(key: str, **more: Any) -> TransferResult:
        return await transfer(
            people.bank.ledger, people.alice, TransferInput(key, people.mine, people.theirs, "1.00", "USD", **more)
        )

    pairs = (("shop", "Cafe\u0301"), ("order.no", "7"))
    first = await pay("k", reference="order-7", metadata=pairs)
    assert first.transaction is not None
    assert first.transaction.metadata == {"shop": "Caf\u00e9", "order.no": "7"}
    assert (await pay("k", reference="order-7", metadata=tuple(reversed(pairs)))).replayed
    for more in ({}, {"reference": "order-8", "metadata": pairs}, {"reference": "order-7", "metadata": pairs[:1]}):
        assert (await pay("k", **more)).refusals[0].code is RefusalCode.IDEMPOTENCY_KEY_REUSED
    await pay("another")
    for viewer, wallet in ((people.alice, people.mine), (people.bob, people.theirs)):
        assert await people.listed(viewer, wallet, reference="order-7") == [first.transaction.id]
    assert await people.listed(people.alice, people.mine, reference="order") == []
    page = await reading.all_transactions(people.bank.engine, people.admin, PageRequest(), TransactionFilter(reference="order-7"))
    assert [one.id for one in page.items] == [first.transaction.id]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"reference": ""}, "reference"),
        ({"reference": "r" * 141}, "reference"),
        ({"reference": "a\nb"}, "reference"),
        ({"metadata": [(f"k{n}", "") for n in range(21)]}, "metadata"),
        ({"metadata": [("", "x")]}, "key"),
        ({"metadata": [("k" * 41, "x")]}, "key"),
        ({"metadata": [("Shop", "x")]}, "key"),
        ({"metadata": [("a", "x"), ("a", "y")]}, "key"),
        ({"metadata": [("a", "x" * 501)]}, "value"),
        ({"metadata": [("a", "x\u202ey")]}, "value"),
        ({"conditions": [condition(ConditionKind.SEQUENCE_IS, "wal_x", 1)] * 21}, "conditions"),
    ],
)
async def test_additions_beyond_their_limits_are_refused_and_leave_the_key_free(
    people: People, more: dict[str, Any], field: str
) -> None:
    details = TransferInput("k", people.mine, people.theirs, "1.00", "USD", **more)
    result = await transfer(people.bank.ledger, people.alice, details)
    assert [refusal.code for refusal in result.refusals] == [RefusalCode.INVALID_INPUT]
    assert result.refusals[0].path[-1] == field
    plain = await transfer(people.bank.ledger, people.alice, TransferInput("k", people.mine, people.theirs, "1.00", "USD"))
    assert plain.refusals == ()


async def test_the_trial_balance_closes_in_each_currency(people: People) -> None:
    await people.post(*exchange(people))
    status = await reading.ledger_status(people.bank.engine, people.admin, system_clock)
    lines = {(line.currency, line.account_type): line.balance for line in status.trial_balance}
    assert lines["USD", AccountType.INCOME] == 25
    assert lines["USD", AccountType.ASSET] == -10_500
    assert lines["USD", AccountType.LIABILITY] == 10_475
    for currency in ("USD", "EUR"):
        assert sum(balance for (of, _), balance in lines.items() if of == currency) == 0


async def test_many_postings_and_transfers_over_two_processes_leave_the_ledger_whole(
    people: People, other_bank: Bank, settings: Settings
) -> None:
    async def one(number: int) -> TransferResult:
        bank = (people.bank, other_bank)[number % 2]
        if number % 3:
            return await bank.pay(people.alice, people.mine, people.theirs, "0.10")
        details = PostingInput(new_key(), exchange(people))
        return await post_transaction(bank.ledger, people.service, details)

    results = await asyncio.gather(*(one(number) for number in range(60)))
    codes = {refusal.code for result in results for refusal in result.refusals}
    assert codes <= {RefusalCode.INSUFFICIENT_FUNDS}
    assert await verify(settings) == []
