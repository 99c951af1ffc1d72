"""The faults, each of which befalls each request of a run on its own."""

from dataclasses import dataclass

from reconciler.sandbox.faults import Action, Kind

_FOR_EVER = 10**9


@dataclass(frozen=True)
class Fault:
    """Something that befalls one request, which it `applies` to.

    `action` (None: nothing) is what the sandbox does with it. `switches` are of its Neon half. `kills`: the process
    that sent the request does nothing any more after it. `hidden`: sending that one request again hides it from
    whoever sent it, or another fault comes to the same for them (500 to a dropped request, what is no JSON to a dropped
    answer, as `providers/http/client.py` makes one error of all three), so what is asked of production makes no
    difference to it.
    """

    name: str
    action: Action | None
    applies: str = "any"
    switches: tuple[tuple[str, object], ...] = ()
    times: int = 1
    kills: bool = False
    hidden: bool = False

    def befalls(self, method, path):
        """Whether it can happen to a request."""
        match self.applies:
            case "nothing":
                return False
            case "any":
                return True
            case "write":
                return method != "GET"
            case "read":
                return method == "GET"
            case "operations":
                return method == "POST" and path.endswith(("/branches", "/endpoints", "/restore"))
        raise AssertionError(self.applies)

    def strikes(self, nth):
        """What the sandbox is to do: (action, nth request, times), in this order."""
        if self.action is None:
            return []
        if not self.kills:
            return [(self.action, nth, self.times)]
        closed = Action(Kind.DROP_BEFORE)
        if self.action.kind is Kind.DROP_BEFORE:
            return [(closed, nth, _FOR_EVER)]
        return [(self.action, nth, 1), (closed, nth + 1, _FOR_EVER)]


_RECOVERS = (("failed_operation_recovers", True),)

NOTHING = Fault("nothing", None, applies="nothing")
FAULTS = (
    NOTHING,
    Fault("dropped before", Action(Kind.DROP_BEFORE)),
    Fault("dropped after", Action(Kind.DROP_AFTER), applies="write"),
    Fault("423", Action(Kind.STATUS, 423), hidden=True),
    Fault("429", Action(Kind.STATUS, 429), hidden=True),
    Fault("429 Retry-After", Action(Kind.STATUS, 429, 7), hidden=True),
    Fault("500", Action(Kind.STATUS, 500), hidden=True),
    Fault("503", Action(Kind.STATUS, 503), hidden=True),
    Fault("524 after", Action(Kind.STATUS_AFTER, 524), applies="write"),
    Fault("malformed JSON", Action(Kind.GARBLE), hidden=True),
    Fault("read 404", Action(Kind.STATUS, 404), applies="read"),
    Fault("stale once", Action(Kind.STALE), applies="read"),
    Fault("stale for a look", Action(Kind.STALE), applies="read", times=6),
    Fault("failed, finished", Action(Kind.FAIL_OPERATION), applies="operations", switches=_RECOVERS),
    Fault("operation failed", Action(Kind.FAIL_OPERATION), applies="operations"),
    Fault("operation error", Action(Kind.ERROR_OPERATION), applies="operations"),
    Fault("killed before", Action(Kind.DROP_BEFORE), kills=True),
    Fault("killed after", Action(Kind.DROP_AFTER), applies="write", kills=True),
)
"""A read has no effect: what befalls it after that befalls it before; killed after it is before the next request."""
