"""Whether an environment is suspended, for commands that only read: errors here stop nothing."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.cli.repository.shared import shared_repository
from reconciler.core.plan.plan import Plan
from reconciler.core.records.suspension import Suspension
from reconciler.core.values.instant import Instant
from reconciler.errors import GitError
from reconciler.providers.clock import SystemClock
from reconciler.providers.git.suspension import SuspensionRef
from reconciler.render.plan import suspension_facts


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of an environment's suspension at a moment: one in force, one that is over, or None.

    `unread` says why the remote could not be read, and is empty otherwise; what is known is then a copy.
    """

    at: Instant
    suspension: Suspension | None = None
    unread: str = ""

    @property
    def standing(self) -> Suspension | None:
        """The suspension, if it is still in force."""
        return self.suspension if self.suspension is not None and not self.suspension.is_over(self.at) else None

    @property
    def sentence(self) -> str:
        """Return what is known in one line; empty if nothing is suspended."""
        if self.suspension is None:
            return f"whether it is suspended could not be read: {self.unread}" if self.unread else ""
        doubt = f" (by the local copy; {self.unread})" if self.unread else ""
        over = "" if self.standing else ". It is over, and ignored"
        return f"{self.suspension.message}{over}{doubt}"

    @property
    def facts(self) -> dict[str, object] | None:
        """Return the same in JSON's terms."""
        if self.suspension is None:
            return {"unknown": self.unread} if self.unread else None
        return (
            suspension_facts(self.suspension)
            | {"over": self.standing is None}
            | ({"copy": self.unread} if self.unread else {})
        )


def look(file: EnvironmentFile, environment: Mapping[str, str] = os.environ, *, fetch: bool = True) -> Seen:
    """Read whether an environment is suspended; without `fetch`, from the copy that is kept here. Raises nothing."""
    now = SystemClock().now()
    copy = None
    try:
        repository = shared_repository(file, environment)
        if repository is None:
            return Seen(now)
        ref = SuspensionRef(repository, file.name)
        copy = ref.copy()
        found = ref.look() if fetch else copy
        return Seen(now, found.readable if found else None)
    except GitError as error:
        return Seen(now, copy.suspension if copy else None, error.message)


def shown_in(found: Plan, seen: Seen) -> Plan:
    """Return the plan with the suspension in force, and a warning where it could not be read."""
    unread = f"whether {found.desired.environment} is suspended could not be read: {seen.unread}"
    warnings = (*found.warnings, unread) if seen.unread else found.warnings
    return replace(found, suspension=seen.standing, warnings=warnings)
