"""Names of events and messages, as receivers and owners see them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from app import ids
from app.records import WebhookSource


def message_id(delivery_id: UUID) -> str:
    """The header webhook-id of a delivery."""
    return ids.encode("msg", delivery_id)


def event_name(source: WebhookSource, subject_id: UUID, number: int) -> str:
    """What a delivery is about: the wallet and the entry's sequence, the transaction, or the hold and its event's number."""
    match source:
        case WebhookSource.WALLET:
            return f"{ids.encode('wal', subject_id)}/{number}"
        case WebhookSource.SETTLED:
            return ids.encode("txn", subject_id)
        case WebhookSource.HOLD:
            return f"{ids.encode('hld', subject_id)}/{number}"


def variables_text(variables: dict[str, Any] | None) -> str | None:
    return None if variables is None else orjson.dumps(variables).decode()
