"""The timestamps of a transfer on its way through one process."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class Timeline:
    """Set step by step as the transfer is accepted, batched, committed and published. `batch_size` counts transfers."""

    accepted_at: datetime
    batched_at: datetime
    batch_size: int
    committed_at: datetime
    published_at: datetime | None = None
