"""`paycore receipt` and `paycore log`: a receipt is checked offline, a checkpoint kept elsewhere shows that history changed."""

from __future__ import annotations

import json
from pathlib import Path

import asyncpg
import pytest

from app.clock import system_clock, unix_milliseconds
from app.records import Transaction
from app.services.receipts import notes
from app.services.receipts.reading import consistency_proof, load_receipts, newest_checkpoint
from app.services.receipts.sealing import seal, sign
from app.settings import Settings
from tests.bank import Bank
from tests.invariants.conftest import bank, other_bank, owner
from tests.live_world import outbox_empty, running_relay
from tests.processes.test_cli import paycore

__all__ = ["bank", "other_bank", "owner"]

SIGNER = notes.new_signer("example.com/ledger")
KEY = str(SIGNER.verifier)


async def _paid(bank: Bank, settings: Settings, owner: asyncpg.Connection) -> Transaction:
    """alice has paid bob, and the log with that is signed."""
    alice, bob = await bank.viewer("alice"), await bank.viewer("bob")
    mine, theirs = await bank.wallet(alice, balance="50.00"), await bank.wallet(bob)
    paid = (await bank.pay(alice, mine, theirs, "4.50")).transaction
    assert paid is not None
    await _sign(bank, settings, owner)
    return paid


async def _sign(bank: Bank, settings: Settings, owner: asyncpg.Connection) -> None:
    async with running_relay(settings):
        await outbox_empty(bank.engine)
    while await seal(owner):
        pass
    await sign(owner, SIGNER, None)


