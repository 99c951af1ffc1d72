"""How commands end, for scripts."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses."""

    DONE = 0
    ERROR = 1
    PENDING = 2
    REFUSED = 3
