"""The GraphQL enums. The services define them; importing them from here registers each once, with its descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, cast

import strawberry

from app.errors import RefusalCode
from app.records import (
    AccountType,
    AfterExpiry,
    EntryDirection,
    EntryPurpose,
    FeePayer,
    FeeReversal,
    HoldStatus,
    QuoteStatus,
    ReversalReason,
    RoundingMode,
    TransactionStatus,
    TransactionType,
    WalletKind,
    WalletStatus,
    WebhookStatus,
)

__all__ = [
    "AccountType",
    "AfterExpiry",
    "EntryDirection",
    "EntryPurpose",
    "FeePayer",
    "FeeReversal",
    "HoldStatus",
    "QuoteStatus",
    "RefusalCode",
    "ReversalReason",
    "RoundingMode",
    "TransactionStatus",
    "TransactionType",
    "WalletKind",
    "WalletStatus",
    "WebhookStatus",
    "describe_values",
]


def describe_values(enum: type[Enum], descriptions: Mapping[str, str]) -> None:
    """Add descriptions to the values of an enum that is registered with Strawberry already."""
    definition = cast("Any", enum).__strawberry_definition__
    for value in definition.values:
        if value.name in descriptions:
            value.description = descriptions[value.name]


strawberry.enum(WalletKind)
strawberry.enum(WalletStatus)
strawberry.enum(TransactionType)
strawberry.enum(TransactionStatus)
strawberry.enum(EntryDirection)
strawberry.enum(EntryPurpose, description="Why an entry is there. Clients treat an unknown one as OTHER.")
strawberry.enum(AccountType, description="What a wallet is in the operator's books. Users' wallets are liabilities.")
strawberry.enum(FeePayer)
strawberry.enum(
    FeeReversal,
    description="KEEP leaves the fee where it is. PROPORTIONAL gives back its part, rounded down over all "
    "parts so far: together they are the fee, exactly.",
)
strawberry.enum(
    HoldStatus,
    description="OPEN until nothing remains. A hold past expiresAt counts for nothing from that instant.",
)
describe_values(
    HoldStatus,
    {
        "CAPTURED": "Some of it was captured, and what was left is released.",
        "RELEASED": "None of it was captured.",
        "EXPIRED": "Its time was over while some of it remained.",
    },
)
strawberry.enum(
    AfterExpiry,
    description="What a capture of an expired or released hold does. TRY_AVAILABLE pays from what is available now.",
)
strawberry.enum(QuoteStatus, description="OPEN until a conversion has used it or its time is over.")
strawberry.enum(ReversalReason, description="For people and reports: the ledger treats all alike.")
strawberry.enum(RoundingMode, description="HALF_EVEN: to the nearest minor unit, a tie to the even one.")
strawberry.enum(WebhookStatus)
describe_values(
    WebhookStatus,
    {
        "PAUSED": "By its owner, or because its owner does not see everything any more. All events are delivered, in order, once "
        "it is enabled.",
        "DISABLED_FAILING": "It answered 410, or nothing was delivered for three days. As PAUSED.",
    },
)
strawberry.enum(RefusalCode, name="UserErrorCode")
describe_values(RefusalCode, {"WALLET_NOT_ACTIVE": "Of another's wallet the message does not tell frozen from closed."})
