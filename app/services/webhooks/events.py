"""Names of events and messages, as receivers and owners see them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from app import ids
from app.records import WebhookDelivery, WebhookSource


def message_id(delivery_id: UUID) -> str:
    """The header webhook-id of a delivery."""
    return ids.encode("msg", delivery_id)


def event_name(source: WebhookSource, delivery: WebhookDelivery) -> str:
    """What a delivery is about: the wallet and the entry's sequence, the transaction, or the hold and its event's number."""
    if is_test(delivery):
        return "test"
    match source:
        case WebhookSource.WALLET:
            return f"{ids.encode('wal', delivery.subject_id)}/{delivery.number}"
        case WebhookSource.SETTLED:
            return ids.encode("txn", delivery.subject_id)
        case WebhookSource.HOLD:
            return f"{ids.encode('hld', delivery.subject_id)}/{delivery.number}"


def is_test(delivery: WebhookDelivery) -> bool:
    """Whether a delivery is a test: it is about its endpoint, and is sent once."""
    return delivery.subject_id == delivery.endpoint_id


def variables_text(variables: dict[str, Any] | None) -> str | None:
    return None if variables is None else orjson.dumps(variables).decode()
