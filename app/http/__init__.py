"""HTTP below GraphQL and REST: uvicorn's protocol, limits of requests, health, traces, the pages.

What a request means is in `schema/` and `rest/`.
"""
