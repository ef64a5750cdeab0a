"""Rehearsals of transfers and postings: what a request would do now."""

from __future__ import annotations

import strawberry

from app import records
from app.schema.basics import Money, money_of
from app.schema.context import Info
from app.schema.enums import EntryDirection, EntryPurpose
from app.schema.fees import FeeCharge
from app.schema.refusals import UserError, user_errors
from app.schema.types import Transaction, WalletParty, party_that_may_be_new
from app.services import fee_schedules
from app.services.rehearsals import Preview


@strawberry.type(description="An entry that a request would write.")
class PreviewEntry:
    direction: EntryDirection
    amount: Money = strawberry.field(description="Positive; DEBIT lowers the wallet's balance, CREDIT raises it.")
    purpose: EntryPurpose
    record: strawberry.Private[records.Entry]
    currency: strawberry.Private[str]

    @strawberry.field(
        description="Rate limited like walletParty for wallets of others; if the limit is used up, this entry fails."
    )
    async def wallet(self, info: Info) -> WalletParty:
        party = await party_that_may_be_new(info, self.record.wallet_id)
        assert party is not None, "an entry's wallet exists"
        return party

    @strawberry.field(description="Null where the viewer may not load the wallet.")
    async def balance_after(self, info: Info) -> Money | None:
        wallet = await info.context.loaders.wallets.load(self.record.wallet_id)
        return None if wallet is None else money_of(info, self.record.balance_after, self.currency)


@strawberry.type(
    description="Decided by the ledger's own core on a snapshot; nothing is locked or recorded. What happens before the real "
    "request may change the answer."
)
class TransferPreview:
    debited: Money | None = strawberry.field(description="What would leave the sender's wallet; null if it would be refused.")
    credited: Money | None = strawberry.field(
        description="What would arrive in the receiver's wallet; null if it would be refused."
    )
    entries: list[PreviewEntry] = strawberry.field(description="What would be written; empty if it would be refused.")
    fees: list[FeeCharge] = strawberry.field(
        description="What would be charged, where the viewer may see the schedule. Without maxFee the request would be refused: "
        "see FeeExceedsLimit."
    )
    replayed: Transaction | None = strawberry.field(
        description="The transaction that the key belongs to: the request would only repeat its outcome."
    )
    user_errors: list[UserError] = strawberry.field(description="The refusal that would come.")


def transfer_preview(info: Info, preview: Preview) -> TransferPreview:
    paid = [entry for entry in preview.entries if entry.amount < 0]
    got = [entry for entry in preview.entries if entry.amount > 0]
    return TransferPreview(
        debited=_sum(info, preview, paid[0].wallet_id, -1) if paid else None,
        credited=_sum(info, preview, got[0].wallet_id, 1) if got else None,
        entries=preview_entries(info, preview),
        fees=_fees(info, preview),
        replayed=None if preview.replayed is None else Transaction.of(info, preview.replayed),
        user_errors=user_errors(preview.refusals),
    )


def _fees(info: Info, preview: Preview) -> list[FeeCharge]:
    if preview.charge is None or not fee_schedules.may_see(info.context.viewer, preview.charge.schedule):
        return []
    return [FeeCharge.of(info, preview.charge.schedule, preview.amount, preview.charge.amount)]


def preview_entries(info: Info, preview: Preview) -> list[PreviewEntry]:
    return [
        PreviewEntry(
            direction=EntryDirection.DEBIT if entry.amount < 0 else EntryDirection.CREDIT,
            amount=money_of(info, abs(entry.amount), preview.wallets[entry.wallet_id].currency),
            purpose=entry.purpose,
            record=entry,
            currency=preview.wallets[entry.wallet_id].currency,
        )
        for entry in preview.entries
    ]


def _sum(info: Info, preview: Preview, wallet_id: object, sign: int) -> Money:
    """What a side of a transfer pays or gets: its entries together."""
    own = [entry for entry in preview.entries if entry.wallet_id == wallet_id]
    return money_of(info, sign * sum(entry.amount for entry in own), preview.wallets[own[0].wallet_id].currency)
