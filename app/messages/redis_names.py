"""Every name that Paycore uses in Redis: channels and keys.

All begin with the id of the installation, which a migration creates and the database stores. Several installations can share
one Redis: pub/sub ignores database numbers, and keys under the same number would collide as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class RedisNames:
    """The names of one installation."""

    installation_id: UUID
    prefix: str = field(init=False)
    settled_channel: str = field(init=False)
    """Every settled transaction: for administrators."""

    def __post_init__(self) -> None:
        # Computed once: the relay builds several names for each transfer.
        object.__setattr__(self, "prefix", f"paycore:{self.installation_id}")
        object.__setattr__(self, "settled_channel", f"{self.prefix}:settled")

    @property
    def check_channel(self) -> str:
        """A channel that each process uses to test its rights. No process reads its messages."""
        return f"{self.prefix}:check"

    def wallet_channel(self, wallet_id: UUID) -> str:
        """The channel for one wallet's entries and state changes."""
        return f"{self.prefix}:wallet:{wallet_id}"

    def hold_channel(self, hold_id: UUID) -> str:
        """The channel for the events of one hold."""
        return f"{self.prefix}:hold:{hold_id}"

    def user_channel(self, user_id: UUID) -> str:
        """The channel for settled transactions that concern one user."""
        return f"{self.prefix}:user:{user_id}"

    def rate_key(self, limit: str, window: int, caller: object) -> str:
        """The key of one caller's count, over all processes, in one window of a rate limit."""
        return f"{self.prefix}:rate:{limit}:{window}:{caller}"
