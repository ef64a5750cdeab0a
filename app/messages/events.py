"""Outbox payloads, the messages that the relay makes of them, and the events that subscribers read from those.

A writer puts one payload into the outbox for each settled transaction, each event of a hold, and each other change of a wallet.
The relay turns a payload into messages: each entry goes to its wallet's channel, and a settled event to the channels of the users
concerned. An event of a hold goes to the hold's channel, and what is held to that of its wallet. Payloads and messages are JSON
with a version `v`. Only Paycore reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from app.messages.redis_names import RedisNames
from app.records import Entry, EntryPurpose, EventKind

_VERSION = 1
_PRINCIPAL = EntryPurpose.PRINCIPAL
_PURPOSES: dict[str, EntryPurpose] = {purpose.value: purpose for purpose in EntryPurpose}
_MAX_REASON = 500
"""Longest reason in a MalformedEvent, in characters."""


@dataclass(frozen=True, slots=True)
class EntryEvent:
    """A new entry of a wallet."""

    entry: Entry
    trace: str | None = None
    """The `traceparent` of the publishing span, if the transfer is traced."""


@dataclass(frozen=True, slots=True)
class WalletStateEvent:
    """A wallet changed without a new entry. `version` is the wallet's version after the change."""

    wallet_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class SettledEvent:
    """A transaction is COMPLETED."""

    transaction_id: UUID
    published_at: datetime | None = None
    """When the relay read it from the outbox."""
    trace: str | None = None
    """As in EntryEvent."""


@dataclass(frozen=True, slots=True)
class HoldChangedEvent:
    """Something happened to a hold. `number` is that of its event."""

    hold_id: UUID
    number: int


class Subject(NamedTuple):
    """What an outbox row is about. `number` is that of a hold's event or the version of a wallet; 0 for a transaction."""

    kind: EventKind
    id: UUID
    number: int


class Outgoing(NamedTuple):
    """An outbox payload as the relay reads it: its subject, and its (channel, message) pairs in publishing order."""

    subject: Subject
    messages: list[tuple[str, str]]


Event = EntryEvent | WalletStateEvent | SettledEvent | HoldChangedEvent


class MalformedEvent(ValueError):
    """A payload or message that this version of Paycore cannot read."""


def settled_payload(transaction_id: UUID, owner_ids: Sequence[UUID], entries: Sequence[Entry], trace: str | None = None) -> str:
    """The outbox payload of a settled transaction, with all of its entries.

    `owner_ids` are the users who get the event: the owners of the wallets concerned, and the initiator. `trace` is the
    transfer's `traceparent`, if the transfer is traced.
    """
    # By hand: every transfer writes this, and all values are ids, integers and times. Arrays instead of objects, because field
    # names would be half of the bytes.
    rows = ",".join(
        [
            f'["{wallet_id}",{leg},{sequence},{amount},{after - amount},{after},"{_iso(created_at)}"]'
            for _, leg, wallet_id, sequence, amount, after, created_at, _ in entries
        ]
    )
    owners = ",".join([f'"{owner_id}"' for owner_id in owner_ids])
    content = f'"v":{_VERSION},"kind":"settled","transaction_id":"{transaction_id}","owner_ids":[{owners}],"entries":[{rows}]'
    purposes = _purposes(entries)
    if purposes:
        content += f',"purposes":{_dumps(purposes)}'
    return f"{{{content}}}" if trace is None else f'{{"trace":{_dumps(trace)},{content}}}'


# Most transactions of a batch have the same time.
@lru_cache(maxsize=16)
def _iso(moment: datetime) -> str:
    return moment.isoformat()


def _purposes(entries: Sequence[Entry]) -> dict[str, str]:
    """The purposes by leg, without those that are PRINCIPAL: plain transfers have none, and older relays read the arrays."""
    return {str(entry.leg): entry.purpose.value for entry in entries if entry.purpose is not _PRINCIPAL}


def wallet_state_payload(wallet_id: UUID, version: int) -> str:
    """The outbox payload for a change of a wallet without an entry, such as its status or name."""
    return _dumps({"v": _VERSION, "kind": "wallet_state", "wallet_id": wallet_id, "version": version})


def hold_payload(hold_id: UUID, number: int, wallet_id: UUID, version: int | None) -> str:
    """The outbox payload of an event of a hold. `version` is the wallet's, if what is held of it has changed."""
    content = {"v": _VERSION, "kind": "hold", "hold_id": hold_id, "number": number, "wallet_id": wallet_id}
    return _dumps(content if version is None else {**content, "version": version})


def outgoing(
    names: RedisNames, payload: str, now: datetime, publish: Callable[[str | None], str | None] = lambda trace: trace
) -> Outgoing:
    """Read an outbox payload.

    `publish` takes the payload's trace and returns the trace for the messages. Raises MalformedEvent, and no other
    exception, if the payload cannot be read or its messages could not be read by a subscriber.
    """
    with _reading("an outbox payload"):
        content = _loads(payload)
        match content["kind"]:
            case "settled":
                subject = Subject(EventKind.SETTLED, UUID(content["transaction_id"]), 0)
                return Outgoing(subject, _settled_messages(names, content, now, publish))
            case "wallet_state":
                wallet = _wallet_state(content)
                subject = Subject(EventKind.WALLET, wallet.wallet_id, wallet.version)
                return Outgoing(subject, [(names.wallet_channel(wallet.wallet_id), payload)])
            case "hold":
                changed = _hold_changed(content)
                subject = Subject(EventKind.HOLD, changed.hold_id, changed.number)
                return Outgoing(subject, _hold_messages(names, content))
            case kind:
                raise ValueError(f"unknown kind {kind!r}")


