"""The Subscription type. Events come from `app/services/live.py`; this module turns them into GraphQL objects."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import strawberry
from strawberry import UNSET

from app import ids
from app.access import policy
from app.errors import NotFound
from app.schema.context import Info
from app.schema.enums import describe_values
from app.schema.types import Hold, LedgerEntry, Transaction, Wallet
from app.services.wallet_watch import UpdateKind

strawberry.enum(UpdateKind, name="WalletUpdateKind")
describe_values(
    UpdateKind,
    {
        "SNAPSHOT": "Present state: first of all, or right after the missed entries of a resumption. What follows is live.",
        "ENTRY": "One ledger entry.",
        "STATE": "No entry, but something else changed: status, name, later what is held. Latest wins; not replayed.",
    },
)


@strawberry.type
class WalletUpdate:
    kind: UpdateKind
    cursor: str = strawberry.field(description="Hand the newest one back as `after` to go on from here.")
    wallet: Wallet = strawberry.field(
        description="Present state, never older than `entry`: safe to merge into a cache. The running balance is "
        "`entry.balanceAfter`."
    )
    entry: LedgerEntry | None = strawberry.field(description="Set exactly when kind is ENTRY.")


@strawberry.type
class TransactionSettled:
    transaction: Transaction
    missed: int = strawberry.field(description="Left out before this one because this subscriber was too slow.")


@strawberry.type
class Subscription:
    @strawberry.subscription(
        description="Every entry of the wallet, in sequence, each exactly once, whatever restarts in between.\n"
        "Without `after`: a SNAPSHOT, then live. With it: each entry since, a SNAPSHOT, then live.\n"
        "A malformed cursor, another wallet's, or one ahead of the wallet (after a restore) is BAD_USER_INPUT."
    )
    async def wallet_updated(
        self, info: Info, wallet_id: strawberry.ID, after: str | None = UNSET
    ) -> AsyncGenerator[WalletUpdate, None]:
        context = info.context
        viewer = context.viewer
        decoded = ids.decode("wal", wallet_id)
        if decoded is None:
            raise NotFound
        watch = context.services.live.watch_wallet(viewer, decoded, None if after is UNSET else after)
        async with aclosing(watch):
            async for update in watch:
                context.start_event(update.reads)
                # Check again for each event: the token may have expired, and the viewer may have lost access.
                if not policy.may_load_wallet(context.viewer, update.wallet):
                    raise NotFound
                # The update carries the wallet, so no resolver needs to read it again.
                context.loaders.wallets.prime(decoded, update.wallet)
                yield WalletUpdate(
                    kind=update.kind,
                    cursor=update.cursor,
                    wallet=Wallet.of(info, update.wallet),
                    entry=None if update.entry is None else LedgerEntry.of(info, update.entry, update.wallet.currency),
                )

    @strawberry.subscription(
        description="Transactions as they settle: the viewer's, and for administrators everyone's. Live only, not resumable."
    )
    async def transaction_settled(self, info: Info) -> AsyncGenerator[TransactionSettled, None]:
        context = info.context
        watch = context.services.live.watch_settled(context.viewer)
        missed = 0
        async with aclosing(watch):
            async for settled in watch:
                context.start_event(settled.reads)
                missed += settled.missed
                transaction = await context.loaders.transactions.load(settled.transaction_id)
                if transaction is not None:
                    yield TransactionSettled(transaction=Transaction.of(info, transaction), missed=missed)
                    missed = 0

    @strawberry.subscription(description="The hold as it is, then after each of its events: captures, releases, its expiry.")
    async def hold_updated(self, info: Info, hold_id: strawberry.ID) -> AsyncGenerator[Hold, None]:
        context = info.context
        decoded = ids.decode("hld", hold_id)
        if decoded is None:
            raise NotFound
        watch = context.services.live.watch_hold(context.viewer, decoded)
        async with aclosing(watch):
            async for update in watch:
                context.start_event(update.reads)
                if not policy.may_see_hold(context.viewer, update.facts.parties):
                    raise NotFound
                yield Hold.of(update.hold)
