"""The demo's parts in the API process: timelines of transfers, traffic, ambient payments, a receiver of webhooks, tampering."""

from __future__ import annotations

from dataclasses import dataclass

from app.demo.ambient import Ambient
from app.demo.receiver import Receiver
from app.demo.tampering import Tampering
from app.demo.timelines import Timelines
from app.demo.traffic import Traffic


@dataclass(frozen=True, slots=True)
class DemoTools:
    """Stored in `app.state.demo`, which is None in production."""

    timelines: Timelines
    traffic: Traffic
    ambient: Ambient
    receiver: Receiver
    tampering: Tampering
