"""The Mutation type. Payloads are built from the committed records, so a failed read afterwards cannot lose an outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import strawberry
from strawberry import UNSET
from strawberry.types.arguments import InputContext

from app.clock import monotonic
from app.errors import RequestTimeout
from app.records import WalletStatus
from app.schema.context import Context, Info
from app.schema.outcomes import Outcome
from app.schema.refusals import UserError, user_errors
from app.schema.scalars import CurrencyCode, DecimalText
from app.schema.types import Transaction, Wallet
from app.services import transfers, wallets
from app.services.transfers import TransferResult
from app.settings import MAX_BATCH

_NOT_STARTED = "Earlier mutations used up the request's time, so this one did not start. Send it again with the same key."
_TEXT = (
    "One line with at least one visible character, stored in Unicode form NFC; formatting, reordering and invisible characters "
    "are refused."
)


@strawberry.input
class MoneyInput:
    amount: DecimalText = strawberry.field(description="Positive, with no more decimals than the currency has.")
    currency: CurrencyCode


@strawberry.input(description=f"The rule for `description`: {_TEXT}")
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

    def to_service(self) -> transfers.TransferInput:
        return transfers.TransferInput(
            idempotency_key=self.idempotency_key,
            sender_wallet_id=self.sender_wallet_id,
            receiver_wallet_id=self.receiver_wallet_id,
            amount=self.amount.amount,
            currency=self.amount.currency,
            description=_given(self.description),
        )


def _build_transfer_input(cls: type[TransferInput], value: Mapping[str, Any], _context: InputContext) -> TransferInput:
    """Build the input from its coerced values. All are strings, so Strawberry's general conversion would only cost time."""
    money = value["amount"]
    return cls(
        idempotency_key=value["idempotencyKey"],
        sender_wallet_id=value["senderWalletId"],
        receiver_wallet_id=value["receiverWalletId"],
        amount=MoneyInput(amount=money["amount"], currency=money["currency"]),
        description=value.get("description"),
    )


_TRANSFER_FIELDS = ("idempotency_key", "sender_wallet_id", "receiver_wallet_id", "amount", "description")
_MONEY_FIELDS = ("amount", "currency")


def use_own_conversion() -> None:
    """Make `_build_transfer_input` convert every TransferInput. Raises TypeError if it would drop a field of the input."""
    transfer, money = (cast("Any", one).__strawberry_definition__ for one in (TransferInput, MoneyInput))
    for definition, known in ((transfer, _TRANSFER_FIELDS), (money, _MONEY_FIELDS)):
        names = tuple(field.python_name for field in definition.fields)
        if names != known:
            raise TypeError(f"{definition.name} has the fields {names}: build_transfer_input and to_service know {known}.")
    transfer.from_input = _build_transfer_input


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


@strawberry.input
class SetWalletStatusInput:
    wallet_id: strawberry.ID
    status: WalletStatus
    reason: str = strawberry.field(description=f"1 to 280 characters. {_TEXT}")


@strawberry.type(
    description="Has an outcome or a refusal. An error below it is ANSWER_INCOMPLETE: the outcome is final, and `extensions` "
    "hold its id. If the outcome itself cannot be shown, the payload is null. The same holds for every mutation."
)
class TransferPayload:
    transaction: Transaction | None = strawberry.field(
        description="Set whenever an outcome was recorded: COMPLETED, or FAILED for a refusal by the ledger (funds, status, "
        "currency, quota)."
    )
    replayed: bool = strawberry.field(description="True where the key had been used before and this is that outcome.")
    user_errors: list[UserError]


@strawberry.type
class TransferBatchPayload:
    results: list[TransferPayload] = strawberry.field(description="One for each input, in its order.")
    user_errors: list[UserError] = strawberry.field(
        description="About the batch as a whole, such as its size; `results` is then empty."
    )


@strawberry.type
class DepositPayload:
    transaction: Transaction | None
    replayed: bool
    user_errors: list[UserError]


@strawberry.type
class OpenWalletPayload:
    wallet: Wallet | None
    replayed: bool
    user_errors: list[UserError]


@strawberry.type
class SetWalletStatusPayload:
    wallet: Wallet | None
    user_errors: list[UserError]


