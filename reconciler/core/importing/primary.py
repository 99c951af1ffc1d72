"""What an existing primary is, read from Neon alone: the timeline that it carries, and how it came to be live."""

import re
from dataclasses import dataclass

from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.lineage.lineage import Lineage
from reconciler.core.model.desired import Desired, Method, Primary, Restore
from reconciler.core.model.observed import Branch
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import RESTORED_NAME
from reconciler.errors import InputError

_TIMELINE = rf"{RESTORED_NAME}\S*"
_OURS = re.compile(rf"(?P<primary>.+)\.(?:held|candidate|failed|proved)\.(?:origin|{_TIMELINE})(?:\..*)?")
_OF_A_TIMELINE = re.compile(rf"(?P<name>.+)-{_TIMELINE}")


@dataclass(frozen=True, slots=True)
class Found:
    """The primary as the file is to name it, and what its timeline and its method were read from.

    `lineage` is None if the live timeline is unknown.
    """

    primary: Primary
    restore: str
    method: str
    lineage: Lineage | None = None


def direct_host(host: str) -> str:
    """Return the direct host of Neon's pooled one, and any other host as it is."""
    label, dot, domain = host.partition(".")
    return f"{label.removesuffix('-pooler')}{dot}{domain}"


def base_name(config: str) -> str:
    """Return what `hyperdrive.name` is where Workers are bound to this config: without the timeline it was made for."""
    found = _OF_A_TIMELINE.fullmatch(config)
    return found["name"] if found else config


def refuse_ours(branch: Branch) -> None:
    """Raise InputError for a branch that a restore has made and that is not the primary."""
    found = _OURS.fullmatch(branch.name)
    if found is not None:
        raise InputError(
            f'what is bound points to branch "{branch.name}", which is no primary: a restore of "{found["primary"]}" '
            "was interrupted, or a Worker was deployed with an old id",
            hint=(
                "take the file out of the Git history (git log -- desired-state/), and run apply with it; or deploy "
                "the Worker with the id that points to the primary, then import"
            ),
        )


def primary_of(environment: str, project: str, branch: str, branches: tuple[Branch, ...]) -> Found:
    """Read which timeline is live from annotations and held names: those of an environment that has lost its file.

    If they do not show it, `origin` is assumed, and the plan then refuses with the signs.
    """
    primary = Primary(project, branch)
    lineage = infer_lineage(Desired(environment, primary), branches)
    if not isinstance(lineage, Lineage):
        return Found(primary, "unknown", "the default")
    live, newest = lineage.live.timeline, lineage.newest
    in_place = newest is not None and newest.held is not None and newest.held.in_place
    method = Method.IN_PLACE if in_place else Method.BRANCH
    how = f'as "{newest.branch.name}" was replaced' if newest else "the default: restore to a fresh branch"
    if live.to is None:
        sign = f'"{newest.branch.name}" shows that it is live again' if newest else "no branch shows a restore"
        return Found(Primary(project, branch, method=method), f"the original timeline: {sign}", how, lineage)
    sign = "from the branch's annotations" if lineage.live.branch.mark else "from the names of held branches"
    source = lineage.made_from if isinstance(live.to, Lsn) else None
    return Found(Primary(project, branch, Restore(live.to, live.id, source=source), method), sign, how, lineage)
