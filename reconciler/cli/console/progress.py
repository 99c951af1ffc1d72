"""Shows progress on stderr: on a terminal with running clocks, elsewhere in plain lines."""

import sys
import time
from types import TracebackType
from typing import Self, assert_never

from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from reconciler.cli.console.messages import say
from reconciler.cli.console.output import drawing, shown
from reconciler.core.steps import Step
from reconciler.engine.events import (
    Event,
    LooksAgain,
    SafetyNetFailed,
    StepDropped,
    StepFailed,
    StepFinished,
    StepStarted,
    StepUncertain,
)


class Progress:
    """A context in which `report` is called with each event."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._running: dict[Step, TaskID] = {}
        self._bars = Bars(
            SpinnerColumn("line"),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            console=Console(file=drawing(sys.stderr)),
            transient=True,
            disable=not sys.stderr.isatty(),
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bars.stop()

    def report(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, SafetyNetFailed):
            what = "writes may fail until you run this again, as a fence may still be in place"
            self._say(f"!!  {what}: {shown(event.why)}")
            return
        if isinstance(event, LooksAgain):
            self._say(
                f"?   {shown(event.why)}: a list that lags behind looks the same, so it is read again, "
                f"for {event.seconds:.0f} s at most"
            )
            return
        what = shown(event.step.describe())
        match event:
            case StepStarted():
                if self._bars.disable:
                    self._say(f"..  {what}")
                elif event.step not in self._running:
                    self._running[event.step] = self._bars.add_task(what, total=None)
            case StepFinished():
                self._ended(event.step)
                self._say(f"ok  {what} ({event.seconds:.1f} s)")
            case StepFailed():
                self._ended(event.step)
                self._say(f"no  {what}: {event.why}; putting back what was live")
            case StepDropped():
                self._ended(event.step)
                self._say(f"-   {what}: not done and no longer needed: something else has changed meanwhile")
            case StepUncertain():
                self._say(f"?   {what}: {event.why}; looking again")
            case _:
                assert_never(event)

    def _ended(self, step: Step) -> None:
        """Remove the line of a running step from the screen."""
        if step in self._running:
            self._bars.remove_task(self._running.pop(step))

    def waiting(self, what: str, seconds: float) -> None:
        """Show what is in the way, and when it is tried again."""
        self._say(f"    {what}; trying again in {seconds:.1f} s")

    def _say(self, line: str) -> None:
        stamped = f"[{time.monotonic() - self._begun:5.1f} s] {line}"
        if self._bars.disable:
            say(stamped)
        else:
            self._bars.console.print(shown(stamped), markup=False, highlight=False, soft_wrap=True)
