"""GraphQL: translate, authorise, paginate. No SQL and no business rule lives here."""
