"""PostgreSQL: connections, tables, all SQL, and the mapping from rows to records.

Migrations are in `migrations/`; who may call a query is decided in `services/` and `access/`.
"""
