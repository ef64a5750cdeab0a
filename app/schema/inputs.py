"""The inputs of mutations, and their conversion to what the services take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

import strawberry
from strawberry import UNSET
from strawberry.types.arguments import InputContext

from app.errors import BadUserInput
from app.schema.enums import (
    AccountType,
    EntryDirection,
    EntryPurpose,
    FeePayer,
    FeeReversal,
    ReversalReason,
    RoundingMode,
    TransactionType,
    WalletStatus,
)
from app.schema.scalars import BigInt, CurrencyCode, DecimalText
from app.services import fee_schedules, postings, reversals, transfers
from app.services.conditions import ConditionInput
from app.services.requests import ConditionKind

T = TypeVar("T")

_TEXT = (
    "One line with at least one visible character, stored in Unicode form NFC; formatting, reordering and invisible characters "
    "are refused."
)


_MAX_FEE = (
    "The most that it accepts in fees, of either side, in the currency of the amount; a higher fee is refused with "
    "FEE_EXCEEDS_LIMIT, which states it. Null: fees must be zero."
)


@strawberry.input
class MoneyInput:
    amount: DecimalText = strawberry.field(description="Positive, with no more decimals than the currency has.")
    currency: CurrencyCode


@strawberry.input(description="An amount that may be zero or negative.")
class SignedMoneyInput:
    amount: DecimalText
    currency: CurrencyCode


@strawberry.input(
    description="At most 20; keys of 1 to 40 characters of a-z, 0-9, _, . and -, each once; values of at most 500 characters by "
    "the rule for `description`. Part of the idempotent input; their order is not."
)
class MetadataItemInput:
    key: str
    value: str


@strawberry.input(description="Only if nothing has been posted to the wallet since this sequence.")
class SequenceIsInput:
    wallet_id: strawberry.ID
    sequence: BigInt


@strawberry.input(description="The amount may be zero or, for balanceAtMost, negative.")
class WalletAmountInput:
    wallet_id: strawberry.ID
    amount: SignedMoneyInput


@strawberry.input(
    one_of=True,
    description="Checked under the wallets' locks; exactly one member. If it does not hold, CONDITION_FAILED refuses the request "
    "and the key stays unused. A transfer's conditions name the viewer's own wallets and need the right to see them.",
)
class WalletConditionInput:
    sequence_is: SequenceIsInput | None = UNSET
    available_at_least: WalletAmountInput | None = UNSET
    balance_at_most: WalletAmountInput | None = UNSET

    def to_service(self) -> ConditionInput:
        if self.sequence_is:
            return ConditionInput(ConditionKind.SEQUENCE_IS, self.sequence_is.wallet_id, sequence=self.sequence_is.sequence)
        kind = ConditionKind.AVAILABLE_AT_LEAST if self.available_at_least else ConditionKind.BALANCE_AT_MOST
        given = self.available_at_least or self.balance_at_most
        if not given:
            raise BadUserInput("A condition has exactly one member.")
        return ConditionInput(kind, given.wallet_id, amount=given.amount.amount, currency=given.amount.currency)


@strawberry.input(description=f"The rule for `description` and `reference`: {_TEXT}")
class TransferInput:
    idempotency_key: str = strawberry.field(
        description="1 to 255 visible ASCII characters, chosen by the client, unique per user, never forgotten.\n"
        "The same key with the same input (same wallets, currency and description, numerically equal amount: 12.3 is 12.30) "
        "answers with the first outcome, whatever it was, and moves nothing again; with another input it is refused.\n"
        "So after a refusal that was recorded, a new attempt needs a new key."
    )
    sender_wallet_id: strawberry.ID
    receiver_wallet_id: strawberry.ID
    amount: MoneyInput
    description: str | None = strawberry.field(default=UNSET, description="At most 280 characters.")
    reference: str | None = strawberry.field(
        default=UNSET,
        description="The client's own name for it, such as an order number: 1 to 140 characters. Like every member here, it is "
        "part of what the same key must repeat.",
    )
    metadata: list[MetadataItemInput] | None = UNSET
    conditions: list[WalletConditionInput] | None = strawberry.field(default=UNSET, description="At most 20.")
    max_fee: SignedMoneyInput | None = strawberry.field(default=UNSET, description=_MAX_FEE)
    quote_id: strawberry.ID | None = strawberry.field(
        default=UNSET,
        description="Pays a wallet in another currency, by this quote. `amount` is what the quote sells or buys. The quote's fee "
        "is accepted with it.",
    )

    def to_service(self) -> transfers.TransferInput:
        return transfers.TransferInput(
            idempotency_key=self.idempotency_key,
            sender_wallet_id=self.sender_wallet_id,
            receiver_wallet_id=self.receiver_wallet_id,
            amount=self.amount.amount,
            currency=self.amount.currency,
            description=given(self.description),
            reference=given(self.reference),
            metadata=pairs(self.metadata),
            conditions=_conditions(self.conditions),
            max_fee=amount_of(self.max_fee),
            quote_id=given(self.quote_id),
        )


def _build_transfer_input(cls: type[TransferInput], value: Mapping[str, Any], _context: InputContext) -> TransferInput:
    """Build the input from its coerced values. Strawberry's general conversion takes longer and does the same."""
    money = value["amount"]
    conditions, max_fee = value.get("conditions"), value.get("maxFee")
    return cls(
        idempotency_key=value["idempotencyKey"],
        sender_wallet_id=value["senderWalletId"],
        receiver_wallet_id=value["receiverWalletId"],
        amount=MoneyInput(amount=money["amount"], currency=money["currency"]),
        description=value.get("description"),
        reference=value.get("reference"),
        metadata=build_metadata(value.get("metadata")),
        conditions=conditions and [_build_condition(condition) for condition in conditions],
        max_fee=max_fee and SignedMoneyInput(amount=max_fee["amount"], currency=max_fee["currency"]),
        quote_id=value.get("quoteId"),
    )


