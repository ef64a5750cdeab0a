"""Operation names for metrics and traces, bounded in number and length whatever clients send."""

from __future__ import annotations

from prometheus_client import Histogram

from app.schema.engine.documents import DocumentCache
from app.telemetry import metrics

_MAX_NAMES = 100
"""Names besides the persisted ones; later ones are counted as `other`. Each name takes some kilobytes in every worker."""


class OperationNames:
    """The operation names and timers of one process."""

    def __init__(self, documents: DocumentCache) -> None:
        self._documents = documents
        self._listed = documents.persisted.names
        self._seen: set[str] = set()
        self._timers: dict[tuple[str, str], Histogram] = {}

    def name(self, query: str, operation_name: str | None, *, is_known: bool) -> str:
        """Return the operation's name, taken from the cached document and never from the request.

        `is_known` says that there is a viewer. Anonymous callers share one name, so that they cannot use up the others.
        """
        if not is_known:
            return "unauthenticated"
        document = self._documents.get(query)
        operation = None if document is None else document.operations.get(operation_name)
        if operation is None:
            return "unknown"
        name = operation.name
        if name in self._listed or name in self._seen:
            return name
        if len(self._seen) >= _MAX_NAMES:
            return "other"
        self._seen.add(name)
        return name

    def timer(self, query: str, operation_name: str | None, transport: str, *, is_known: bool) -> Histogram:
        """Return the histogram for the operation's duration."""
        labels = self.name(query, operation_name, is_known=is_known), transport
        timer = self._timers.get(labels)
        if timer is None:
            timer = self._timers[labels] = metrics.REQUESTS.labels(*labels)
        return timer
