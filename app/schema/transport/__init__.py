"""GraphQL over HTTP, Server-Sent Events and WebSockets.

The sockets and limits below are in `http/`; what an operation does is in `schema/`.
"""
