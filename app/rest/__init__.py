"""REST for callers without GraphQL: four routes over the same services."""
