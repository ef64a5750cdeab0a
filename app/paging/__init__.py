"""Pages of lists, their cursors, and the cursor from which a subscription resumes.

The SQL of lists is in `db/lists.py`; GraphQL connections are in `schema/connections.py`.
"""
