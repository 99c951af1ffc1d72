"""The machine's clocks."""

import asyncio
import time
from datetime import UTC, datetime

from reconciler.core.values.instant import Instant


class SystemClock:
    """The port `Clock`."""

    def now(self) -> Instant:
        """Return the present moment."""
        return Instant.of(datetime.now(UTC))  # noqa: TID251  this is the one clock

    def elapsed(self) -> float:
        """Return seconds on a clock that never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