@strawberry.type(
    description="Payloads are nullable so that one field's failure never erases the answer of another field in the same document."
)
class Mutation:
    @strawberry.mutation
    async def transfer(self, info: Info, input: TransferInput) -> TransferPayload | None:
        context = _start_transfers(info)
        result = await transfers.transfer(context.services.ledger, context.viewer, input.to_service())
        _save_outcome(info, result)
        return _transfer_payload(info, result)

    @strawberry.mutation
    async def transfer_batch(self, info: Info, input: TransferBatchInput) -> TransferBatchPayload | None:
        context = _start_transfers(info, min(len(input.transfers), MAX_BATCH))
        inputs = [one.to_service() for one in input.transfers]
        result = await transfers.transfer_batch(context.services.ledger, context.viewer, inputs, atomic=input.atomic)
        _save_outcome(info, result)
        return TransferBatchPayload(
            results=[_transfer_payload(info, one) for one in result.results], user_errors=user_errors(result.refusals)
        )

    @strawberry.mutation(
        description="QUOTA_EXCEEDED if the user has the most wallets that one user may have: not recorded, the key stays unused."
    )
    async def open_wallet(self, info: Info, input: OpenWalletInput) -> OpenWalletPayload | None:
        context = _start_transfers(info)
        services = context.services
        result = await wallets.open_wallet(
            services.engine,
            context.viewer,
            wallets.OpenWalletInput(input.idempotency_key, input.currency, input.name),
            services.currencies,
            services.clock,
            most=services.settings.max_wallets_per_user,
        )
        _save_outcome(info, result)
        return OpenWalletPayload(
            wallet=None if result.wallet is None else Wallet.of(info, result.wallet),
            replayed=result.replayed,
            user_errors=user_errors(result.refusals),
        )

    @strawberry.mutation
    async def deposit(self, info: Info, input: DepositInput) -> DepositPayload | None:
        context = _start_transfers(info)
        deposit = transfers.DepositInput(
            idempotency_key=input.idempotency_key,
            wallet_id=input.wallet_id,
            amount=input.amount.amount,
            currency=input.amount.currency,
            description=_given(input.description),
        )
        result = await transfers.deposit(context.services.ledger, context.viewer, deposit, request_id=context.request_id)
        _save_outcome(info, result)
        return DepositPayload(
            transaction=_transaction(info, result), replayed=result.replayed, user_errors=user_errors(result.refusals)
        )

    @strawberry.mutation(description="Administrators only; recorded in the audit log.")
    async def set_wallet_status(self, info: Info, input: SetWalletStatusInput) -> SetWalletStatusPayload | None:
        context = _start(info)
        result = await wallets.set_wallet_status(
            context.services.engine,
            context.viewer,
            input.wallet_id,
            input.status,
            input.reason,
            clock=context.services.clock,
            request_id=context.request_id,
            holding_back=context.services.ledger.group_commit.holding_back,
        )
        _save_outcome(info, result)
        return SetWalletStatusPayload(
            wallet=None if result.wallet is None else Wallet.of(info, result.wallet), user_errors=user_errors(result.refusals)
        )


def _start(info: Info) -> Context:
    """Reset the context for a mutation: those of one document run in order, so what an earlier one read may be stale.

    Raises RequestTimeout if the request's time is over. Mutations that have started still answer; no further one starts.
    """
    context = info.context
    seconds = context.services.settings.request_timeout_seconds
    if monotonic() - context.started > seconds:
        raise RequestTimeout(_NOT_STARTED)
    context.reset()
    return context


def _start_transfers(info: Info, count: int = 1) -> Context:
    """As `_start`, and count this many ledger requests against the viewer's transfer rate. Raises RateLimited as well."""
    context = _start(info)
    context.services.rates.check_transfers(context.viewer.user_id, count)
    return context


def _save_outcome(info: Info, outcome: Outcome) -> None:
    """Save the outcome, so that a later error of this mutation reports it instead of saying that nothing moved."""
    info.context.outcomes[info.path.key] = outcome


def _given(value: str | None) -> str | None:
    return None if value is UNSET else value


def _transfer_payload(info: Info, result: TransferResult) -> TransferPayload:
    return TransferPayload(
        transaction=_transaction(info, result), replayed=result.replayed, user_errors=user_errors(result.refusals)
    )


def _transaction(info: Info, result: TransferResult) -> Transaction | None:
    if result.transaction is None:
        return None
    if result.entries:
        info.context.settled.append(result)
    return Transaction.of(info, result.transaction)
