"""A progress bar with the current measurement and what is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

console = Console(stderr=True)


class Steps:
    """Advances by one for each step. Without a terminal it prints a line per step."""

    def __init__(self, total: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<44}"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeElapsedColumn(),
            console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=total)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show the bar within the block."""
        with self._progress:
            yield

    def step(self, name: str) -> None:
        """Start the next step."""
        if not console.is_terminal:
            console.print(f"bench: {name}")
        self._progress.update(self._task, description=name, advance=1)
