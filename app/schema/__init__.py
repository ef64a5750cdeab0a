"""GraphQL types and resolvers: they translate, authorise and paginate.

SQL is in `db/` and business rules are in `services/`.
"""
