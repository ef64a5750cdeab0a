"""What the outbox carries, what the relay makes of it, and what subscribers read.

A writer puts one payload into the outbox for each settled transaction, and one for each change of a wallet that is no
entry. The relay turns a payload into messages: each entry goes to its wallet's channel, the news that a transaction
settled to whom it concerns. Payloads and messages are JSON with `v`, their version; only Paycore reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

from app.records import Entry

SETTLED_CHANNEL = "paycore:settled"
"""Every settled transaction: for administrators."""

_VERSION = 1


@dataclass(frozen=True, slots=True)
class EntryEvent:
    """A wallet got an entry."""

    entry: Entry
    trace: str | None = None
    """The `traceparent` of its publishing, where its transfer's trace is recorded."""


@dataclass(frozen=True, slots=True)
class WalletStateEvent:
    """Something of a wallet other than its entries changed; `version` is the wallet's, after the change."""

    wallet_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class SettledEvent:
    """A transaction is COMPLETED."""

    transaction_id: UUID
    published_at: datetime | None = None
    """When the relay read it from the outbox."""
    trace: str | None = None
    """As of an EntryEvent."""


Event = EntryEvent | WalletStateEvent | SettledEvent


class MalformedEvent(ValueError):
    """A payload or message that this version of Paycore cannot read."""


def wallet_channel(wallet_id: UUID | str) -> str:
    """Where one wallet's entries and state changes are published."""
    return f"paycore:wallet:{wallet_id}"


def user_channel(user_id: UUID | str) -> str:
    """Where the transactions that concern one user are published as they settle."""
    return f"paycore:user:{user_id}"


def settled_payload(transaction_id: UUID, owner_ids: Sequence[UUID], entries: Sequence[Entry], trace: str | None = None) -> str:
    """The outbox payload of a transaction that settled, with all of its entries.

    `owner_ids` are the users who are told: the owners of the wallets concerned, and the initiator. `trace` is the
    transfer's `traceparent`, where its trace is recorded.
    """
    return _dumps(
        {
            **_traced(trace),
            "v": _VERSION,
            "kind": "settled",
            "transaction_id": transaction_id,
            "owner_ids": list(owner_ids),
            # Rows rather than objects: this is written on the hot path, and field names would be half of its bytes.
            "entries": [
                (e.wallet_id, e.leg, e.sequence, e.amount, e.balance_before, e.balance_after, e.created_at) for e in entries
            ],
        }
    )


def wallet_state_payload(wallet_id: UUID, version: int) -> str:
    """The outbox payload of a change of a wallet that is no entry: its status, its name."""
    return _dumps({"v": _VERSION, "kind": "wallet_state", "wallet_id": wallet_id, "version": version})


def messages(
    payload: str, now: datetime, publish: Callable[[str | None], str | None] = lambda trace: trace
) -> list[tuple[str, str]]:
    """The (channel, message) pairs that an outbox payload is published as now, in order.

    `publish` is told the payload's trace, and tells the one that the messages carry on. Raises MalformedEvent where the
    payload cannot be read.
    """
    try:
        content = _loads(payload)
        match content["kind"]:
            case "settled":
                return _settled_messages(content, now, publish(content.get("trace")))
            case "wallet_state":
                return [(wallet_channel(content["wallet_id"]), payload)]
            case kind:
                raise MalformedEvent(f"unknown kind {kind!r}")
    except (KeyError, TypeError, ValueError) as error:
        raise MalformedEvent(f"not an outbox payload: {error}") from error


def _settled_messages(content: dict[str, Any], now: datetime, trace: str | None) -> list[tuple[str, str]]:
    shared = {"v": _VERSION, "transaction_id": content["transaction_id"], **_traced(trace)}
    settled = _dumps({**shared, "kind": "settled", "published_at": now})
    entries = [(wallet_channel(row[0]), _dumps({**shared, "kind": "entry", "entry": row})) for row in content["entries"]]
    return [
        *entries,
        *((user_channel(owner_id), settled) for owner_id in dict.fromkeys(content["owner_ids"])),
        (SETTLED_CHANNEL, settled),
    ]


# One message reaches every subscriber of the process: it is read once for all of them.
@lru_cache(maxsize=1024)
def parse(message: str) -> Event:
    """What a published message tells. Raises MalformedEvent where it cannot be read."""
    try:
        content = _loads(message)
        match content["kind"]:
            case "entry":
                return EntryEvent(_entry(UUID(content["transaction_id"]), content["entry"]), content.get("trace"))
            case "wallet_state":
                return WalletStateEvent(UUID(content["wallet_id"]), int(content["version"]))
            case "settled":
                published_at = _moment(content.get("published_at"))
                return SettledEvent(UUID(content["transaction_id"]), published_at, content.get("trace"))
            case kind:
                raise MalformedEvent(f"unknown kind {kind!r}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedEvent(f"not an event: {error}") from error


def _entry(transaction_id: UUID, row: list[Any]) -> Entry:
    wallet_id, leg, sequence, amount, _balance_before, balance_after, created_at = row
    return Entry(
        transaction_id=transaction_id,
        leg=leg,
        wallet_id=UUID(wallet_id),
        sequence=sequence,
        amount=amount,
        balance_after=balance_after,
        created_at=datetime.fromisoformat(created_at),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _traced(trace: str | None) -> dict[str, str]:
    """Of most transfers nobody records the trace: then not a byte of it."""
    return {} if trace is None else {"trace": trace}


def _dumps(content: dict[str, Any]) -> str:
    # default=str is for the database driver's own subclass of UUID.
    return orjson.dumps(content, default=str).decode()


def _loads(text: str) -> dict[str, Any]:
    content = orjson.loads(text)
    if not isinstance(content, dict) or content.get("v") != _VERSION:
        raise MalformedEvent(f"not version {_VERSION}")
    return content