def _build_condition(value: Mapping[str, Any]) -> WalletConditionInput:
    ((name, members),) = value.items()
    if name == "sequenceIs":
        return WalletConditionInput(sequence_is=SequenceIsInput(wallet_id=members["walletId"], sequence=members["sequence"]))
    money = members["amount"]
    amount = WalletAmountInput(
        wallet_id=members["walletId"], amount=SignedMoneyInput(amount=money["amount"], currency=money["currency"])
    )
    if name == "availableAtLeast":
        return WalletConditionInput(available_at_least=amount)
    return WalletConditionInput(balance_at_most=amount)


def build_money(value: Mapping[str, Any] | None) -> MoneyInput | None:
    """An optional amount from its coerced values."""
    return MoneyInput(amount=value["amount"], currency=value["currency"]) if value else None


def build_metadata(items: Sequence[Mapping[str, Any]] | None) -> list[MetadataItemInput] | None:
    """Optional metadata from its coerced values."""
    return [MetadataItemInput(key=item["key"], value=item["value"]) for item in items] if items else None


_TRANSFER_FIELDS = (
    "idempotency_key",
    "sender_wallet_id",
    "receiver_wallet_id",
    "amount",
    "description",
    "reference",
    "metadata",
    "conditions",
    "max_fee",
    "quote_id",
)
_CONDITION_FIELDS = ("sequence_is", "available_at_least", "balance_at_most")
_MONEY_FIELDS = ("amount", "currency")


def use_own_conversion() -> None:
    """Make `_build_transfer_input` convert every TransferInput. Raises TypeError if it would drop a field of the input."""
    known_fields = (
        (TransferInput, _TRANSFER_FIELDS),
        (MoneyInput, _MONEY_FIELDS),
        (SignedMoneyInput, _MONEY_FIELDS),
        (WalletConditionInput, _CONDITION_FIELDS),
        (WalletAmountInput, ("wallet_id", "amount")),
        (SequenceIsInput, ("wallet_id", "sequence")),
        (MetadataItemInput, ("key", "value")),
    )
    for input_type, known in known_fields:
        check_fields(input_type, known)
    convert_with(TransferInput, _build_transfer_input)


