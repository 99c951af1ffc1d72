"""The settings of a Hyperdrive config, and its password, which can't be read.

A setting that the file does not declare stays as it is, also across a restore: a new config gets what the replaced one
has. A password is write-only, so it is never compared. Cloudflare logged in with it when the config was last changed
(Hyperdrive documentation, Troubleshoot and debug), and Neon reports when it last changed the role. The password can
only be wrong if the role was changed later.
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

# How far the providers' clocks may be apart. Changes at both within this time count as one.
_CLOCKS = timedelta(minutes=1)
# Compute units (CU), and `max_connections` from that size on; Neon keeps seven for itself (Neon documentation,
# Connection pooling). A compute that scales counts as its largest size, and at most as eight times its smallest.
_CONNECTIONS = (
    (0.25, 104), (0.5, 209), (1, 419), (2, 839), (3, 1258), (4, 1678), (5, 2098), (6, 2517), (7, 2937), (8, 3357),
    (9, 4000),
)  # fmt: skip
_RESERVED = 7
_SCALES_BY = 8


@dataclass(frozen=True, slots=True)
class ConnectionLimitTooHigh(Refusal):
    """The file declares more connections for Hyperdrive than the compute accepts."""

    rule = "connection-limit-too-high"
    before_the_call = "read again"
    about_setting = True
    name: str
    limit: int
    branch: str
    most: int

    problem = (
        'hyperdrive.connection_limit is {limit}, but the compute of "{branch}" accepts {most} connections: "{name}" '
        "could use up all of them"
    )
    way_out = "declare fewer than {most}, or make the compute larger first"


def for_new_config(context: PlanningContext, hyperdrive: Hyperdrive, branch: Branch) -> Settings:
    """Return the settings of a new config: declared ones, else those of the serving one, without the defaults."""
    replaced = config_of(context.desired, context.lineage.live, context.configs)
    declared = _accepted_by(branch, hyperdrive.settings)
    wanted = declared.or_else(replaced.settings) if replaced else declared
    return replace(
        wanted,
        caching=None if wanted.caching == CACHING_ON else wanted.caching,
        mtls=None if wanted.mtls == NO_CERTIFICATES else wanted.mtls,
    )


def sync_settings(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...]:
    """Set what differs from the file on the config that serves, except a limit that the compute can't take."""
    hyperdrive, config = context.desired.hyperdrive, context.config
    if hyperdrive is None or config is None:
        return ()
    different = _accepted_by(target.branch, hyperdrive.settings).diff(config.settings)
    reason = f"the file differs; the config has {_current(different, config)}"
    return (UpdateHyperdrive(hyperdrive=config.name, settings=different, reason=reason),) if different else ()


def beyond_compute(context: PlanningContext) -> list[Refusal]:
    """Refuse a declared limit that the compute of the live branch can't take. Nothing else waits for it."""
    hyperdrive, config, live = context.desired.hyperdrive, context.config, context.lineage.live
    if hyperdrive is None or config is None or context.target != live:
        return []
    limit, most = hyperdrive.settings.diff(config.settings).connection_limit, most_connections(live.branch)
    if limit is None or most is None or limit < most:
        return []
    return [ConnectionLimitTooHigh(config.name, limit, live.branch.name, most)]


def _accepted_by(branch: Branch, settings: Settings) -> Settings:
    """Return settings without a limit at which Hyperdrive could use up all connections of a branch's compute."""
    limit, most = settings.connection_limit, most_connections(branch)
    return settings if limit is None or most is None or limit < most else replace(settings, connection_limit=None)


def _current(different: Settings, config: HyperdriveConfig) -> str:
    current = config.settings
    caching = current.caching if different.caching else None
    connection_limit = current.connection_limit if different.connection_limit else None
    mtls = current.mtls if different.mtls else None
    return str(Settings(caching, connection_limit, mtls) or "no known connection limit")


