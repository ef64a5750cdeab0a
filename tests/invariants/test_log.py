"""The Merkle log has each settled transaction once, and finds whatever is done to the tables afterwards, also by a superuser."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from app import ids
from app.db import leaf_sql, log_sql, sequence_sql
from app.db.engine import connect
from app.records import Transaction
from app.services.receipts import merkle, notes
from app.services.receipts.notes import Checkpoint
from app.services.receipts.sealing import LogStopped, Sealer, contradiction, read_tiles, seal, sign
from app.services.receipts.verification import findings
from app.services.transfers import TransferInput, transfer
from app.services.verification import verify
from app.settings import Settings
from app.telemetry import metrics
from tests.bank import Bank, new_key
from tests.invariants.conftest import bank, other_bank, owner
from tests.live_world import outbox_empty, running_relay
from tests.waiting import START_SECONDS

__all__ = ["bank", "other_bank", "owner"]

SIGNER = notes.new_signer("example.com/ledger")


class Story:
    """A sealed and signed log of seven transactions, five of them payments with words."""

    def __init__(self, bank: Bank, settings: Settings, connection: asyncpg.Connection) -> None:
        self.bank, self.settings, self.connection = bank, settings, connection
        self.paid: list[Transaction] = []

    async def build(self) -> Story:
        self.alice = await self.bank.viewer("alice")
        self.mine, self.theirs = await self.bank.wallet(self.alice, balance="50.00"), await self.bank.wallet(self.alice)
        for _ in range(5):
            await self.pay()
        return self

    async def pay(self) -> None:
        # Every second one with words.
        words = "rent" if len(self.paid) % 2 else None
        values = TransferInput(new_key(), self.mine, self.theirs, "1.00", "USD", words)
        paid = (await transfer(self.bank.ledger, self.alice, values)).transaction
        assert paid is not None
        self.paid.append(paid)

    async def seal(self) -> int:
        """Number, seal, and return the size."""
        async with running_relay(self.settings):
            await outbox_empty(self.bank.engine)
        while await seal(self.connection):
            pass
        return await log_sql.size(self.connection)


@pytest.fixture
async def story(bank: Bank, settings: Settings, owner: asyncpg.Connection) -> Story:
    return await Story(bank, settings, owner).build()


async def test_every_settled_transaction_is_one_leaf_at_its_place(story: Story, owner: asyncpg.Connection) -> None:
    assert await story.seal() == 6
    for paid in story.paid:
        place = await sequence_sql.place_of(owner, paid.id)
        assert place is not None
        (settled, *_) = await log_sql.settled_from(owner, place.settled_index, 1)
        assert (settled.first_index, settled.ids[0]) == (place.settled_index, paid.id)
    assert await verify(story.settings) == []


async def test_two_sealers_append_each_leaf_once(story: Story, owner: asyncpg.Connection, settings: Settings) -> None:
    async with running_relay(settings):
        await outbox_empty(story.bank.engine)
    others = [await connect(settings) for _ in range(3)]
    try:
        done = await asyncio.gather(*(seal(other) for other in others), return_exceptions=True)
        assert all(isinstance(one, int | asyncpg.IntegrityConstraintViolationError) for one in done), done
    finally:
        for other in others:
            await other.close()
    assert await log_sql.size(owner) == 6
    assert await verify(settings) == []


async def test_the_relay_seals_and_signs(story: Story, owner: asyncpg.Connection, settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint"
    signing = settings.model_copy(
        update={"log_key": SecretStr(SIGNER.encode()), "log_checkpoint_seconds": 0.1, "log_checkpoint_file": file}
    )
    async with running_relay(signing), asyncio.timeout(START_SECONDS):
        while (newest := await log_sql.last_checkpoint(owner)) is None or newest.size < 6:  # noqa: ASYNC110 - it happens in the relay
            await asyncio.sleep(0.05)
    assert notes.verify(newest.note, SIGNER.verifier).size == 6
    assert file.read_text(encoding="utf-8") == newest.note
    assert await verify(settings) == []


# What a transaction can be, and its words.
CONTENTS = {
    "words": """
        UPDATE transactions SET description = 'Kaffee, groß 🙂', reference = 'R-1', metadata = '{{"b": 1, "a": "ü"}}'
        WHERE id = '{id}'
    """,
    "metadata alone": """UPDATE transactions SET description = NULL, metadata = '{{"a": [1]}}' WHERE id = '{id}'""",
    "a capture": """
        UPDATE transactions SET type = 'CAPTURE', hold_id = '{other}', terms = '{{"capture": {{"final": true}}}}'
        WHERE id = '{id}'
    """,
    "a reversal with a fee": """
        UPDATE transactions SET type = 'REVERSAL', reverses_id = '{other}', terms = '{{"reversal": {{}}}}', fee = 5,
               fee_schedule_id = '{other}' WHERE id = '{id}'
    """,
    "a conversion": "UPDATE transactions SET type = 'CONVERSION', quote_id = '{other}' WHERE id = '{id}'",
    "a posting of thirteen legs": """
        UPDATE transactions SET type = 'POSTING', sender_wallet_id = NULL, receiver_wallet_id = NULL,
               terms = '{{"legs": []}}' WHERE id = '{id}';
        INSERT INTO ledger_entries (transaction_id, leg, wallet_id, sequence, amount, balance_after, created_at, purpose)
        SELECT transaction_id, n, wallet_id, 1000 + n, n, -n, created_at, 'FEE' FROM ledger_entries, generate_series(12, 2, -1) n
        WHERE transaction_id = '{id}' AND leg = 0
    """,
    "entries in an archive": """
        INSERT INTO archived_entries SELECT e.transaction_id, array_agg('\\x02'::bytea || {entry} ORDER BY e.leg)
        FROM ledger_entries e WHERE e.transaction_id = '{id}' GROUP BY 1;
        DELETE FROM ledger_entries WHERE transaction_id = '{id}'
    """,
}


@pytest.mark.parametrize("content", CONTENTS)
async def test_the_database_makes_the_leaf_that_python_makes(story: Story, owner: asyncpg.Connection, content: str) -> None:
    ids_ = {"id": story.paid[1].id, "other": story.paid[3].id, "entry": log_sql.ENTRY}
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(CONTENTS[content].format(**ids_))
    await owner.execute("SET session_replication_role = origin")
    assert await story.seal() == 6
    assert await findings(owner) == []


async def test_a_log_goes_on_in_the_middle_of_a_chunk(story: Story, owner: asyncpg.Connection) -> None:
    await story.seal()
    before = await read_tiles(owner, merkle.last_tiles(6))
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("UPDATE transactions SET description = NULL; DELETE FROM log_salts; DELETE FROM log_tiles")
    await owner.execute("SET session_replication_role = origin")
    assert await story.seal() == 6
    whole = await read_tiles(owner, merkle.last_tiles(6))
    assert whole != before, "the words are part of the leaves"
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("UPDATE log_tiles SET hashes = substring(hashes FROM 1 FOR 64) WHERE level = 0")
    await owner.execute("SET session_replication_role = origin")
    assert await log_sql.size(owner) == 2
    assert await seal(owner) == 4
    assert await read_tiles(owner, merkle.last_tiles(6)) == whole


async def test_each_transaction_has_a_salt_of_its_own_for_its_words(story: Story, owner: asyncpg.Connection) -> None:
    await story.seal()
    salts = await owner.fetch("SELECT transaction_id, salt FROM log_salts")
    with_words = [paid.id for paid in story.paid if paid.description is not None]
    assert len(with_words) == 2
    assert sorted(row["transaction_id"] for row in salts) == sorted(with_words)
    assert len({row["salt"][half : half + 16] for row in salts for half in (0, 16)}) == 4


OFF = "ALTER TABLE {0} DISABLE TRIGGER USER"
AMOUNT = "UPDATE transactions SET amount = amount + 1 WHERE id = '{id}'"
# By a superuser who has switched the triggers off: what is done, and what verification says.
DRILLS = {
    "an amount": (AMOUNT, "Transaction {txn} is not what it was when it became leaf {leaf} of the log: it was changed."),
    "a time, by a microsecond": (
        "UPDATE transactions SET completed_at = completed_at + interval '1 microsecond' WHERE id = '{id}'",
        "Transaction {txn} is not what it was",
    ),
    "a key": ("UPDATE transactions SET idempotency_key = 'x' WHERE id = '{id}'", "Transaction {txn} is not what it was"),
    "words": ("UPDATE transactions SET description = 'bribe' WHERE id = '{id}'", "Transaction {txn} is not what it was"),
    "words taken away": ("UPDATE transactions SET description = NULL WHERE id = '{id}'", "Transaction {txn} is not what it was"),
    "words where there were none": (
        "UPDATE transactions SET description = 'bribe' WHERE id = '{silent}'",
        "Transaction {silent_txn} is not what it was",
    ),
    "an entry": (
        "UPDATE ledger_entries SET balance_after = balance_after + 1 WHERE transaction_id = '{id}' AND leg = 0",
        "Transaction {txn} is not what it was",
    ),
    "entries deleted": ("DELETE FROM ledger_entries WHERE transaction_id = '{id}'", "Transaction {txn} is not what it was"),
    "a transaction deleted": (
        "DELETE FROM transactions WHERE id = '{id}'",
        "Transaction {txn}, leaf {leaf} of the log, was removed.",
    ),
    "a transaction failed": (
        "UPDATE transactions SET status = 'FAILED', failure_code = 'BATCH_ABORTED', completed_at = NULL WHERE id = '{id}'",
        "Transaction {txn}, leaf {leaf} of the log, was removed.",
    ),
    "a transaction inserted": (
        """
        INSERT INTO transactions SELECT (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid(),
        'idempotency_key', 'forged'))).* FROM transactions t WHERE id = '{id}'
        """,
        "is COMPLETED, but it has no position, and no event of it waits for one.",
    ),
    "two reordered": (
        """
        UPDATE event_chunks SET subject_ids = array_replace(array_replace(array_replace(subject_ids, '{id}', '{nothing}'),
        '{other}', '{id}'), '{nothing}', '{other}')
        """,
        "Transaction {txn} has the position of leaf {other_leaf} of the log, which is of transaction {other_txn}: reordered.",
    ),
    "the tail truncated": (
        """
        DELETE FROM ledger_entries WHERE transaction_id = '{last}'; DELETE FROM transactions WHERE id = '{last}';
        DELETE FROM event_chunks WHERE '{last}' = ANY (subject_ids)
        """,
        "The log has 7 leaves, but only 6 settled transactions have positions: the end was removed.",
    ),
    "a leaf in the log": (
        "UPDATE log_tiles SET hashes = set_byte(hashes, {leaf} * 32, get_byte(hashes, {leaf} * 32) # 1) WHERE level = 0",
        "Transaction {txn} is not what it was when it became leaf {leaf} of the log: it was changed.",
    ),
    "the end of the log": (
        "UPDATE log_tiles SET hashes = substring(hashes FROM 1 FOR 64) WHERE level = 0",
        "The log has 2 leaves, but a checkpoint of 7 was signed: its end was removed.",
    ),
    "a checkpoint": (
        "UPDATE log_checkpoints SET root = sha256('x') WHERE size = 6",
        "The checkpoint of 6 leaves has another root than the log had then.",
    ),
}
TABLES = ("transactions", "ledger_entries", "wallets", "event_chunks", "log_tiles", "log_checkpoints", "reversed_amounts")


@pytest.mark.parametrize("drill", DRILLS)
async def test_what_a_superuser_does_to_the_tables_is_named(
    story: Story, owner: asyncpg.Connection, settings: Settings, drill: str
) -> None:
    await story.seal()
    await sign(owner, SIGNER, None)
    await story.pay()
    await story.seal()
    await sign(owner, SIGNER, None)
    assert await verify(settings) == []
    target, other, last = story.paid[1], story.paid[3], story.paid[-1]
    names: dict[str, object] = {"id": target.id, "other": other.id, "last": last.id, "nothing": ids.new_id(target.created_at)}
    names |= {"silent": story.paid[2].id, "silent_txn": ids.encode("txn", story.paid[2].id)}
    for name, paid in (("", target), ("other_", other)):
        place = await sequence_sql.place_of(owner, paid.id)
        assert place is not None
        names |= {f"{name}leaf": place.settled_index, f"{name}txn": ids.encode("txn", paid.id)}
    for table in TABLES:
        await owner.execute(OFF.format(table))
    statement, expected = DRILLS[drill]
    await owner.execute(statement.format(**names))
    for table in TABLES:
        await owner.execute(OFF.format(table).replace("DISABLE", "ENABLE"))
    found = await verify(settings)
    assert [one for one in found if expected.format(**names) in one], found


async def test_an_outsider_with_an_old_checkpoint_finds_a_history_that_was_sealed_anew(
    story: Story, owner: asyncpg.Connection, settings: Settings
) -> None:
    """The superuser changes a row and makes log and checkpoints anew: only a checkpoint that is kept elsewhere shows it."""
    await story.seal()
    kept = await sign(owner, SIGNER, None)
    assert kept is not None
    for table in TABLES:
        await owner.execute(OFF.format(table))
    await owner.execute("UPDATE transactions SET description = 'bribe' WHERE id = $1", story.paid[2].id)
    for table in ("log_checkpoints", "log_tiles", "log_salts"):
        await owner.execute(f"DELETE FROM {table}")
    for table in TABLES:
        await owner.execute(OFF.format(table).replace("DISABLE", "ENABLE"))
    assert await story.seal() == 6
    assert await verify(settings) == []
    assert "history was changed" in (await contradiction(owner, kept) or "")
    await story.pay()
    await story.seal()
    assert "history was changed" in (await contradiction(owner, kept) or "")


async def test_two_checkpoints_are_proved_consistent(story: Story, owner: asyncpg.Connection) -> None:
    await story.seal()
    old = await sign(owner, SIGNER, None)
    await story.pay()
    await story.seal()
    new = await sign(owner, SIGNER, None)
    assert old is not None
    assert new is not None
    assert await contradiction(owner, old) is None
    ranges = merkle.consistency(old.size, new.size)
    tiles = await read_tiles(owner, merkle.needed(ranges))
    assert _follows(old, new, [merkle.hash_of(one, tiles) for one in ranges])
    assert not _follows(Checkpoint(old.origin, old.size, bytes(32)), new, [merkle.hash_of(one, tiles) for one in ranges])


def _follows(old: Checkpoint, new: Checkpoint, path: list[bytes]) -> bool:
    """RFC 9162, 2.1.4.2."""
    if old.size & (old.size - 1) == 0:
        path = [old.root, *path]
    node, last = old.size - 1, new.size - 1
    while node % 2:
        node, last = node // 2, last // 2
    first = second = path[0]
    for hash_ in path[1:]:
        if last == 0:
            return False
        if node % 2 or node == last:
            first, second = merkle.node_hash(hash_, first), merkle.node_hash(hash_, second)
            while node and node % 2 == 0:
                node, last = node // 2, last // 2
        else:
            second = merkle.node_hash(second, hash_)
        node, last = node // 2, last // 2
    return (first, second, last) == (old.root, new.root, 0)


async def test_a_restored_database_behind_its_published_checkpoint_does_not_sign(
    story: Story, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "published"
    await story.seal()
    await sign(owner, SIGNER, file)
    published = file.read_text(encoding="utf-8")
    # As a backup from before the checkpoint, and from before the last leaves.
    for table in TABLES:
        await owner.execute(OFF.format(table))
    await owner.execute("DELETE FROM log_checkpoints")
    await owner.execute("UPDATE log_tiles SET hashes = substring(hashes FROM 1 FOR 64)")
    with pytest.raises(LogStopped, match="its end is missing"):
        await sign(owner, SIGNER, file)
    await owner.execute("UPDATE log_tiles SET hashes = hashes || sha256('a') || sha256('b') || sha256('c') || sha256('d')")
    with pytest.raises(LogStopped, match="history was changed"):
        await sign(owner, SIGNER, file)
    assert await log_sql.last_checkpoint(owner) is None
    assert file.read_text(encoding="utf-8") == published


@pytest.mark.parametrize("content", ["", "x\n\n— y AAAA\n", "\u0000"])
async def test_a_damaged_file_stops_signing_and_is_not_replaced(
    story: Story, owner: asyncpg.Connection, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "published"
    file.write_text(content, encoding="utf-8")
    await story.seal()
    with pytest.raises(LogStopped, match="is not a checkpoint"):
        await sign(owner, SIGNER, file)
    with pytest.raises(LogStopped, match="cannot be written"):
        await sign(owner, SIGNER, tmp_path / "missing" / "file")
    assert file.read_text(encoding="utf-8") == content
    assert await log_sql.last_checkpoint(owner) is None


async def test_a_key_of_another_name_signs_nothing(story: Story, owner: asyncpg.Connection) -> None:
    await story.seal()
    assert await sign(owner, SIGNER, None) is not None
    assert await sign(owner, SIGNER, None) is None, "nothing new"
    with pytest.raises(LogStopped, match=r"the key is of example\.com/other"):
        await sign(owner, notes.new_signer("example.com/other"), None)


async def test_a_log_that_is_stopped_is_reported_once_and_goes_on_when_it_can(
    story: Story, owner: asyncpg.Connection, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await story.seal()
    sealer = Sealer(SIGNER, tmp_path / "missing" / "file", 0)
    for _ in range(3):
        await sealer.round(owner)
    (tmp_path / "missing").mkdir()
    await sealer.round(owner)
    said = [record.message for record in caplog.records if record.name == "app.services.receipts.sealing"]
    assert len(said) == 2
    assert "cannot be written" in said[0]
    assert "goes on" in said[1]
    assert await log_sql.last_checkpoint(owner) is not None


CUT = "UPDATE log_tiles SET hashes = substring(hashes FROM 1 FOR 64) WHERE level = 0"
# What a superuser does to the log, and why the sealer stops.
CUTS = {
    "its end, with the checkpoint": (f"{CUT}; DELETE FROM log_checkpoints", "the end of the log was removed"),
    "its end, signed before": (CUT, "the end of the log was removed"),
    "all tiles": ("DELETE FROM log_tiles", "the end of the log was removed"),
    "salts of leaves to come": (
        "INSERT INTO log_salts SELECT id, sha256('x') FROM transactions WHERE description IS NOT NULL ON CONFLICT DO NOTHING",
        "the end of the log was removed",
    ),
}


@pytest.mark.parametrize("cut", CUTS)
async def test_a_log_whose_end_is_removed_stands_still_says_why_and_is_not_signed(
    story: Story, owner: asyncpg.Connection, settings: Settings, caplog: pytest.LogCaptureFixture, cut: str
) -> None:
    await story.seal()
    signing = settings.model_copy(update={"log_key": SecretStr(SIGNER.encode()), "log_checkpoint_seconds": 0.0})
    sealer = Sealer(SIGNER, None, 0)
    await sealer.round(owner)
    before = await log_sql.last_checkpoint(owner)
    assert before is not None
    statement, reason = CUTS[cut]
    if cut.startswith("salts"):
        await story.pay()
        await story.pay()
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(statement)
    await owner.execute("SET session_replication_role = origin")
    size, signed = await log_sql.size(owner), await log_sql.last_checkpoint(owner)
    async with running_relay(signing), asyncio.timeout(START_SECONDS):
        while not (said := [one for one in caplog.records if "stands still" in one.message]):  # noqa: ASYNC110 - in the relay
            await asyncio.sleep(0.05)
        await outbox_empty(story.bank.engine)
        await asyncio.sleep(1.2)
        assert metrics.LOG_STOPPED._value.get() == 1
    assert [one.levelname for one in said] == ["ERROR"], "it is said once"
    assert reason in said[0].message
    assert [one.message for one in caplog.records if "sealer" in one.message] == []
    assert [one for one in caplog.records if one.exc_info] == []
    assert await log_sql.size(owner) == size, "nothing is appended over what is gone"
    assert await log_sql.last_checkpoint(owner) == signed, "nothing is signed"
    assert [one for one in await verify(settings) if one.endswith("the log's end was removed.")]


async def test_a_tile_that_is_gone_stops_the_log(story: Story, owner: asyncpg.Connection) -> None:
    await story.seal()
    # As after 257 leaves, of which the tile above the first 256 is gone.
    await owner.execute("SET session_replication_role = replica")
    await owner.execute("UPDATE event_chunks SET settled = settled + 251")
    await owner.execute("UPDATE log_tiles SET hashes = decode(repeat('00', 8192), 'hex')")
    await owner.execute("INSERT INTO log_tiles VALUES (0, 1, sha256('a'))")
    await owner.execute("SET session_replication_role = origin")
    await story.pay()
    with pytest.raises(LogStopped, match="tile 0 of level 1 is incomplete"):
        await story.seal()


async def test_a_sealer_that_is_overtaken_appends_no_leaf_twice(
    story: Story, owner: asyncpg.Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has read the size, and another one appends before it reads the tiles. Nothing has words, so no salt collides."""
    await story.seal()
    for _ in range(2):
        values = TransferInput(new_key(), story.mine, story.theirs, "1.00", "USD", None)
        assert (await transfer(story.bank.ledger, story.alice, values)).transaction is not None
    async with running_relay(settings.model_copy(update={"log_key": None})):
        await outbox_empty(story.bank.engine)
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(f"{CUT.replace('64', str(6 * 32))}")
    await owner.execute("SET session_replication_role = origin")
    other = await connect(settings)
    make = leaf_sql.make_leaves

    async def make_and_be_overtaken(*given: Any) -> list[bytes]:
        monkeypatch.setattr(leaf_sql, "make_leaves", make)
        made = await make(*given)
        assert await seal(other) == 2
        return made

    monkeypatch.setattr(leaf_sql, "make_leaves", make_and_be_overtaken)
    try:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await seal(owner)
    finally:
        await other.close()
    assert await log_sql.size(owner) == 8
    assert await verify(settings) == []
