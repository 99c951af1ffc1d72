"""What can go wrong between a client and GitHub."""

import re
from dataclasses import dataclass
from enum import Enum, auto


class Fault(Enum):
    """What goes wrong."""

    BEFORE = auto()  # 502, and nothing was done
    AFTER = auto()  # done, and answered with 502
    UNAVAILABLE = auto()  # done, and answered with 503
    DROPPED = auto()  # done, and the connection is closed without an answer
    SECONDARY_LIMIT = auto()  # 403 with retry-after
    PRIMARY_LIMIT = auto()  # 403 with x-ratelimit-remaining: 0
    FORBIDDEN = auto()  # 403, as a token without the permission gets


@dataclass
class Injected:
    """A fault that will happen to the next `times` requests that fit, answered with these headers."""

    fault: Fault
    method: str
    path: re.Pattern
    times: int
    headers: dict

    def hits(self, method, path):
        """Whether it happens to a request."""
        return self.times > 0 and self.method == method and self.path.search(path) is not None

    def answer(self):
        """Give status, headers and body of the answer; None where the connection is dropped."""
        match self.fault:
            case Fault.DROPPED:
                return None
            case Fault.BEFORE | Fault.AFTER:
                return 502, self.headers, {"message": "Server Error"}
            case Fault.UNAVAILABLE:
                return 503, self.headers, {"code": "unavailable", "message": "Service Unavailable"}
            case Fault.SECONDARY_LIMIT:
                body = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}
                return 403, {"retry-after": "1"} | self.headers, body
            case Fault.PRIMARY_LIMIT:
                body = {"message": "API rate limit exceeded for installation ID 1."}
                return 403, {"x-ratelimit-remaining": "0"} | self.headers, body
            case Fault.FORBIDDEN:
                return 403, self.headers, {"message": "Resource not accessible by integration"}


# What happens after all was done.
DONE = (Fault.AFTER, Fault.UNAVAILABLE, Fault.DROPPED)