def renew_password(context: PlanningContext, target: TimelineBranch) -> tuple[Step, ...]:
    """Write the password again if the role was changed after Cloudflare last logged in with it."""
    hyperdrive, config = context.desired.hyperdrive, context.config
    if hyperdrive is None or config is None or not points_to(config, target.branch):
        return ()
    changed, proved = context.observed.password_changed_at, config.modified_at
    if changed is None or proved is None or changed - proved <= _CLOCKS:
        return ()
    reason = f"Neon changed role {hyperdrive.role} at {changed}; Hyperdrive's login last worked for sure at {proved}"
    step = RenewPassword(
        hyperdrive=config.name,
        branch=target.branch.name,
        database=hyperdrive.database,
        role=hyperdrive.role,
        reason=reason,
    )
    return () if step.key in context.observed.passed else (step,)


def branch_with_password(desired: Desired, observed: Observed) -> Branch | None:
    """Return the branch whose role may have a new password: the desired one, if a config points to it."""
    if not isinstance(observed.branches, tuple) or not isinstance(observed.configs, tuple):
        return None
    lineage = infer_lineage(desired, observed.branches)
    if not isinstance(lineage, Lineage):
        return None
    target = lineage.timeline_branch(effective_desired(desired, lineage).timeline)
    is_used = target is not None and any(points_to(each, target.branch) for each in observed.configs)
    return target.branch if target and is_used else None


def most_connections(branch: Branch) -> int | None:
    """Return how many connections a branch's compute accepts from its owner's roles; None if unknown."""
    endpoint = branch.endpoint
    if endpoint is None or endpoint.settings.maximum is None:
        return None
    least, most = endpoint.settings.minimum, endpoint.settings.maximum
    size = most if least is None else min(most, _SCALES_BY * least)
    at = bisect_right(_CONNECTIONS, size, key=lambda each: each[0])
    return _CONNECTIONS[max(at, 1) - 1][1] - _RESERVED


def warnings(desired: Desired, observed: Observed, steps: tuple[Step, ...]) -> Iterator[str]:
    """Say what else a repoint moves, and if Hyperdrive may open more connections than a compute accepts."""
    for step in steps:
        if isinstance(step, RepointHyperdrive):
            yield from _about_the_repoint(observed, step, fenced=any(each.stops_writes for each in steps))
            if any(each.phase is Phase.VERIFY_LIVE for each in steps):
                yield "with repoint, the HTTP gates run only after users are on the branch: none runs at 0 %"
        if isinstance(step, RepointHyperdrive | CreateHyperdrive):
            yield from _about_connections(desired, observed, step)


def _about_the_repoint(observed: Observed, step: RepointHyperdrive, *, fenced: bool) -> Iterator[str]:
    sharers = known(observed.sharers)
    ours = {getattr(each, "script", "") for each in observed.workers}
    others = [name for name in sharers if name not in ours]
    moved = f". The file does not name these, which move too: {', '.join(others)}" if others else ""
    written = f'. Writes over its old connections stay on "{step.leaves}" until these are dropped'
    yield (
        f'repointing "{step.hyperdrive}" moves every version of every Worker that is bound to it at once{moved}. '
        f"To undo it, revert the commit: `wrangler rollback` does not{'' if fenced else written}"
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
            f'"{name}" may open {limit} connections, but the compute of "{step.branch}" accepts {most}: give it more '
            "compute units, or declare fewer as hyperdrive.connection_limit"
        )
    elif declared is not None and declared >= most:
        refusal = ConnectionLimitTooHigh(name, declared, step.branch, most)
        yield f"{refusal.message}; {refusal.hint}"


def _limit_after(observed: Observed, step: RepointHyperdrive | CreateHyperdrive) -> tuple[str, int | None]:
    """Return the config that a step is about, and how many connections it may open right after it."""
    if isinstance(step, CreateHyperdrive):
        return step.name, step.settings.connection_limit
    config = named(known(observed.configs), step.hyperdrive)
    return step.hyperdrive, config.connection_limit if config else None
