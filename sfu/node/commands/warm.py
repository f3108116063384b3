"""`sfu warm`: the first start's work ahead of time, as when an image is built; and the bar that shows it."""

from __future__ import annotations

import time

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

_err = Console(stderr=True)


class CompileBar:
    """Shows how far the plane is compiled: as a bar on a terminal, else as a line."""

    def __init__(self, console: Console) -> None:
        self._console = console
        text = TextColumn("compiling the forwarding plane (first start only)")
        columns = (text, BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, console=console, transient=True)
        self._task = self._bar.add_task("", total=1.0)
        self._begun = False

    def show(self, share: float) -> None:
        """Show that this share is done; may be called in any thread."""
        if not self._begun:
            self._begun = True
            if self._console.is_terminal:
                self._bar.start()
            else:
                self._console.print("compiling the forwarding plane (first start only)...", highlight=False)
        self._bar.update(self._task, completed=share)

    def end(self, seconds: float) -> None:
        """Say how long it took, if there was something to show."""
        if self._begun:
            if self._console.is_terminal:  # elsewhere it would print an empty line
                self._bar.stop()
            self._console.print(
                f"compiled in {seconds:.0f} s; the next start takes it from the cache", soft_wrap=True, highlight=False
            )


def warm() -> None:
    """Compile the forwarding plane for this machine's processor, so that the first start is as quick as any other.

    It goes to $SFU_KERNEL_CACHE, else below $XDG_CACHE_HOME or ~/.cache; a node finds it there.
    """
    import sfu
    from sfu.tcp import pump

    bar = CompileBar(_err)
    began = time.monotonic()
    try:
        sfu.compile_kernels(bar.show)
        pump.compile_kernels()
    finally:
        bar.end(time.monotonic() - began)
    typer.echo("The forwarding plane is compiled.")
