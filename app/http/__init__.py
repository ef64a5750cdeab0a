"""HTTP below GraphQL and REST: uvicorn's protocol, request limits, health probes, traces, the pages.

GraphQL is in `schema/`, REST in `rest/`.
"""
