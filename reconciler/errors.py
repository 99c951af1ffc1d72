"""Every error that a user can meet.

    ReconcilerError
    ├── InputError            what was given is wrong: a file, an argument, the environment
    │   ├── JsoncError        a JSONC file does not parse
    │   └── BindingAbsent     a wrangler.jsonc has no such Hyperdrive binding in that environment
    ├── ProviderError         Neon or Cloudflare said no
    │   ├── AnswerLost        a write may or may not have happened: look before repeating
    │   └── Unreachable       nothing was done
    ├── GateFailed            a verification did not pass (could not run is not a pass)
    ├── FenceFailed           a database could not be made read-only, or writable again
    ├── DeployFailed          a deployment was tried and is not live
    ├── NotConverged          the steps were taken and the world does not show it
    ├── WorldMoved            what a step was decided on has changed right before it: nothing was done
    ├── OutOfTime             the time that an apply was given has passed
    ├── Suspended             applying to the environment is suspended for a while
    ├── LeaseHeld             another run is working on the environment
    ├── LeaseLost             the lease was lost: another run may be at work
    ├── SnapshotFailed        a local database could not be dumped or restored, or is not what it should be
    └── GitError              Git, or the remote, said no
        ├── PushRejected      the remote's ref is not the expected one: another push came first
        ├── RemoteRefused     the remote was reached and does not want it: no access, a protected branch, a hook
        └── RemoteUnreachable the remote did not answer, or is not there

An error says what happened, to what, with which numbers; `hint` says what to do next.
"""


class ReconcilerError(Exception):
    """The root. `message` is one sentence in lower case; `hint` is the way out, or empty."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def report(self) -> str:
        """Return the lines to show to the user."""
        return f"error: {self.message}" + (f"\nhint: {self.hint}" if self.hint else "")


class InputError(ReconcilerError):
    """What was given is wrong: a file, an argument or the environment. Nothing was sent anywhere."""


class JsoncError(InputError):
    """A JSONC file does not parse. `line` and `column` start at 1 and count characters."""

    def __init__(self, message: str, *, line: int, column: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.line = line
        self.column = column


class BindingAbsent(InputError):
    """A wrangler.jsonc was read, and the environment in it has no Hyperdrive binding of that name."""


class ProviderError(ReconcilerError):
    """A provider refused a request. `status` is the HTTP status, `code` the provider's own code as text."""

    def __init__(self, message: str, *, status: int = 0, code: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code


class AnswerLost(ProviderError):
    """A write was sent and its answer never came: it may have happened. Look before repeating."""


class Unreachable(ProviderError):
    """The provider could not be reached at all, or kept answering that it is busy; nothing was done."""


class GateFailed(ReconcilerError):
    """A verification did not pass, timed out, or could not run. `gate` is its name."""

    def __init__(self, message: str, *, gate: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.gate = gate


class FenceFailed(ReconcilerError):
    """A database could not be made read-only, or writable again, or a fresh login shows that it is not."""


class DeployFailed(ReconcilerError):
    """A deployment was tried, and reading back shows that it is not live."""


class NotConverged(ReconcilerError):
    """Steps were taken and answered, and the world still does not show their effect."""


class WorldMoved(ReconcilerError):
    """What a step was decided on has changed right before it was taken. Nothing was done: look again."""


class OutOfTime(ReconcilerError):
    """The time that an apply was given has passed: what was under way was given up, and may have happened."""


class Suspended(ReconcilerError):
    """Applying to the environment is suspended: nothing more is done until that ends."""


class LeaseHeld(ReconcilerError):
    """Another run is working on the environment, and its lease has not expired."""


class LeaseLost(ReconcilerError):
    """The lease could not be kept: nothing more may be done, as another run may be at work by now."""


class SnapshotFailed(ReconcilerError):
    """A local database could not be dumped or restored, or what was restored is not what it should be."""


class GitError(ReconcilerError):
    """Git, or the remote, said no."""


class PushRejected(GitError):
    """The remote's ref is not the expected one: another push came first. Fetch, and look again."""


class RemoteRefused(GitError):
    """The remote was reached and said no: there is no access, or a rule or a hook forbids it."""


class RemoteUnreachable(GitError):
    """The remote did not answer, or there is no repository where it should be. Trying again later may help."""
