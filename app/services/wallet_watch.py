"""One subscriber's watch of a wallet: its position, the updates that follow from events, and the reads that fill gaps."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from app.db import live_sql
from app.messages import events
from app.messages.pubsub import Subscription
from app.messages.redis_backend import CATCH_UP
from app.paging.update_cursor import encode_update_cursor
from app.records import Entry, Wallet
from app.services.live_reads import EventReads, LiveDatabase, LiveReads
from app.telemetry import metrics, tracing

logger = logging.getLogger(__name__)

T = TypeVar("T")

_PAGE = 500
"""Entries that a watch reads at a time, and so holds in memory, while it catches up."""


class UpdateKind(StrEnum):
    """The WalletUpdateKind of GraphQL."""

    SNAPSHOT = "SNAPSHOT"
    ENTRY = "ENTRY"
    STATE = "STATE"


@dataclass(frozen=True, slots=True)
class WalletUpdate:
    """One update. `wallet` is the current state, never older than `entry`."""

    kind: UpdateKind
    cursor: str
    wallet: Wallet
    entry: Entry | None = None
    reads: EventReads = field(kw_only=True, repr=False, compare=False)
    """The reads for this update, shared with other subscribers."""


_UPDATES = {kind: metrics.LIVE_UPDATES.labels(kind.value) for kind in UpdateKind}


class WalletWatch:
    """One subscriber's position. `sequence` is that of the last entry it got, `wallet` the newest known state."""

    def __init__(
        self, wallet: Wallet, sequence: int, subscription: Subscription, reader: WalletReader, shared: LiveReads
    ) -> None:
        self.wallet = wallet
        self.sequence = sequence
        self._subscription = subscription
        self._reader = reader
        self._shared = shared

    def compare(self, sequence: int, version: int) -> None:
        """Catch up if the database was ahead of this watch one grace period ago."""
        if self.sequence < sequence or self.wallet.version < version:
            self._subscription.catch_up()

    async def updates(self) -> AsyncGenerator[WalletUpdate, None]:
        """Yield the updates. Does not end by itself."""
        async with aclosing(self._entries_up_to(self.wallet)) as missed:
            async for update in missed:
                yield update
        yield self._update(UpdateKind.SNAPSHOT)
        while True:
            message = await self._subscription.get()
            await self._shared.turns.take()
            event = None if message is CATCH_UP else self._own(parse(message))
            match event:
                case events.EntryEvent(entry) if entry.sequence <= self.sequence:
                    continue
                case events.EntryEvent(entry, trace) if entry.sequence == self.sequence + 1:
                    with tracing.delivery(trace, "deliver walletUpdated", str(entry.wallet_id)):
                        yield self._entry(entry)
                case events.WalletStateEvent(_, version):
                    if version > self.wallet.version:
                        self.wallet = await self._wallet_since(version)
                        yield self._update(UpdateKind.STATE)
                case _:
                    async with aclosing(self._catch_up()) as missed:
                        async for update in missed:
                            yield update

    def _own(self, event: events.Event | None) -> events.Event | None:
        """The event if it is this wallet's, otherwise None: another wallet's event on this channel is handled as a gap."""
        match event:
            case events.EntryEvent(entry) if entry.wallet_id == self.wallet.id:
                return event
            case events.WalletStateEvent(wallet_id) if wallet_id == self.wallet.id:
                return event
            case _:
                return None

    async def _catch_up(self) -> AsyncGenerator[WalletUpdate, None]:
        """Yield what the database has and the subscriber has not got yet."""
        metrics.CATCH_UPS.inc()
        known_version = self.wallet.version
        self.wallet = await self._read_wallet()
        async with aclosing(self._entries_up_to(self.wallet)) as missed:
            async for update in missed:
                yield update
        if self.wallet.version > known_version:
            yield self._update(UpdateKind.STATE)

    async def _entries_up_to(self, wallet: Wallet) -> AsyncGenerator[WalletUpdate, None]:
        """Yield the missing entries, exactly up to the sequence of this wallet row, so that both are consistent."""
        while self.sequence < wallet.sequence:
            for entry in await self._reader.entries(wallet, self.sequence):
                assert entry.sequence == self.sequence + 1, "a wallet's entries have no gap"
                await self._shared.turns.take()
                yield self._entry(entry)

    async def _wallet_since(self, version: int) -> Wallet:
        """Return the wallet with this change. All its watches get the event at once and share one read."""
        wallet_id = self.wallet.id
        reads = self._shared.of_event((wallet_id, version))
        wallet = await reads.once("watched", lambda _: self._reader.wallet(wallet_id))
        # A slow subscriber may have got entries after the shared read.
        if wallet is None or wallet.sequence < self.wallet.sequence or wallet.version < version:
            return await self._read_wallet()
        return wallet

    async def _read_wallet(self) -> Wallet:
        wallet = await self._reader.wallet(self.wallet.id)
        assert wallet is not None, "wallets are never deleted"
        return wallet

    def _entry(self, entry: Entry) -> WalletUpdate:
        self.sequence = entry.sequence
        if entry.sequence > self.wallet.sequence:
            self.wallet = self.wallet._replace(balance=entry.balance_after, sequence=entry.sequence, posted_at=entry.created_at)
        return self._update(UpdateKind.ENTRY, entry)

    def _update(self, kind: UpdateKind, entry: Entry | None = None) -> WalletUpdate:
        _UPDATES[kind].inc()
        wallet = self.wallet
        # A snapshot is read for one subscriber. Other updates are the same for all subscribers at the same position.
        reads = (
            self._shared.unshared()
            if kind is UpdateKind.SNAPSHOT
            else self._shared.of_event((wallet.id, kind, self.sequence, wallet.sequence, wallet.version))
        )
        return WalletUpdate(kind, encode_update_cursor(wallet.id, self.sequence), wallet, entry, reads=reads)


class WalletReader:
    """The database reads of a watch."""

    def __init__(self, database: LiveDatabase) -> None:
        self._database = database

    async def wallet(self, wallet_id: UUID) -> Wallet | None:
        return await self._database.read_with_retries(lambda: live_sql.wallet_by_id(self._database, wallet_id))

    async def entries(self, wallet: Wallet, after_sequence: int) -> Sequence[Entry]:
        return await self._database.read_with_retries(
            lambda: live_sql.entries_after(self._database, wallet, after_sequence, _PAGE)
        )

    async def positions(self, wallet_ids: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
        return await self._database.read_with_retries(lambda: live_sql.positions(self._database, wallet_ids))


def parse(message: str) -> events.Event | None:
    """Parse a message. Returns None if it cannot be read: it is handled as a gap, and the database has its content."""
    try:
        return events.parse(message)
    except events.MalformedEvent:
        logger.warning("cannot read a message, treating it as a gap: %.200s", message)
        return None
