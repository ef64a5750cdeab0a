"""Authentication and authorization: viewers, bearer tokens, an identity provider's keys, and the policy.

Users in the database are in `services/identity.py`; rate limits are in `limits/`.
"""
