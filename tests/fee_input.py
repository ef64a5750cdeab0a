"""The input of a fee schedule, for tests that publish one."""

from __future__ import annotations

from typing import Any

from app.records import FeePayer, RoundingMode, TransactionType
from app.services.fee_schedules import PublishInput
from tests.bank import new_key


def fee_input(**changes: Any) -> PublishInput:
    """2.9 % + 0.30 on transfers in dollars, paid by the sender, at once, with these changes."""
    values: dict[str, Any] = {
        "idempotency_key": new_key(),
        "name": "Card fee",
        "transaction_type": TransactionType.TRANSFER,
        "currency": "USD",
        "user_id": None,
        "payer": FeePayer.SENDER,
        "percent": "2.9",
        "flat": ("0.30", "USD"),
        "minimum": None,
        "maximum": None,
        "rounding": RoundingMode.HALF_EVEN,
        "valid_from": None,
        "reason": "for the tests",
    }
    return PublishInput(**{**values, **changes})
