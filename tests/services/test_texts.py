"""Names, descriptions and reasons are normalized by one rule. Keys from releases before the rule still replay."""

from __future__ import annotations

import asyncio
import hashlib
import unicodedata

import asyncpg
import orjson
import pytest

from app import ids
from app.access.viewer import Viewer
from app.errors import ConfigurationError, RefusalCode
from app.records import WalletStatus
from app.services import wallets
from app.services.quotas import QuotaChange, set_quota
from app.services.transfers import DepositInput, TransferInput, TransferResult, deposit, transfer, transfer_batch
from app.services.verification import verify
from app.services.wallets import OpenWalletInput, WalletResult, open_wallet, set_wallet_status
from app.settings import Settings
from tests.bank import Bank, new_key, uuid_of
from tests.invariants.conftest import owner

__all__ = ["owner"]

COMPOSED = "Café"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)
OLDER = {"decomposed": DECOMPOSED, "reordered": "pay \u202eecila", "blank": "  ", "of two lines": "a\u2028b"}
"""Texts as releases before the rule stored them, unchanged."""


async def pay(bank: Bank, payer: Viewer, wallets: tuple[str, str], description: str, key: str) -> TransferResult:
    return await transfer(bank.ledger, payer, TransferInput(key, *wallets, "1.00", "USD", description))


async def opened(bank: Bank, viewer: Viewer, name: str, key: str) -> WalletResult:
    return await open_wallet(bank.engine, viewer, OpenWalletInput(key, "USD", name), bank.currencies, bank.clock, most=9)


async def keep_as_older_releases_did(owner: asyncpg.Connection, key: str, description: str) -> None:
    await owner.execute("ALTER TABLE transactions DISABLE TRIGGER transactions_guard")
    await owner.execute("UPDATE transactions SET description = $2 WHERE idempotency_key = $1", key, description)
    await owner.execute("ALTER TABLE transactions ENABLE TRIGGER transactions_guard")


async def test_a_description_is_stored_composed_and_both_forms_are_the_same_request(bank: Bank) -> None:
    alice = await bank.viewer("alice")
    a, b, key = await bank.wallet(alice, balance="9.00"), await bank.wallet(alice), new_key()
    first = await pay(bank, alice, (a, b), DECOMPOSED, key)
    assert first.transaction is not None
    assert first.transaction.description == COMPOSED
    for form in (DECOMPOSED, COMPOSED):
        again = await pay(bank, alice, (a, b), form, key)
        assert (again.replayed, again.transaction) == (True, first.transaction)
    other = await pay(bank, alice, (a, b), "Cafe", key)
    assert [refusal.code for refusal in other.refusals] == [RefusalCode.IDEMPOTENCY_KEY_REUSED]
    assert await bank.balance(b) == 100


@pytest.mark.parametrize("kind", OLDER)
async def test_a_key_from_before_the_rule_replays_but_its_text_is_refused_with_a_new_key(
    bank: Bank, owner: asyncpg.Connection, settings: Settings, kind: str
) -> None:
    alice, text = await bank.viewer("alice"), OLDER[kind]
    a, b, key = await bank.wallet(alice, balance="9.00"), await bank.wallet(alice), new_key()
    await pay(bank, alice, (a, b), "as it is now", key)
    await keep_as_older_releases_did(owner, key, text)

    again = await pay(bank, alice, (a, b), text, key)
    assert (again.replayed, again.refusals) == (True, ())
    transfers = [TransferInput(key, a, b, "1.00", "USD", text), TransferInput(new_key(), a, b, "2.00", "USD")]
    batch = await transfer_batch(bank.ledger, alice, transfers, atomic=True)
    assert [(result.replayed, result.refusals) for result in batch.results] == [(True, ()), (False, ())]

    other = await pay(bank, alice, (a, b), text + "!", key)
    assert other.refusals[0].code is (
        RefusalCode.IDEMPOTENCY_KEY_REUSED if kind in ("decomposed", "blank") else RefusalCode.INVALID_INPUT
    )
    new = await pay(bank, alice, (a, b), text, new_key())
    assert [refusal.code for refusal in new.refusals] == ([] if kind == "decomposed" else [RefusalCode.INVALID_INPUT])
    assert await bank.balance(b) == (400 if kind == "decomposed" else 300)
    assert await verify(settings) == []


async def test_an_invalid_text_is_refused_before_any_other_error(bank: Bank) -> None:
    alice = await bank.viewer("alice")
    a = await bank.wallet(alice)
    unknown = ids.encode("wal", ids.new_id(bank.clock()))
    for sender, receiver, key in ((a, a, new_key()), (unknown, a, new_key()), (a, "nonsense", new_key()), (a, unknown, "no key")):
        (refusal,) = (await pay(bank, alice, (sender, receiver), "a\u202eb", key)).refusals
        assert (refusal.code, refusal.path[-1]) == (RefusalCode.INVALID_INPUT, "description")
    assert await bank.count("transactions") == 0


