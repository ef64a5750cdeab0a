"""The demo data: the same in each installation, created once, through the ledger."""

from __future__ import annotations
