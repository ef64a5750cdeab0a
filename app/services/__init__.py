"""The use cases, and the ledger's pure core.

GraphQL is in `schema/`, HTTP is in `http/` and `rest/`, and SQL is in `db/`.
"""