async def test_each_party_gets_a_receipt_that_opens_what_they_may_see(
    bank: Bank, settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    paid = await _paid(bank, settings, owner)
    opened = {}
    for name in ("alice", "bob", "root"):
        viewer = await bank.viewer(name, admin=name == "root")
        (receipt,) = (await load_receipts(bank.engine, viewer, [paid.id])).values()
        assert receipt.proof is not None
        file = tmp_path / f"{name}.tlog-proof"
        file.write_text(receipt.proof, encoding="utf-8")
        run = paycore("receipt", "verify", str(file), "--key", KEY)
        assert run.returncode == 0, run.stderr
        opened[name] = json.loads(run.stdout)
    assert {found["amount"] for found in opened.values()} == {450}
    assert {found["id"] for found in opened.values()} == {str(paid.id)}
    assert opened["alice"]["request"]["idempotency_key"] == paid.idempotency_key
    assert "request" not in opened["bob"]
    assert "request" not in opened["root"]
    balances = {name: [entry["balance_after"] for entry in found["entries"]] for name, found in opened.items()}
    assert balances == {"alice": [4550], "bob": [450], "root": [4550, 450]}
    carol = await bank.viewer("carol")
    assert await load_receipts(bank.engine, carol, [paid.id]) == {}
    file = tmp_path / "bob.tlog-proof"
    file.write_text(file.read_text(encoding="utf-8").replace("index 1", "index 0"), encoding="utf-8")
    run = paycore("receipt", "verify", str(file), "--key", KEY)
    assert (run.returncode, run.stdout) == (1, "")
    assert "NOT VALID: the proof does not lead to the checkpoint" in run.stderr


async def test_a_receipt_of_a_row_that_was_changed_is_not_valid(
    bank: Bank, settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    paid = await _paid(bank, settings, owner)
    await owner.execute("ALTER TABLE transactions DISABLE TRIGGER USER")
    await owner.execute("UPDATE transactions SET amount = 451 WHERE id = $1", paid.id)
    (receipt,) = (await load_receipts(bank.engine, await bank.viewer("alice"), [paid.id])).values()
    assert receipt.proof is not None
    file = tmp_path / "receipt"
    file.write_text(receipt.proof, encoding="utf-8")
    assert paycore("receipt", "verify", str(file), "--key", KEY).returncode == 1


async def test_a_checkpoint_that_was_kept_shows_whether_history_changed(
    bank: Bank, settings: Settings, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    assert paycore("log", "checkpoint", settings=settings).returncode == 2
    await _paid(bank, settings, owner)
    kept = tmp_path / "kept"
    kept.write_text(paycore("log", "checkpoint", settings=settings).stdout, encoding="utf-8")
    assert notes.verify(kept.read_text(encoding="utf-8"), SIGNER.verifier).size == 2
    assert "The log extends the checkpoint." in paycore("log", "check", str(kept), settings=settings).stdout
    await owner.execute("ALTER TABLE log_tiles DISABLE TRIGGER USER")
    await owner.execute("UPDATE log_tiles SET hashes = hashes || sha256('x')")
    assert paycore("log", "check", str(kept), settings=settings).returncode == 0
    await owner.execute("UPDATE log_tiles SET hashes = sha256('y') || substring(hashes FROM 33)")
    changed = paycore("log", "check", str(kept), settings=settings)
    assert changed.returncode == 1
    assert "history was changed" in changed.stdout
    await owner.execute("UPDATE log_tiles SET hashes = substring(hashes FROM 1 FOR 32)")
    assert "its end is missing" in paycore("log", "check", str(kept), settings=settings).stdout
    kept.write_text("x", encoding="utf-8")
    assert paycore("log", "check", str(kept), settings=settings).returncode == 2


async def test_cosignatures_of_known_witnesses_are_stored_and_shown(
    bank: Bank, settings: Settings, owner: asyncpg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _paid(bank, settings, owner)
    alice = await bank.viewer("alice")
    stored = await newest_checkpoint(bank.engine, alice)
    assert stored is not None
    checkpoint, _ = notes.parse(stored.note)
    witness, stranger = notes.new_signer("witness.example"), notes.new_signer("stranger.example")
    key = notes.VerifierKey(witness.name, witness.key.public_key(), is_witness=True)
    now = unix_milliseconds(system_clock()) // 1000
    lines = [notes.cosign(checkpoint, one, now).line for one in (witness, stranger)]
    file = tmp_path / "cosigned"
    file.write_text(stored.note + "".join(lines), encoding="utf-8")
    environment = {"PAYCORE_LOG_WITNESSES": str(key)}
    run = paycore("log", "cosigned", str(file), settings=settings, environment=environment)
    assert "added: witness.example." in run.stdout, run.stderr
    assert "added: none." in paycore("log", "cosigned", str(file), settings=settings, environment=environment).stdout
    shown = await newest_checkpoint(bank.engine, alice)
    assert shown is not None
    assert (shown.witnesses, shown.text) == (["witness.example"], stored.note + lines[0])
    wrong = notes.cosign(notes.Checkpoint(checkpoint.origin, 2, bytes(32)), witness, now).line
    file.write_text(stored.note + wrong, encoding="utf-8")
    assert paycore("log", "cosigned", str(file), settings=settings, environment=environment).returncode == 2
    other = notes.sign(notes.Checkpoint(checkpoint.origin, 2, bytes(32)), SIGNER)
    file.write_text(other, encoding="utf-8")
    refused = paycore("log", "cosigned", str(file), settings=settings, environment=environment)
    assert "has not signed this checkpoint" in refused.stderr


async def test_consistency_is_proved_for_sizes_up_to_the_checkpoints(
    bank: Bank, settings: Settings, owner: asyncpg.Connection
) -> None:
    alice = await bank.viewer("alice")
    assert await consistency_proof(bank.engine, alice, 1) is None
    await _paid(bank, settings, owner)
    assert [len(await consistency_proof(bank.engine, alice, size) or []) for size in (1, 2)] == [1, 0]
    for size in (0, 3, -1, 2**63 - 1):
        with pytest.raises(Exception, match="The size must be from 1 to 2"):
            await consistency_proof(bank.engine, alice, size)


def test_a_key_is_made_and_only_the_private_part_goes_to_standard_output() -> None:
    made = paycore("log", "key", "example.com/ledger")
    signer = notes.parse_signer(made.stdout.strip())
    assert signer.name == "example.com/ledger"
    assert str(signer.verifier) in made.stderr
    assert "PRIVATE" not in made.stderr
    assert paycore("log", "key", "a b").returncode == 2
