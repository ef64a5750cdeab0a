"""A receiver of webhooks for visitors of the demo: one for each user. It keeps the last posts and says whether they verify."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.clock import Clock, unix_milliseconds
from app.db.statements import Reader
from app.demo.seed import USERS
from app.errors import BadUserInput

ANSWERS = (200, 500, 410)
"""Accepted, to be sent again, and: send no more."""
_MOST_POSTS = 20
_KEPT_BYTES = 4096
_MOST_SECONDS_AWAY = 300
_KEYS = "SELECT public_key FROM webhook_endpoints WHERE url = $1"


@dataclass(frozen=True, slots=True)
class Post:
    """A message as it arrived. `problem` None: its v1a signature is right and its time is near."""

    at: datetime
    message_id: str
    problem: str | None
    answered: int
    body: str


@dataclass(slots=True)
class _Mailbox:
    answer: int = 200
    posts: deque[Post] = field(default_factory=lambda: deque(maxlen=_MOST_POSTS))


class Receiver:
    """The posts since this process started."""

    def __init__(self, base_url: str, clock: Clock) -> None:
        self._base_url = base_url
        self._clock = clock
        self._mailboxes = {user.subject: _Mailbox() for user in USERS}

    def url(self, subject: str) -> str:
        """Where a user's endpoints send to."""
        return f"{self._base_url}/demo/receiver/{subject}"

    def has(self, subject: str) -> bool:
        """Whether this is a user of the demo."""
        return subject in self._mailboxes

    def posts(self, subject: str) -> Sequence[Post]:
        """The newest first."""
        return tuple(reversed(self._mailboxes[subject].posts))

    def answer(self, subject: str) -> int:
        """The status that posts are answered with."""
        return self._mailboxes[subject].answer

    def set_answer(self, subject: str, status: object) -> None:
        """Answer with this status from now on. Raises BadUserInput for others than ANSWERS."""
        if status not in ANSWERS or not isinstance(status, int):
            raise BadUserInput(f"`answer` must be one of {', '.join(map(str, ANSWERS))}.")
        self._mailboxes[subject].answer = status

    async def receive(self, database: Reader, subject: str, headers: Mapping[str, str], body: bytes) -> int:
        """Keep a post. Returns the status to answer with: 401 if it does not verify."""
        # A receiver of one's own would have the key in its settings.
        keys = [bytes(row["public_key"]) for row in await database.fetch(_KEYS, self.url(subject))]
        now, mailbox = self._clock(), self._mailboxes[subject]
        found = problem(headers, body, keys, unix_milliseconds(now) // 1000)
        status = mailbox.answer if found is None else 401
        text = body[:_KEPT_BYTES].decode(errors="replace")
        mailbox.posts.append(Post(now, headers.get("webhook-id", "")[:100], found, status, text))
        return status


def problem(headers: Mapping[str, str], body: bytes, keys: Collection[bytes], now: int) -> str | None:
    """Why a message of Standard Webhooks is not to be believed; None if one of these keys has signed it just now."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return "it has no time"
    if abs(int(timestamp) - now) > _MOST_SECONDS_AWAY:
        return "its time is more than five minutes away"
    content = b".".join((message_id.encode(), timestamp.encode(), body))
    signatures = [
        text.removeprefix("v1a,") for text in headers.get("webhook-signature", "").split(" ") if text.startswith("v1a,")
    ]
    if not signatures:
        return "it has no v1a signature"
    if not keys:
        return "no endpoint sends to this address"
    return None if any(_fits(key, text, content) for key in keys for text in signatures[:8]) else "its signature is wrong"


def _fits(key: bytes, signature: str, content: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(signature, validate=True), content)
    except (InvalidSignature, ValueError):
        return False
    return True