def check_fields(input_type: type, known: tuple[str, ...]) -> None:
    """Raises TypeError if an input has a field that its own conversion does not know."""
    definition = cast("Any", input_type).__strawberry_definition__
    names = tuple(field.python_name for field in definition.fields)
    if names != known:
        raise TypeError(f"{definition.name} has the fields {names}: its own conversion and to_service know {known}.")


def convert_with(input_type: type, build: Callable[[Any, Mapping[str, Any], InputContext], object]) -> None:
    """Make `build` convert every input of this type. Strawberry's general conversion takes longer and does the same."""
    cast("Any", input_type).__strawberry_definition__.from_input = build


use_own_conversion()


@strawberry.input
class TransferBatchInput:
    transfers: list[TransferInput] = strawberry.field(description="1 to 500, settled in this order.")
    atomic: bool = strawberry.field(
        default=False,
        description="False: each on its own. True: all or none. If the ledger refuses one member, all are recorded FAILED, the "
        "others with BATCH_ABORTED, and replay so. If one is malformed, or its key was used with other input, nothing is "
        "recorded. A member already settled under its key counts with that outcome and is not undone.",
    )


@strawberry.input(description="Keys of openWallet are a namespace of their own.")
class OpenWalletInput:
    idempotency_key: str
    currency: CurrencyCode
    name: str = strawberry.field(description=f"1 to 100 characters. {_TEXT}")


@strawberry.input(description="Brings money in from the currency's system wallet. Administrators only.")
class DepositInput:
    idempotency_key: str
    wallet_id: strawberry.ID
    amount: MoneyInput
    description: str | None = strawberry.field(default=UNSET, description="The same rule as for a transfer.")
    reference: str | None = UNSET
    metadata: list[MetadataItemInput] | None = UNSET
    max_fee: SignedMoneyInput | None = strawberry.field(default=UNSET, description=_MAX_FEE)

    def to_service(self) -> transfers.DepositInput:
        return transfers.DepositInput(
            idempotency_key=self.idempotency_key,
            wallet_id=self.wallet_id,
            amount=self.amount.amount,
            currency=self.amount.currency,
            description=given(self.description),
            reference=given(self.reference),
            metadata=pairs(self.metadata),
            max_fee=amount_of(self.max_fee),
        )


@strawberry.input(
    description="Moves money back from the wallet that a transaction paid. A transfer or capture is reversed by the owner of "
    "that wallet (a refund) or an administrator, a deposit by administrators."
)
class ReverseTransactionInput:
    idempotency_key: str
    transaction_id: strawberry.ID
    amount: MoneyInput | None = strawberry.field(default=UNSET, description="Null: all that has not gone back yet.")
    reason: ReversalReason
    fees: FeeReversal = FeeReversal.PROPORTIONAL
    allow_overdraft: bool = strawberry.field(
        default=False, description="Administrators only: the wallet that gives back may go below zero. Recorded in the audit log."
    )
    description: str | None = strawberry.field(default=UNSET, description="The same rule as for a transfer.")

    def to_service(self) -> reversals.ReversalInput:
        return reversals.ReversalInput(
            idempotency_key=self.idempotency_key,
            transaction_id=self.transaction_id,
            reason=self.reason,
            amount=amount_of(self.amount),
            fees=self.fees,
            allow_overdraft=self.allow_overdraft,
            description=given(self.description),
        )


@strawberry.input
class PostingLegInput:
    wallet_id: strawberry.ID
    direction: EntryDirection
    amount: MoneyInput
    purpose: EntryPurpose = EntryPurpose.PRINCIPAL


