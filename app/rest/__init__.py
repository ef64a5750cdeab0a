"""REST: a few routes over the same services, for callers without GraphQL, and their OpenAPI description.

Rules are in `services/`; limits of requests are in `http/`.
"""
