"""Every name that Paycore uses in Redis, in one place: channels and keys.

All begin with the id of the installation, which is made by a migration and kept in the database. So installations may share
one Redis: pub/sub has no regard for database numbers, and keys of a database number would meet too.
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
        # Made once: the relay makes several names for each transfer.
        object.__setattr__(self, "prefix", f"paycore:{self.installation_id}")
        object.__setattr__(self, "settled_channel", f"{self.prefix}:settled")

    @property
    def check_channel(self) -> str:
        """What each process subscribes to, or publishes to, to learn whether it may. Nobody reads what is published there."""
        return f"{self.prefix}:check"

    def wallet_channel(self, wallet_id: UUID) -> str:
        """Where one wallet's entries and state changes are published."""
        return f"{self.prefix}:wallet:{wallet_id}"

    def user_channel(self, user_id: UUID) -> str:
        """Where the transactions that concern one user are published as they settle."""
        return f"{self.prefix}:user:{user_id}"

    def rate_key(self, limit: str, window: int, caller: object) -> str:
        """Where the processes add up what one caller did in one window of a rate limit."""
        return f"{self.prefix}:rate:{limit}:{window}:{caller}"
