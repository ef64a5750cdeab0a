"""Rehearsals: what a request would do now, decided by the same core on a snapshot. Nothing is locked and nothing is recorded.

The answer holds for the moment of the snapshot. What happens before the real request may change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from app import ids
from app.access import policy
from app.access.viewer import Right, Viewer
from app.db import fee_sql, fx_sql, ledger_sql, quota_sql
from app.db.connection import transaction
from app.errors import Refusal
from app.limits.quota import Quota
from app.records import Entry, Transaction, Wallet
from app.services.fees import Charge, FeeBook
from app.services.ledger import settle
from app.services.outcomes import Outcome
from app.services.postings import PostingInput, posting_request
from app.services.requests import Member, Request, Unit
from app.services.transfers import Ledger, TransferInput, conversions_of, result_of, transfer_member


@dataclass(frozen=True, slots=True)
class Preview:
    """What a request would do."""

    entries: tuple[Entry, ...] = ()
    """The entries that it would write. Empty if it would be refused, or if its key is used."""
    refusals: tuple[Refusal, ...] = ()
    wallets: Mapping[UUID, Wallet] = field(default_factory=dict)
    """The wallets of the entries, as they are before them."""
    amount: int = 0
    """The amount that was asked for, in minor units: what the charge is computed from."""
    charge: Charge | None = None
    """The fee that would be posted, as a part of the entries."""
    replayed: Transaction | None = None
    """The transaction that the key belongs to, if the request would only repeat its outcome."""


async def preview_transfer(ledger: Ledger, viewer: Viewer, details: TransferInput) -> Preview:
    """What the transfer would do now. Raises Forbidden as `transfer` does."""
    policy.require(viewer, Right.TRANSFER)
    by_quote = await conversions_of(ledger, viewer, [details])
    return await _preview(ledger, viewer, transfer_member(ledger, viewer, details, ("input",), by_quote))


async def preview_posting(ledger: Ledger, viewer: Viewer, details: PostingInput) -> Preview:
    """What the posting would do now. Raises Forbidden as `post_transaction` does."""
    policy.require(viewer, Right.POST)
    return await _preview(ledger, viewer, posting_request(ledger, viewer, details))


async def _preview(ledger: Ledger, viewer: Viewer, member: Member) -> Preview:
    if isinstance(member, Refusal):
        return Preview(refusals=(member,))
    outcome, fees = await _rehearse(ledger, member)
    shown = result_of(viewer, outcome)
    return Preview(
        shown.entries,
        shown.refusals,
        shown.wallets,
        member.amount,
        None if outcome.transaction is None or not outcome.entries else fees.charged(outcome.transaction),
        outcome.transaction if outcome.replayed else None,
    )


async def _rehearse(ledger: Ledger, request: Request) -> tuple[Outcome, FeeBook]:
    now = ledger.clock()
    # An id and a time as a batch would give them; neither is kept.
    prepared = request._replace(id=ids.new_transaction_id(now), created_at=now)
    async with ledger.engine.connect() as pooled:
        connection: asyncpg.Connection | None = (await pooled.get_raw_connection()).driver_connection
        assert connection is not None
        async with transaction(connection, isolation="repeatable_read", readonly=True):
            fees = FeeBook(*await fee_sql.load(connection), refuses_unlimited=ledger.refuses_unlimited_fees)
            fee_wallet_id = None if prepared.conversion else fees.wallet_for(prepared.type, prepared.currency)
            named = prepared.wallet_ids if fee_wallet_id is None else (*prepared.wallet_ids, fee_wallet_id)
            wallets, limited, *_ = await ledger_sql.read_wallets(connection, named)
            recorded = await ledger_sql.recorded_transactions(connection, [prepared.key])
            quotas = await _quotas(ledger, connection, prepared, limited)
            quote_ids = [] if prepared.quote_id is None else [prepared.quote_id]
            used_quotes = await fx_sql.used_quotes(connection, quote_ids) if quote_ids else set()
    unit = Unit((prepared,))
    settlement = settle(
        [unit],
        wallets,
        recorded,
        ledger.clock(),
        ledger.exponents,
        quotas=quotas,
        fees=fees,
        used_quotes=used_quotes,
        exposure_limits=ledger.exposure_limits,
    )
    return settlement.outcomes[0][0], fees


async def _quotas(ledger: Ledger, connection: asyncpg.Connection, request: Request, limited: set[UUID]) -> dict[UUID, Quota]:
    """The quota of a transfer's payer, as a batch would lock it."""
    user_id, general = request.initiator_id, ledger.general_limits
    if not request.uses_quota or (general.is_unlimited and user_id not in limited):
        return {}
    found = await quota_sql.read_quotas(connection, [user_id], general)
    return found or {user_id: Quota.unused(user_id, general)}