async def test_an_invalid_text_waits_for_a_process_of_the_previous_release_that_settles_the_same_key(
    bank: Bank, owner: asyncpg.Connection
) -> None:
    alice = await bank.viewer("alice")
    a, b, key = await bank.wallet(alice, balance="9.00"), await bank.wallet(alice), new_key()
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("SELECT FROM wallets WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE", [uuid_of(a), uuid_of(b)])
    paying = asyncio.create_task(pay(bank, alice, (a, b), "a\u202eb", key))
    done, _ = await asyncio.wait([paying], timeout=1)
    assert not done
    await owner.execute(
        """
        INSERT INTO transactions (id, initiator_id, sender_wallet_id, receiver_wallet_id, amount, created_at, type, status,
            idempotency_key, currency, failure_code, failure_field, description)
        VALUES ($1, $2, $3, $4, 100, now(), 'TRANSFER', 'FAILED', $5, 'USD', 'WALLET_NOT_ACTIVE', 'senderWalletId', $6)
        """,
        ids.new_transaction_id(bank.clock()), alice.user_id, uuid_of(a), uuid_of(b), key, "a\u202eb",
    )  # fmt: skip
    await transaction.commit()
    result = await paying
    assert (result.replayed, result.refusals[0].code) == (True, RefusalCode.WALLET_NOT_ACTIVE)


@pytest.mark.parametrize("kind", ["decomposed", "reordered"])
async def test_a_wallets_name_is_stored_by_the_rule_and_older_keys_replay(
    bank: Bank, owner: asyncpg.Connection, kind: str
) -> None:
    alice, name, key = await bank.viewer("alice"), OLDER[kind], new_key()
    first = await opened(bank, alice, "as it is now", key)
    older = wallets._hash(OpenWalletInput(key, "USD", name))
    assert older == hashlib.sha256(orjson.dumps(["OPEN_WALLET", "USD", name])).digest()
    await owner.execute("ALTER TABLE wallet_openings DISABLE TRIGGER USER")
    await owner.execute("UPDATE wallet_openings SET request_hash = $2 WHERE idempotency_key = $1", key, older)

    again = await opened(bank, alice, name, key)
    assert first.wallet is not None
    assert again.wallet is not None
    assert (again.replayed, again.wallet.id) == (True, first.wallet.id)
    assert (await opened(bank, alice, name + "!", key)).refusals
    new = await opened(bank, alice, name, new_key())
    if kind == "decomposed":
        assert new.wallet is not None
        assert new.wallet.name == COMPOSED
    else:
        assert [(refusal.code, refusal.path[-1]) for refusal in new.refusals] == [(RefusalCode.INVALID_INPUT, "name")]


async def test_both_forms_of_a_name_are_the_same_request(bank: Bank) -> None:
    alice, key = await bank.viewer("alice"), new_key()
    first = await opened(bank, alice, DECOMPOSED, key)
    for form in (COMPOSED, DECOMPOSED):
        again = await opened(bank, alice, form, key)
        assert (again.replayed, again.wallet) == (True, first.wallet)
    assert await bank.count("wallets") == 1


async def test_reasons_are_stored_or_refused_by_the_rule(bank: Bank, owner: asyncpg.Connection, settings: Settings) -> None:
    alice, admin = await bank.viewer("alice"), await bank.viewer("admin", admin=True)
    wallet = await bank.wallet(alice)

    async def freeze(reason: str) -> WalletResult:
        return await set_wallet_status(bank.engine, admin, wallet, WalletStatus.FROZEN, reason, clock=bank.clock)

    for reason in ("\u200b", "a\u2028b", "a\u202eb"):
        assert [refusal.path[-1] for refusal in (await freeze(reason)).refusals] == ["reason"]
        with pytest.raises(ConfigurationError, match=r"reason: .*U\+20"):
            await set_quota(settings, "alice", QuotaChange(transfers_per_day=5), reason)
        paid = await deposit(bank.ledger, admin, DepositInput(new_key(), wallet, "1.00", "USD", reason))
        assert [refusal.path[-1] for refusal in paid.refusals] == ["description"]
    assert await bank.count("audit_log") == 0
    await deposit(bank.ledger, admin, DepositInput(new_key(), wallet, "1.00", "USD", DECOMPOSED))
    await freeze(DECOMPOSED)
    await set_quota(settings, "alice", QuotaChange(transfers_per_day=5), DECOMPOSED)
    assert [row["reason"] for row in await owner.fetch("SELECT reason FROM audit_log")] == [COMPOSED] * 3
