"""What runs beside the API of a demo: it keeps timelines of transfers, and makes traffic."""

from __future__ import annotations

from dataclasses import dataclass

from app.demo.timelines import Timelines
from app.demo.traffic import Traffic


@dataclass(frozen=True, slots=True)
class DemoTools:
    """In `app.state.demo`; None in production."""

    timelines: Timelines
    traffic: Traffic
