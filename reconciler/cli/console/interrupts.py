"""What signals do to a command that is changing something: the first ends it in order, the third at once."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_INTERRUPTED = 130  # as the shell counts a Ctrl-C
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STILL = (
    "still ending: the receipt is written and the lease is released. Once more ends it at once; the lease "
    "then expires by itself"
)


@contextmanager
def ending_in_order(say: Callable[[str], None]) -> Iterator[None]:
    """On Ctrl-C, SIGTERM or SIGHUP, cancel the current task, once. A second is answered by `say`; a third ends at once.

    A signal that the parent process ignores stays ignored, as under nohup.
    """
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    heard = 0

    def hear() -> None:
        nonlocal heard
        heard += 1
        match heard:
            case 1:
                task.cancel()
            case 2:
                say(_STILL)
            case _:
                os._exit(_INTERRUPTED)

    heeded = [each for each in _SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
    for each in heeded:
        loop.add_signal_handler(each, hear)
    try:
        yield
    finally:
        for each in heeded:
            loop.remove_signal_handler(each)