@strawberry.input(
    description="For administrators and service accounts. 2 to 100 legs, applied in this order; debits equal credits in each "
    "currency. No debit may take a user's wallet below zero, even if a later leg would make it good."
)
class PostTransactionInput:
    idempotency_key: str
    legs: list[PostingLegInput]
    conditions: list[WalletConditionInput] | None = strawberry.field(
        default=UNSET, description="At most 20. They may name any wallet."
    )
    description: str | None = strawberry.field(default=UNSET, description="At most 280 characters.")
    reference: str | None = UNSET
    metadata: list[MetadataItemInput] | None = UNSET
    dry_run: bool = strawberry.field(
        default=False, description="Decide it on a snapshot and record nothing. The answer is what would have come."
    )

    def to_service(self) -> postings.PostingInput:
        return postings.PostingInput(
            idempotency_key=self.idempotency_key,
            legs=[
                postings.LegInput(leg.wallet_id, leg.direction, leg.amount.amount, leg.amount.currency, leg.purpose)
                for leg in self.legs
            ],
            description=given(self.description),
            reference=given(self.reference),
            metadata=pairs(self.metadata),
            conditions=_conditions(self.conditions),
        )


@strawberry.input(
    description="A currency has one system wallet for each purpose. The same input again returns the same wallet; another name "
    "or account type is refused."
)
class OpenSystemWalletInput:
    currency: CurrencyCode
    purpose: str = strawberry.field(description="1 to 40 characters of A-Z, 0-9 and _, such as CARD_CLEARING.")
    account_type: AccountType
    name: str = strawberry.field(description=f"1 to 100 characters. {_TEXT}")
    reason: str = strawberry.field(description=f"For the audit log: 1 to 280 characters. {_TEXT}")


@strawberry.input(
    description="The next version of a schedule: of a type of transaction, a currency and, optionally, one user. It is final. "
    "Without percent and flat it charges nothing from its moment on."
)
class PublishFeeScheduleInput:
    idempotency_key: str
    name: str = strawberry.field(description=f"1 to 100 characters, shown to those who pay. {_TEXT}")
    transaction_type: TransactionType = strawberry.field(
        default=TransactionType.TRANSFER,
        description="TRANSFER, DEPOSIT (its receiver pays) or CONVERSION (its sender pays).",
    )
    currency: CurrencyCode
    user_id: strawberry.ID | None = strawberry.field(
        default=UNSET, description="Instead of the general schedule, where this user is the one who pays the fee."
    )
    payer: FeePayer
    percent: DecimalText | None = strawberry.field(default=UNSET, description="0 to 100 with at most 6 decimals.")
    flat: SignedMoneyInput | None = UNSET
    minimum: SignedMoneyInput | None = UNSET
    maximum: SignedMoneyInput | None = UNSET
    rounding: RoundingMode = RoundingMode.HALF_EVEN
    valid_from: datetime | None = strawberry.field(default=UNSET, description="In the future. Null: at once.")
    reason: str = strawberry.field(description=f"For the audit log: 1 to 280 characters. {_TEXT}")

    def to_service(self) -> fee_schedules.PublishInput:
        return fee_schedules.PublishInput(
            idempotency_key=self.idempotency_key,
            name=self.name,
            transaction_type=self.transaction_type,
            currency=self.currency,
            user_id=given(self.user_id),
            payer=self.payer,
            percent=given(self.percent),
            flat=amount_of(self.flat),
            minimum=amount_of(self.minimum),
            maximum=amount_of(self.maximum),
            rounding=self.rounding,
            valid_from=given(self.valid_from),
            reason=self.reason,
        )


@strawberry.input
class SetWalletStatusInput:
    wallet_id: strawberry.ID
    status: WalletStatus
    reason: str = strawberry.field(description=f"1 to 280 characters. {_TEXT}")


def given(value: T | None) -> T | None:
    """None for a field that was left out."""
    return None if value is UNSET else value


def amount_of(money: MoneyInput | SignedMoneyInput | None) -> tuple[str, str] | None:
    """The given amount with its currency, None for one that was left out."""
    return (money.amount, money.currency) if money else None


def pairs(items: list[MetadataItemInput] | None) -> Sequence[tuple[str, str]]:
    """The given metadata as pairs."""
    return [(item.key, item.value) for item in items] if items else ()


def _conditions(conditions: list[WalletConditionInput] | None) -> Sequence[ConditionInput]:
    return [condition.to_service() for condition in conditions] if conditions else ()
