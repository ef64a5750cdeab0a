"""`paycore listen`: forwards what a webhook for a wallet would send to a URL on this machine, signed in the same way.

It follows the wallet's subscription over HTTP, so it needs no endpoint and no public address. It resumes from its cursor.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from app.backoff import Backoff
from app.clock import system_clock
from app.errors import ConfigurationError
from app.services.webhooks.sending import Answer, Sender
from app.services.webhooks.signing import SigningKeys, public_text, signed_headers

DOCUMENT = """subscription ($wallet: ID!, $after: String) { walletUpdated(walletId: $wallet, after: $after) {
  kind cursor wallet { id sequence balance { amount currency } }
  entry { id sequence direction amount { amount currency } balanceAfter { amount } transaction { id type description } }
} }"""
_FINAL = frozenset(
    {"UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED", "QUERY_TOO_COMPLEX"}
)
"""Codes of errors that do not pass by themselves."""
_SILENT_SECONDS = 40.0
"""A stream sends a comment every 15 seconds."""


@dataclass(frozen=True, slots=True)
class Listening:
    """What to follow, and where to send it."""

    api_url: str
    token: str
    wallet: str
    target: str
    document: str = DOCUMENT


async def listen(wanted: Listening, say: Callable[[str], None]) -> None:
    """Forward entries until it is cancelled. Raises ConfigurationError if the service refuses the subscription for good."""
    keys, sender = SigningKeys.generate(), Sender(seconds=30, allow_private=True)
    say(f"Secret: {keys.shared}")
    say(f"Public key: {public_text(keys.public)}")
    cursor: str | None = None
    backoff = Backoff(0.5, 10)
    try:
        while True:
            try:
                async for update, answer in _updates(wanted, cursor):
                    backoff.reset()
                    if update["kind"] == "ENTRY":
                        await _forward(answer, update["cursor"], keys, lambda *sent: sender.post(wanted.target, *sent), say)
                    elif cursor is None:
                        say(f"Listening to {wanted.wallet}.")
                    cursor = update["cursor"]
            except (httpx.HTTPError, TimeoutError) as error:
                say(f"The connection is lost ({type(error).__name__}). Trying again.")
            await asyncio.sleep(backoff.next())
    finally:
        await sender.close()


async def _forward(
    answer: dict[str, Any],
    cursor: str,
    keys: SigningKeys,
    send: Callable[[dict[str, str], bytes], Awaitable[Answer]],
    say: Callable[[str], None],
) -> None:
    """Send one entry until it is accepted. Those after it wait, as with an endpoint."""
    # The same for the same entry, also after a restart of this command.
    message_id = f"msg_{hashlib.sha256(cursor.encode()).hexdigest()[:26]}"
    body = json.dumps(answer, separators=(",", ":")).encode()
    backoff = Backoff(0.5, 10)
    while True:
        headers = signed_headers(message_id, int(system_clock().timestamp()), body, [keys])
        got = await send({**headers, "content-type": "application/json"}, body)
        say(f"{message_id}: {got.status if got.status is not None else got.error} in {got.duration_ms} ms")
        if got.is_success:
            return
        await asyncio.sleep(backoff.next())


async def _updates(wanted: Listening, cursor: str | None) -> AsyncIterator[tuple[dict[str, Any], dict[str, Any]]]:
    """The updates of one connection, each with the whole answer."""
    body = {"query": wanted.document, "variables": {"wallet": wanted.wallet, "after": cursor}}
    headers = {"authorization": f"Bearer {wanted.token}", "accept": "text/event-stream"}
    async with (
        httpx.AsyncClient(timeout=httpx.Timeout(10, read=_SILENT_SECONDS)) as client,
        client.stream("POST", f"{wanted.api_url}/graphql", json=body, headers=headers) as response,
    ):
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            _check(json.loads(await response.aread() or b"{}"), response.status_code)
            response.raise_for_status()
        async for line in response.aiter_lines():
            if not line.startswith("data:") or line == "data:":
                continue
            answer = json.loads(line.removeprefix("data:"))
            _check(answer, response.status_code)
            update = ((answer or {}).get("data") or {}).get("walletUpdated")
            if not isinstance(update, dict):
                continue
            if not {"kind", "cursor"} <= update.keys():
                raise ConfigurationError("The document must select `kind` and `cursor` of walletUpdated.")
            yield update, {"data": answer["data"]}


def _check(answer: Any, status: int) -> None:
    """Raises ConfigurationError for an error that does not pass by itself, httpx's error for others."""
    errors = answer.get("errors") if isinstance(answer, dict) else None
    if not errors:
        return
    code, message = (errors[0].get("extensions") or {}).get("code"), errors[0].get("message")
    if code in _FINAL:
        raise ConfigurationError(f"{message} ({code})")
    raise httpx.TransportError(f"{message} ({code or status})")
