"""Pages of lists and their cursors, and the cursor at which a subscription resumes.

The SQL of the lists is in `db/reads.py`; GraphQL connections are in `schema/connections.py`.
"""
