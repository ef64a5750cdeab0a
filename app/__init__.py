"""Paycore: a wallet and money-transfer service on a double-entry ledger."""

__version__ = "0.1.0"
