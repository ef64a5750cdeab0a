"""Fee schedules, and the fees that they charge."""

from __future__ import annotations

from datetime import datetime

import strawberry

from app import ids, records
from app.schema.basics import Money, Node, money_of
from app.schema.context import Info
from app.schema.enums import FeePayer, RoundingMode, TransactionType
from app.schema.scalars import CurrencyCode, DecimalText
from app.services.fees import explain


@strawberry.type(
    description="Immutable. A version is valid from validFrom until the next one of its type, currency and user: versions "
    "do not overlap and leave no gap. Only the user and administrators see a schedule for one user."
)
class FeeSchedule(Node):
    name: str
    version: int
    transaction_type: TransactionType
    currency: CurrencyCode
    user_id: strawberry.ID | None = strawberry.field(description="Null for the general one.")
    payer: FeePayer
    percent: DecimalText | None = strawberry.field(description="Without trailing zeros, such as 2.9.")
    flat: Money | None
    minimum: Money | None
    maximum: Money | None
    rounding: RoundingMode
    valid_from: datetime

    @staticmethod
    def of(info: Info, schedule: records.FeeSchedule) -> FeeSchedule:
        """The caller checks that the viewer may see the schedule."""

        def money(minor: int | None) -> Money | None:
            return None if minor is None else money_of(info, minor, schedule.currency)

        return FeeSchedule(
            id=strawberry.ID(ids.encode("fee", schedule.id)),
            name=schedule.name,
            version=schedule.version,
            transaction_type=schedule.transaction_type,
            currency=CurrencyCode(schedule.currency),
            user_id=None if schedule.user_id is None else strawberry.ID(ids.encode("usr", schedule.user_id)),
            payer=schedule.payer,
            percent=None if schedule.percent_text is None else DecimalText(schedule.percent_text),
            flat=money(schedule.flat),
            minimum=money(schedule.minimum),
            maximum=money(schedule.maximum),
            rounding=schedule.rounding,
            valid_from=schedule.valid_from,
        )


@strawberry.type
class FeeCharge:
    label: str = strawberry.field(description="The schedule's name.")
    payer: FeePayer
    amount: Money
    schedule: FeeSchedule
    explanation: str = strawberry.field(description='How it was computed, such as "2.9 % of 100.00 + 0.30 = 3.20".')
    reversed: Money = strawberry.field(description="What reversals have given back of it.")

    @staticmethod
    def of(info: Info, schedule: records.FeeSchedule, amount: int, fee: int, *, given_back: int = 0) -> FeeCharge:
        """`amount` is what the fee is charged on. The caller checks that the viewer may see the schedule and the fee."""
        exponent = info.context.services.currencies[schedule.currency].exponent
        return FeeCharge(
            label=schedule.name,
            payer=schedule.payer,
            amount=money_of(info, fee, schedule.currency),
            schedule=FeeSchedule.of(info, schedule),
            explanation=explain(schedule, amount, exponent),
            reversed=money_of(info, given_back, schedule.currency),
        )
