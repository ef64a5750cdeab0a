"""All tables of the database, whose definitions are in `models.py`, `hold_models.py` and `fx_models.py`."""

from __future__ import annotations

from app.db import fx_models, hold_models
from app.db.models import Base

assert fx_models.FxQuote.metadata is hold_models.Hold.metadata, "each module adds its tables to the same metadata"
METADATA = Base.metadata
