"""A bar that tells what is being measured and how much is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

console = Console(stderr=True)


class Steps:
    """Advances by the steps that were announced. Without a terminal each step is a line."""

    def __init__(self, total: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<44}"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeElapsedColumn(),
            console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=total)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """While the bar is on the screen."""
        with self._progress:
            yield

    def step(self, name: str) -> None:
        """The next step begins."""
        if not console.is_terminal:
            console.print(f"bench: {name}")
        self._progress.update(self._task, description=name, advance=1)
