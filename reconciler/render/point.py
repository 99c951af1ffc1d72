"""Words for what a restore goes back to: a moment, which has an age, or an LSN, of which none is known."""

from reconciler.core.model.desired import Restore
from reconciler.core.values.duration import for_people
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import spelled

NO_TIME = "an LSN bears no time: whether the history still has it, Neon tells before anything is changed"


def asked(restore: Restore) -> str:
    """Name what was asked for; an LSN with the timeline that it belongs to."""
    return spelled(restore.to) + (f" of {restore.source}" if restore.moment is None else "")


def with_age(restore: Restore, now: Instant, form: str) -> str:
    """Name what was asked for, followed by how long ago that was, where it is known: `form` is given {age}."""
    age = "" if restore.moment is None else form.format(age=for_people(now - restore.moment))
    return asked(restore) + age
