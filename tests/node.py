"""Node for the tests of what is written in TypeScript."""

from __future__ import annotations

from functools import cache

from app.demo.node import Node, find_node


@cache
def ready_node() -> Node:
    """A Node, and node_modules as locked. Needs npm's registry where they are not installed yet."""
    node = find_node()
    node.install()
    return node
