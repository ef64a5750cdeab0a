"""Node for the tests of TypeScript code."""

from __future__ import annotations

from functools import cache

from app.demo.node import Node, find_node


@cache
def ready_node() -> Node:
    """A Node with node_modules as in the lock file. Needs npm's registry if they are not installed yet."""
    node = find_node()
    node.install()
    return node
