"""How much one caller may do: rates, how processes share them, and the quotas' arithmetic.

Limits of a request's size and time are in `http/`; the cost of a query is in `schema/engine/`.
"""
