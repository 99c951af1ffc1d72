"""What is set on a Hyperdrive config, and the password that nobody can read in it.

What the file does not declare is not ours to change, but a restore does not change it either: a new config is given
what the replaced one has. A password is write-only, so it is never compared. Cloudflare has logged in with it when the
config was last changed (Hyperdrive documentation, Troubleshoot and debug), so it can only have become wrong since, and
Neon tells when it last changed the role. So the two times are all that is kept of a password, by the providers
themselves, and nobody can learn anything about it from them.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from reconciler.core.lineage.hyperdrive import config_of, points_to
from reconciler.core.lineage.infer import effective_desired, infer_lineage
from reconciler.core.lineage.lineage import Lineage, TimelineBranch
from reconciler.core.model.desired import Desired, Hyperdrive
from reconciler.core.model.hyperdrive import CACHING_ON, NO_CERTIFICATES, Settings
from reconciler.core.model.observed import Branch, HyperdriveConfig, Observed, known, named
from reconciler.core.model.refusal import Refusal
from reconciler.core.rules.context.planning import PlanningContext
from reconciler.core.steps import Phase, Step
from reconciler.core.steps.hyperdrive import CreateHyperdrive, RenewPassword, RepointHyperdrive, UpdateHyperdrive

# How far two providers' clocks may be apart. What is changed at both in so short a time is taken for one change.
_CLOCKS = timedelta(minutes=1)
# `max_connections` from so many compute units (CU) on, of which Neon keeps seven for itself (Neon documentation,
# Connection pooling). A compute that scales counts as its largest size, and at most as eight times its smallest.
_CONNECTIONS = (
    (0.25, 104), (0.5, 209), (1, 419), (2, 839), (3, 1258), (4, 1678), (5, 2098), (6, 2517), (7, 2937), (8, 3357),
    (9, 4000),
)  # fmt: skip
_RESERVED = 7
_SCALES_BY = 8


@dataclass(frozen=True, slots=True)
class ConnectionLimitTooHigh(Refusal):
    """More connections are declared for Hyperdrive than the compute takes."""

    rule = "connection-limit-too-high"
    before_the_call = "read again"
    about_setting = True
    name: str
    limit: int
    branch: str
    most: int

    problem = (
        'hyperdrive.connection_limit is {limit}, but the compute of "{branch}" takes {most} connections: "{name}" '
        "could use up all of them"
    )
    way_out = "declare less than {most}, or make the compute larger first"


def of_new(context: PlanningContext, hyperdrive: Hyperdrive, branch: Branch) -> Settings:
    """Return what a new config of a branch gets: what is declared, and otherwise what the one that serves has.

    What Cloudflare sets by default is left out.
    """
    replaced = config_of(context.desired, context.lineage.live, context.configs)
    declared = _taken_by(branch, hyperdrive.settings)
    wanted = declared.or_else(replaced.settings) if replaced else declared
    return replace(
        wanted,
        caching=None if wanted.caching == CACHING_ON else wanted.caching,
        mtls=None if wanted.mtls == NO_CERTIFICATES else wanted.mtls,
    )


def sync_settings(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...]:
    """Set what differs from the file on the config that serves, as far as the compute takes it."""
    hyperdrive, config = context.desired.hyperdrive, context.config
    if hyperdrive is None or config is None:
        return ()
    different = _taken_by(target.branch, hyperdrive.settings).diff(config.settings)
    reason = f"the file declares otherwise; it has {_found(different, config)}"
    return (UpdateHyperdrive(hyperdrive=config.name, settings=different, reason=reason),) if different else ()


def beyond_compute(context: PlanningContext) -> list[Refusal]:
    """Refuse what is declared and can't be set on the config of the live branch. Nothing else waits for it."""
    hyperdrive, config, live = context.desired.hyperdrive, context.config, context.lineage.live
    if hyperdrive is None or config is None or context.target != live:
        return []
    limit, most = hyperdrive.settings.diff(config.settings).connection_limit, most_connections(live.branch)
    if limit is None or most is None or limit < most:
        return []
    return [ConnectionLimitTooHigh(config.name, limit, live.branch.name, most)]


def _taken_by(branch: Branch, settings: Settings) -> Settings:
    """Return settings without a limit that lets Hyperdrive use up all connections of a branch's compute."""
    limit, most = settings.connection_limit, most_connections(branch)
    return settings if limit is None or most is None or limit < most else replace(settings, connection_limit=None)


