"""UserError and its types: the services' refusals, returned as data."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import strawberry

from app.errors import Refusal, RefusalCode
from app.schema.basics import Money
from app.schema.context import Info
from app.schema.types import Transaction, Wallet


@strawberry.interface(
    description="A refusal that a client can act on. No money moved for the operation that it answers.\n"
    "Concrete types may add facts (InsufficientFunds tells what was available)."
)
class UserError:
    code: RefusalCode
    message: str = strawberry.field(description="For people, in plain words; the code is for programs.")
    path: list[str] = strawberry.field(description='The input field at fault, such as ["input", "amount"].')


@strawberry.type(description="The input can never be accepted as it is; it left no trace and did not use its key.")
class InvalidInput(UserError):
    pass


@strawberry.type
class IdempotencyKeyReused(UserError):
    refusal: strawberry.Private[Refusal]

    @strawberry.field(description="The transaction that the key already belongs to.")
    async def transaction(self, info: Info) -> Transaction | None:
        if self.refusal.transaction_id is None:
            return None
        transaction = await info.context.loaders.transactions.load(self.refusal.transaction_id)
        return None if transaction is None else Transaction.of(info, transaction)


@strawberry.type(description="Amounts as they were when it was refused; a replay repeats them.")
class InsufficientFunds(UserError):
    available: Money
    required: Money


@strawberry.type(description="A condition did not hold when the wallets were locked. Nothing moved, and the key stays unused.")
class ConditionFailed(UserError):
    refusal: strawberry.Private[Refusal]

    @strawberry.field(description="As it is now; null if the viewer may not load it.")
    async def wallet(self, info: Info) -> Wallet | None:
        assert self.refusal.wallet_id is not None, "a condition is about a wallet"
        wallet = await info.context.loaders.wallets.load(self.refusal.wallet_id)
        return None if wallet is None else Wallet.of(info, wallet)


@strawberry.type(description="The fee is more than maxFee allows. Nothing moved, and the key stays unused.")
class FeeExceedsLimit(UserError):
    fee: Money = strawberry.field(description="What would be charged now: send it as maxFee to accept it.")
    limit: Money = strawberry.field(description="What the request accepts; zero without maxFee.")


@strawberry.type(description="The fee would leave the receiver nothing. Nothing moved, and the key stays unused.")
class FeeExceedsAmount(UserError):
    fee: Money


@strawberry.type(description="A statement begins where the one before it ended.")
class PeriodNotNext(UserError):
    expected_from: datetime = strawberry.field(
        description="Send this as `from`. For the first statement: the latest that it may be."
    )


@strawberry.type(description="The ledger refused it: recorded as FAILED, and replayed under its key.")
class TransferRefused(UserError):
    pass


def user_errors(refusals: Iterable[Refusal]) -> list[UserError]:
    return [_user_error(refusal) for refusal in refusals]


def _user_error(refusal: Refusal) -> UserError:
    code, message, path = refusal.code, refusal.message, list(refusal.path)
    if code is RefusalCode.IDEMPOTENCY_KEY_REUSED:
        return IdempotencyKeyReused(code=code, message=message, path=path, refusal=refusal)
    if code is RefusalCode.CONDITION_FAILED:
        return ConditionFailed(code=code, message=message, path=path, refusal=refusal)
    if refusal.expected_from is not None:
        return PeriodNotNext(code=code, message=message, path=path, expected_from=refusal.expected_from)
    return _about_money(refusal, path) or _plain(refusal, path)


def _about_money(refusal: Refusal, path: list[str]) -> UserError | None:
    code, message = refusal.code, refusal.message
    if refusal.fee is not None and refusal.limit is not None:
        fee, limit = Money.of(refusal.fee), Money.of(refusal.limit)
        return FeeExceedsLimit(code=code, message=message, path=path, fee=fee, limit=limit)
    if refusal.fee is not None:
        return FeeExceedsAmount(code=code, message=message, path=path, fee=Money.of(refusal.fee))
    if refusal.available is not None and refusal.required is not None:
        available, required = Money.of(refusal.available), Money.of(refusal.required)
        return InsufficientFunds(code=code, message=message, path=path, available=available, required=required)
    return None


def _plain(refusal: Refusal, path: list[str]) -> UserError:
    kind = TransferRefused if refusal.is_recorded else InvalidInput
    return kind(code=refusal.code, message=refusal.message, path=path)


ERROR_TYPES = (
    InvalidInput,
    IdempotencyKeyReused,
    InsufficientFunds,
    ConditionFailed,
    PeriodNotNext,
    FeeExceedsLimit,
    FeeExceedsAmount,
    TransferRefused,
)
"""No field returns these types by name, only the interface, so the schema needs the list."""
