"""What an Accept header asks for, as RFC 9110 reads it."""

from __future__ import annotations

import pytest

from app.schema.transport.media import EVENTS, GRAPHQL, JSON, accepted

URQL = "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"


@pytest.mark.parametrize(
    ("accept", "takes"),
    [
        ("", (JSON,)),
        ("  ", (JSON,)),
        ("*/*", (JSON, GRAPHQL)),
        ("application/*", (JSON, GRAPHQL)),
        ("application/json", (JSON,)),
        ("APPLICATION/JSON; charset=utf-8", (JSON,)),
        ("application/graphql-response+json", (GRAPHQL,)),
        ("application/graphql-response+json, application/json", (GRAPHQL, JSON)),
        ("application/json, application/graphql-response+json", (JSON, GRAPHQL)),
        ("application/graphql-response+json;q=0.5, application/json", (JSON, GRAPHQL)),
        ("application/json;q=0.1, */*;q=0.9", (GRAPHQL, JSON)),
        ("application/json;q=0, */*", (GRAPHQL,)),
        ("application/json;q=nonsense", ()),
        ("text/event-stream", (EVENTS,)),
        ("text/*", ()),
        ("*/*, text/event-stream;q=0.1", (JSON, GRAPHQL, EVENTS)),
        (URQL, (GRAPHQL, JSON, EVENTS)),
        ("text/html", ()),
        ("application/jsonx", ()),
        (",;,", ()),
        ("*/*" + ", text/x" * 1000, ()),
    ],
)
def test_what_is_accepted_in_what_order(accept, takes):
    assert accepted(accept) == takes
