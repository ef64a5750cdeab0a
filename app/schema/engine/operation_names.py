"""Under which names operations are counted and traced: few and short, whatever is sent."""

from __future__ import annotations

from prometheus_client import Histogram

from app.schema.engine.documents import DocumentCache
from app.telemetry import metrics

_MOST_PLACES = 100
"""For names that no list has; those that come later are `other`. Each name is some kilobytes of every worker's memory."""


class OperationNames:
    """The names of one process."""

    def __init__(self, documents: DocumentCache) -> None:
        self._documents = documents
        self._listed = documents.persisted.names
        self._placed: set[str] = set()
        self._timers: dict[tuple[str, str], Histogram] = {}

    def name(self, query: str, operation_name: str | None, *, is_known: bool) -> str:
        """The operation's own name, by its document; never by the request, which may say anything.

        `is_known` tells whether there is a viewer: strangers have one place together, so that they take nobody else's.
        """
        if not is_known:
            return "unauthenticated"
        document = self._documents.get(query)
        operation = None if document is None else document.operations.get(operation_name)
        if operation is None:
            return "unknown"
        name = operation.name
        if name in self._listed or name in self._placed:
            return name
        if len(self._placed) >= _MOST_PLACES:
            return "other"
        self._placed.add(name)
        return name

    def timer(self, query: str, operation_name: str | None, transport: str, *, is_known: bool) -> Histogram:
        """What the operation's time goes to."""
        place = self.name(query, operation_name, is_known=is_known), transport
        timer = self._timers.get(place)
        if timer is None:
            timer = self._timers[place] = metrics.REQUESTS.labels(*place)
        return timer
