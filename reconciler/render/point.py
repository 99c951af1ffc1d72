"""Words for what a restore goes back to: a moment, which has an age, or an LSN, which has none."""

from reconciler.core.model.desired import Restore
from reconciler.core.values.duration import for_people
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import spelled

NO_TIME = "an LSN has no time: Neon checks that the history still has it before anything is changed"


def asked(restore: Restore) -> str:
    """Name what the file asks for; an LSN with its timeline."""
    return spelled(restore.to) + (f" of {restore.source}" if restore.moment is None else "")


def with_age(restore: Restore, now: Instant, form: str) -> str:
    """Name what the file asks for and, for a moment, how long ago that was: `form` has {age}."""
    age = "" if restore.moment is None else form.format(age=for_people(now - restore.moment))
    return asked(restore) + age
