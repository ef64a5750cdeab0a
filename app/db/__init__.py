"""PostgreSQL: the engine, the tables and the named queries."""
