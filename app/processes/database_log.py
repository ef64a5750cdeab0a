"""What a background process logs of its database: that it went away, and that it is back, each once."""

from __future__ import annotations

import logging


class DatabaseLog:
    """The log of one process, such as "the relay"."""

    def __init__(self, logger: logging.Logger, process: str) -> None:
        self._logger = logger
        self._process = process
        self._is_away = False

    def failed(self, error: Exception) -> None:
        """Log the first of several failures."""
        if not self._is_away:
            self._logger.warning("the %s waits for the database: %s", self._process, error)
        self._is_away = True

    def answered(self) -> None:
        """Log the end of an outage."""
        if self._is_away:
            self._logger.info("the %s is connected to the database again", self._process)
        self._is_away = False