def _settled_messages(
    names: RedisNames, content: dict[str, Any], now: datetime, publish: Callable[[str | None], str | None]
) -> list[tuple[str, str]]:
    transaction_id = UUID(content["transaction_id"])
    rows, purposes = content["entries"], content.get("purposes", {})
    entries = [_entry(transaction_id, row, purposes.get(str(row[1]))) for row in rows]
    owner_ids = dict.fromkeys(UUID(owner_id) for owner_id in content["owner_ids"])
    # Only after everything is read: a span that starts here ends only if something is published.
    shared = {"v": _VERSION, "transaction_id": transaction_id, **_traced(publish(_trace(content)))}
    settled = _dumps({**shared, "kind": "settled", "published_at": now})
    return [
        *(
            (names.wallet_channel(entry.wallet_id), _dumps({**shared, "kind": "entry", "entry": row, **_purpose(entry)}))
            for entry, row in zip(entries, rows, strict=True)
        ),
        *((names.user_channel(owner_id), settled) for owner_id in owner_ids),
        (names.settled_channel, settled),
    ]


def _hold_messages(names: RedisNames, content: dict[str, Any]) -> list[tuple[str, str]]:
    """The wallet's new state comes first: who sees that the hold has changed may read the wallet."""
    changed, state = _hold_changed(content), []
    if "version" in content:
        wallet = _wallet_state(content)
        state = [(names.wallet_channel(wallet.wallet_id), wallet_state_payload(wallet.wallet_id, wallet.version))]
    message = {"v": _VERSION, "kind": "hold", "hold_id": changed.hold_id, "number": changed.number}
    return [*state, (names.hold_channel(changed.hold_id), _dumps(message))]


def _purpose(entry: Entry) -> dict[str, str]:
    return {} if entry.purpose is _PRINCIPAL else {"purpose": entry.purpose.value}


# Every subscriber of the process gets the same message, so it is parsed once for all of them.
@lru_cache(maxsize=1024)
def parse(message: str) -> Event:
    """Parse a published message. Raises MalformedEvent, and no other exception, if it cannot be read."""
    with _reading("an event"):
        content = _loads(message)
        match content["kind"]:
            case "entry":
                entry = _entry(UUID(content["transaction_id"]), content["entry"], content.get("purpose"))
                return EntryEvent(entry, _trace(content))
            case "wallet_state":
                return _wallet_state(content)
            case "hold":
                return _hold_changed(content)
            case "settled":
                published_at = content.get("published_at")
                moment = None if published_at is None else _moment(published_at)
                return SettledEvent(UUID(content["transaction_id"]), moment, _trace(content))
            case kind:
                raise ValueError(f"unknown kind {kind!r}")


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Turn any exception into MalformedEvent: another one would end the relay, or a subscription."""
    try:
        yield
    except Exception as error:
        # ASCII and short: the reason goes into the log and into a column that cannot store NUL.
        reason = ascii(f"{type(error).__name__}: {error}")[1:-1]
        raise MalformedEvent(f"not {what}: {reason:.{_MAX_REASON}}") from error


def _entry(transaction_id: UUID, row: list[Any], purpose: str | None = None) -> Entry:
    """`purpose` None: PRINCIPAL. One that a later release has added is OTHER."""
    wallet_id, leg, sequence, amount, _balance_before, balance_after, created_at = row
    return Entry(
        transaction_id=transaction_id,
        leg=_bigint(leg),
        wallet_id=UUID(wallet_id),
        sequence=_bigint(sequence),
        amount=_bigint(amount),
        balance_after=_bigint(balance_after),
        created_at=_moment(created_at),
        purpose=EntryPurpose.PRINCIPAL if purpose is None else _PURPOSES.get(purpose, EntryPurpose.OTHER),
    )


def _wallet_state(content: dict[str, Any]) -> WalletStateEvent:
    return WalletStateEvent(UUID(content["wallet_id"]), _bigint(content["version"]))


def _hold_changed(content: dict[str, Any]) -> HoldChangedEvent:
    return HoldChangedEvent(UUID(content["hold_id"]), _bigint(content["number"]))


def _bigint(value: object) -> int:
    # Not isinstance: True is an int for Python, but not a valid number here.
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise TypeError(f"not a bigint: {value!r}")
    return value


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a time without its zone: {text!r}")
    return moment


def _trace(content: dict[str, Any]) -> str | None:
    trace = content.get("trace")
    if trace is not None and not isinstance(trace, str):
        raise TypeError(f"not a traceparent: {trace!r}")
    return trace


def _traced(trace: str | None) -> dict[str, str]:
    """The payload's `trace` field, or nothing: most transfers are not traced, and every payload counts in bytes."""
    return {} if trace is None else {"trace": trace}


def _dumps(content: dict[str, Any] | str) -> str:
    # default=str serialises asyncpg's subclass of UUID.
    return orjson.dumps(content, default=str).decode()


def _loads(text: str) -> dict[str, Any]:
    content = orjson.loads(text)
    if not isinstance(content, dict) or content.get("v") != _VERSION:
        raise ValueError(f"not version {_VERSION}")
    return content
