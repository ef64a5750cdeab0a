"""All tables of the database. Their definitions are in `models.py` and the modules named here."""

from __future__ import annotations

from app.db import duty_models, fx_models, hold_models, log_models, sequence_models, webhook_models
from app.db.models import Base

_OTHERS = (
    fx_models.FxQuote,
    hold_models.Hold,
    sequence_models.EventChunk,
    log_models.LogTile,
    webhook_models.WebhookEndpoint,
    duty_models.WorkerDuty,
)
assert all(table.metadata is Base.metadata for table in _OTHERS), "each module adds its tables to the same metadata"
METADATA = Base.metadata