def _found(different: Settings, config: HyperdriveConfig) -> str:
    found = config.settings
    return str(
        Settings(
            found.caching if different.caching else None,
            found.connection_limit if different.connection_limit else None,
            found.mtls if different.mtls else None,
        )
        or "no connection limit that is told"
    )


def renew_password(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...]:
    """Write a password that has been changed since into the config of what is live, or is to be live again."""
    hyperdrive, config = context.desired.hyperdrive, context.config
    if hyperdrive is None or config is None or not points_to(config, target.branch):
        return ()
    changed, proved = context.observed.password_changed_at, config.modified_at
    if changed is None or proved is None or changed - proved <= _CLOCKS:
        return ()
    reason = f"Neon has changed role {hyperdrive.role} at {changed}, and Hyperdrive's login was last proved at {proved}"
    step = RenewPassword(
        hyperdrive=config.name,
        branch=target.branch.name,
        database=hyperdrive.database,
        role=hyperdrive.role,
        reason=reason,
    )
    return () if step.key in context.observed.passed else (step,)


def logged_in_to(desired: Desired, observed: Observed) -> Branch | None:
    """Find the branch that a password is to be looked at on: the one that is asked for, where a config leads to it."""
    if not isinstance(observed.branches, tuple) or not isinstance(observed.configs, tuple):
        return None
    lineage = infer_lineage(desired, observed.branches)
    target = (
        lineage.timeline_branch(effective_desired(desired, lineage).timeline) if isinstance(lineage, Lineage) else None
    )
    led_to = target is not None and any(points_to(each, target.branch) for each in observed.configs)
    return target.branch if target and led_to else None


def most_connections(branch: Branch) -> int | None:
    """Return how many connections a branch's compute takes from roles of its owner; None where that is not known."""
    endpoint = branch.endpoint
    if endpoint is None or endpoint.settings.maximum is None:
        return None
    least, most = endpoint.settings.minimum, endpoint.settings.maximum
    size = most if least is None else min(most, _SCALES_BY * least)
    at = bisect_right(_CONNECTIONS, size, key=lambda each: each[0])
    return _CONNECTIONS[max(at, 1) - 1][1] - _RESERVED


def warnings(desired: Desired, observed: Observed, steps: tuple[Step, ...]) -> Iterator[str]:
    """Say what a repoint moves besides, and where Hyperdrive may use more connections than a compute takes."""
    for step in steps:
        if isinstance(step, RepointHyperdrive):
            yield from _about_the_repoint(observed, step, fenced=any(each.stops_writes for each in steps))
            if any(each.phase is Phase.VERIFY_LIVE for each in steps):
                yield "by repoint the HTTP gates run only once users are served by the branch: none is tried at 0 %"
        if isinstance(step, RepointHyperdrive | CreateHyperdrive):
            yield from _about_connections(desired, observed, step)


def _about_the_repoint(observed: Observed, step: RepointHyperdrive, *, fenced: bool) -> Iterator[str]:
    sharers = known(observed.sharers)
    ours = {getattr(each, "script", "") for each in observed.workers}
    others = [name for name in sharers if name not in ours]
    moved = f"; these move too, and the file does not name them: {', '.join(others)}" if others else ""
    written = f'. What is written over its old connections until they are dropped stays on "{step.leaves}"'
    yield (
        f'repointing "{step.hyperdrive}" moves every version of every Worker that is bound to it at once{moved}. '
        f"`wrangler rollback` does not undo that: a revert of the commit does{'' if fenced else written}"
    )


def _about_connections(
    desired: Desired, observed: Observed, step: RepointHyperdrive | CreateHyperdrive
) -> Iterator[str]:
    branch = named(known(observed.branches), step.branch)
    most = most_connections(branch) if branch else None
    if most is None:
        return
    name, limit = _limit_after(observed, step)
    declared = desired.hyperdrive.settings.connection_limit if desired.hyperdrive else None
    if limit is not None and limit >= most:
        yield (
            f'"{name}" may open {limit} connections, and the compute of "{step.branch}" takes {most}: give it more '
            "compute units, or declare less as hyperdrive.connection_limit"
        )
    elif declared is not None and declared >= most:
        refusal = ConnectionLimitTooHigh(name, declared, step.branch, most)
        yield f"{refusal.message}; {refusal.hint}"


def _limit_after(observed: Observed, step: RepointHyperdrive | CreateHyperdrive) -> tuple[str, int | None]:
    """Tell which config a step is about, and how many connections that may open right after it."""
    if isinstance(step, CreateHyperdrive):
        return step.name, step.settings.connection_limit
    config = named(known(observed.configs), step.hyperdrive)
    return step.hyperdrive, config.connection_limit if config else None
