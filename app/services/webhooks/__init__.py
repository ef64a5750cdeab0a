"""Webhooks: endpoints, what is delivered to them, how it is signed and sent, and when it is tried again.

Their SQL is in `db/`, the loop that delivers in `processes/`. The payload is made in `schema/`, from the endpoint's document.
"""
