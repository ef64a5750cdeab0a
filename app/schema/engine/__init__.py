"""Runs operations: documents, their cost and limits, persisted operations, execution, errors.

Types and resolvers are in `schema/`; HTTP and WebSockets are in `schema/transport/`.
"""
