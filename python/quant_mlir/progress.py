# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A progress bar with the time left, on stderr, and only if a person is watching."""

import sys


class Progress:
    """A context manager; call it with (done, total)."""

    def __init__(self, title: str, shown: bool = True):
        self.title = title
        self.bar = self.task = None
        self.shown = shown and sys.stderr.isatty()

    def __enter__(self) -> "Progress":
        if self.shown:
            from rich import progress
            from rich.console import Console

            self.bar = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.MofNCompleteColumn(),
                progress.TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self.bar.start()
            self.task = self.bar.add_task(self.title, total=None)
        return self

    def __exit__(self, *_) -> None:
        if self.bar is not None:
            self.bar.stop()

    def __call__(self, done: int, total: int) -> None:
        if self.bar is not None:
            self.bar.update(self.task, completed=done, total=total)
