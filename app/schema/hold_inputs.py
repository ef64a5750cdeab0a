"""The inputs of the mutations of holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import strawberry
from strawberry import UNSET
from strawberry.types.arguments import InputContext

from app.schema.enums import AfterExpiry
from app.schema.inputs import (
    MetadataItemInput,
    MoneyInput,
    amount_of,
    build_metadata,
    build_money,
    check_fields,
    convert_with,
    given,
    pairs,
)
from app.services import holds
from app.services.hold_book import LATE_CAPTURE_DAYS


@strawberry.input(
    description="Holds money of a wallet in favour of a receiver. Keys of placing, releasing and extending holds are "
    "a namespace of their own. A refusal is not recorded: the key stays unused."
)
class PlaceHoldInput:
    idempotency_key: str
    wallet_id: strawberry.ID = strawberry.field(description="Of the viewer, or of any user for service accounts.")
    receiver_wallet_id: strawberry.ID | None = strawberry.field(
        default=UNSET, description="Null for service accounts only: then each capture names its receiver."
    )
    amount: MoneyInput
    expires_in: int | None = strawberry.field(
        default=UNSET,
        description=f"Seconds from the moment of posting, by the ledger's clock. At most {holds.LONGEST_DAYS} days for users, "
        "which is their default; for service accounts null is until it is closed.",
    )
    description: str | None = strawberry.field(default=UNSET, description="The same rule as for a transfer.")
    metadata: list[MetadataItemInput] | None = UNSET

    def to_service(self) -> holds.PlaceInput:
        return holds.PlaceInput(
            idempotency_key=self.idempotency_key,
            wallet_id=self.wallet_id,
            amount=(self.amount.amount, self.amount.currency),
            receiver_wallet_id=given(self.receiver_wallet_id),
            expires_in=given(self.expires_in),
            description=given(self.description),
            metadata=pairs(self.metadata),
        )


@strawberry.input(
    description="Pays from a hold: by the owner of the receiver's wallet, or a service account. It never fails for funds while "
    "the hold is open."
)
class CaptureHoldInput:
    idempotency_key: str
    hold_id: strawberry.ID
    amount: MoneyInput | None = strawberry.field(default=UNSET, description="Null: all that remains.")
    receiver_wallet_id: strawberry.ID | None = strawberry.field(
        default=UNSET, description="Required exactly where the hold names no receiver."
    )
    keep_remaining: bool = strawberry.field(
        default=False,
        description="False: what remains is released with this capture. True: it stays held for further ones.",
    )
    after_expiry: AfterExpiry = strawberry.field(
        default=AfterExpiry.REFUSE,
        description=f"TRY_AVAILABLE pays what an expired or released hold gave up, within {LATE_CAPTURE_DAYS} days of its end.",
    )

    def to_service(self) -> holds.CaptureInput:
        return holds.CaptureInput(
            idempotency_key=self.idempotency_key,
            hold_id=self.hold_id,
            amount=amount_of(self.amount),
            receiver_wallet_id=given(self.receiver_wallet_id),
            keep_remaining=self.keep_remaining,
            after_expiry=self.after_expiry,
        )


@strawberry.input(
    description="By the owner of the receiver's wallet or a service account; by the payer only if the hold names no receiver."
)
class ReleaseHoldInput:
    idempotency_key: str
    hold_id: strawberry.ID
    amount: MoneyInput | None = strawberry.field(default=UNSET, description="Null: all that remains.")
    reason: str | None = strawberry.field(default=UNSET, description="At most 280 characters.")

    def to_service(self) -> holds.ReleaseInput:
        return holds.ReleaseInput(
            idempotency_key=self.idempotency_key,
            hold_id=self.hold_id,
            amount=amount_of(self.amount),
            reason=given(self.reason),
        )


@strawberry.input(
    description="By the owner of the wallet whose money it is, or a service account. Never shortens what a receiver was promised."
)
class ExtendHoldInput:
    idempotency_key: str
    hold_id: strawberry.ID
    by: MoneyInput | None = strawberry.field(default=UNSET, description="Holds so much more.")
    expires_in: int | None = strawberry.field(default=UNSET, description="Seconds from now. Null: its end stays.")

    def to_service(self) -> holds.ExtendInput:
        return holds.ExtendInput(
            idempotency_key=self.idempotency_key,
            hold_id=self.hold_id,
            by=amount_of(self.by),
            expires_in=given(self.expires_in),
        )


def _build_place(cls: type[PlaceHoldInput], value: Mapping[str, Any], _context: InputContext) -> PlaceHoldInput:
    money = value["amount"]
    return cls(
        idempotency_key=value["idempotencyKey"],
        wallet_id=value["walletId"],
        receiver_wallet_id=value.get("receiverWalletId"),
        amount=MoneyInput(amount=money["amount"], currency=money["currency"]),
        expires_in=value.get("expiresIn"),
        description=value.get("description"),
        metadata=build_metadata(value.get("metadata")),
    )


def _build_capture(cls: type[CaptureHoldInput], value: Mapping[str, Any], _context: InputContext) -> CaptureHoldInput:
    return cls(
        idempotency_key=value["idempotencyKey"],
        hold_id=value["holdId"],
        amount=build_money(value.get("amount")),
        receiver_wallet_id=value.get("receiverWalletId"),
        keep_remaining=value["keepRemaining"],
        after_expiry=value["afterExpiry"],
    )


check_fields(
    PlaceHoldInput,
    ("idempotency_key", "wallet_id", "receiver_wallet_id", "amount", "expires_in", "description", "metadata"),
)
check_fields(CaptureHoldInput, ("idempotency_key", "hold_id", "amount", "receiver_wallet_id", "keep_remaining", "after_expiry"))
convert_with(PlaceHoldInput, _build_place)
convert_with(CaptureHoldInput, _build_capture)
