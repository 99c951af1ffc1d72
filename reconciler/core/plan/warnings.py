"""What a person should know before saying yes, although nothing forbids going on."""

from collections.abc import Iterator
from datetime import timedelta

from reconciler.core.lineage.lineage import Lineage, accounts_for
from reconciler.core.model.desired import VERSION_PLACEHOLDER, Desired
from reconciler.core.model.observed import UNASKED, Branch, Observed, Project, Unknown, named
from reconciler.core.rules.context import concurrency, limits
from reconciler.core.rules.declared import warnings as child_warnings
from reconciler.core.rules.hyperdrive import settings as hyperdrive_upkeep
from reconciler.core.rules.project import protection, settings
from reconciler.core.rules.restore import role_changes
from reconciler.core.rules.retention.deletion import undeletable
from reconciler.core.rules.retention.retained import units
from reconciler.core.steps import Step
from reconciler.core.steps.branch import CreateBranch, FenceBranch, RemoveFence, VerifyBranch
from reconciler.core.steps.hyperdrive import CreateHyperdrive, RepointHyperdrive, RestartPool
from reconciler.core.steps.primary import DeleteBranch, RenameBranch, RestoreBranch
from reconciler.core.steps.worker import SwitchTraffic, VerifyWorker
from reconciler.core.values.instant import Instant, for_people

_SOON = timedelta(hours=2)
# A fence is two logins and one call to Neon, a switch two calls to Cloudflare, each with a look at everything after it.
_FENCE_SECONDS = 4
_SWITCH_SECONDS = 3


def warnings(
    desired: Desired, observed: Observed, project: Project, lineage: Lineage, steps: tuple[Step, ...]
) -> tuple[str, ...]:
    """List what the steps cost or leave to people, one sentence each."""
    return (
        *_about_leftovers(desired, observed, lineage),
        *_about_the_live_branch(lineage),
        *_about_the_protection(desired, observed, project, lineage, steps),
        *_about_others(desired, observed, steps),
        *_about_the_new_branch(observed, project, steps),
        *_about_the_overwriting(desired, observed, lineage, steps),
        *_about_the_switch(desired, steps),
        *hyperdrive_upkeep.warnings(desired, observed, steps),
        *_about_the_fence(desired, lineage, steps),
        *_about_the_gates(desired, steps),
        *_about_promotion(desired, lineage, steps),
        *(role_changes.differences(desired, observed, lineage) if steps else ()),
        *settings.told(desired, observed, lineage, steps),
        *_about_the_pen(desired, observed, lineage, steps),
        *child_warnings.warnings(desired, observed, lineage, steps),
    )


def _about_the_pen(desired: Desired, observed: Observed, lineage: Lineage, steps: tuple[Step, ...]) -> Iterator[str]:
    deleted = {step.branch for step in steps if isinstance(step, DeleteBranch)}
    for each in units(desired, observed, lineage):
        if isinstance(observed.uses, Unknown) and observed.uses != UNASKED and each.may_go(observed.at):
            why = f"as who uses it is not known: {observed.uses.reason}"
            yield f'the hold of "{each.branch.name}" has ended; it stays, {why}'
        if each.has_ended(observed.at) and each.stays and each.stays == protection.keeps(desired, each.branch):
            yield f'the hold of "{each.branch.name}" has ended, and its protection keeps it: {each.stays[0]}'
        if each.branch.name in deleted:
            yield (
                f'"{each.branch.name}" is deleted for good, as its hold ended at {each.until}: '
                f"{each.timeline_branch.timeline} "
                'can\'t be put back as it was left. A longer "hold" in the file keeps it'
            )


def _about_leftovers(desired: Desired, observed: Observed, lineage: Lineage) -> Iterator[str]:
    for each in lineage.candidates:
        if each.timeline != desired.timeline and each.branch.id != lineage.live.branch.id:
            yield (
                f'"{each.branch.name}" was prepared and is not asked for any more; it never served, and is left alone, '
                "with its compute (neon branches delete, when nobody will ask for it again)"
            )
    branches = observed.branches if isinstance(observed.branches, tuple) else ()
    for each in lineage.proved:
        yield from (f"{refusal.message}; {refusal.hint}" for refusal in undeletable(each, lineage, branches))
    for each in lineage.failed:
        yield f'"{each.branch.name}" failed its last check; it is held, with what users wrote to it'


def _about_the_live_branch(lineage: Lineage) -> Iterator[str]:
    branch, held = lineage.live.branch, [each.branch for each in (*lineage.held, *lineage.superseded)]
    if branch.last_reset_at is not None and not accounts_for(branch.last_reset_at, held):
        yield (
            f'"{branch.name}" was reset or restored in place at {branch.last_reset_at}, not by this tool: what it '
            "held before then is not in its history"
        )


def _about_the_protection(
    desired: Desired, observed: Observed, project: Project, lineage: Lineage, steps: tuple[Step, ...]
) -> Iterator[str]:
    branches = observed.branches if isinstance(observed.branches, tuple) else ()
    return protection.missing(desired, project, branches, lineage, steps)


def _about_others(desired: Desired, observed: Observed, steps: tuple[Step, ...]) -> Iterator[str]:
    for operation in concurrency.in_the_way(desired, observed, steps):
        lasted, patience = for_people(observed.at - operation.since), for_people(concurrency.PATIENCE)
        yield f"Neon has been at work on {operation.action} for {lasted}: its end is waited for, {patience} at most"
    configs = observed.configs if isinstance(observed.configs, tuple) else ()
    if len(configs) >= limits.FREE_CONFIGS and any(isinstance(step, CreateHyperdrive) for step in steps):
        yield (
            f"the account has {len(configs)} Hyperdrive configs, and gets {limits.FREE_CONFIGS} on Workers Free or "
            f"{limits.PAID_CONFIGS} on Paid, which can't be read: if it is full, it ends before anything is switched"
        )


def _about_the_new_branch(observed: Observed, project: Project, steps: tuple[Step, ...]) -> Iterator[str]:
    branches = observed.branches if isinstance(observed.branches, tuple) else ()
    for step in steps:
        source = named(branches, step.source) if isinstance(step, CreateBranch) else None
        if not isinstance(step, CreateBranch) or source is None:
            continue
        if isinstance(step.at, Instant) and (left := step.at - observed.at.before(project.history)) < _SOON:
            yield f"{step.at} leaves the history window in {for_people(left)}: apply before then"
        yield from _about_the_source(source, step, stays=not any(isinstance(each, RestoreBranch) for each in steps))


def _about_the_source(source: Branch, step: CreateBranch, *, stays: bool) -> Iterator[str]:
    if source.parent_id is not None and step.at is not None:
        yield (
            f'"{source.name}" is not a root branch, and whether Neon makes a branch at a moment from such a one is '
            "not documented: Neon's answer decides, before anything is changed"
        )
    if stays and source.protected:
        yield f'"{source.name}" is protected, so every role has a new password on "{step.name}"'
    if stays:
        yield (
            f'"{step.name}" is a child of "{source.name}": Neon offers no restore in place on a child, and its parent '
            "can never be deleted while it exists"
        )


def _about_the_overwriting(
    desired: Desired, observed: Observed, lineage: Lineage, steps: tuple[Step, ...]
) -> Iterator[str]:
    step = next((each for each in steps if isinstance(each, RestoreBranch)), None)
    if step is None:
        return
    primary = lineage.live.branch
    yield (
        f'restoring "{primary.name}" in place rewinds every database and role on it, and drops every connection for '
        "some seconds; its host and passwords stay"
    )
    if isinstance(observed.configs, tuple) and any(isinstance(each, RestartPool) for each in steps):
        yield (
            "Hyperdrive may answer reads from its query cache after that, for max_age and stale_while_revalidate "
            "together (75 s where the config sets neither)"
        )
    if primary.protected:
        after = ", and protected again right after" if desired.primary.protected is not False else ""
        yield f'"{primary.name}" is unprotected while it is being restored{after}'
    branches = observed.branches if isinstance(observed.branches, tuple) else ()
    children = [f'"{each.name}"' for each in branches if each.parent_id == primary.id and each.name != step.proved_on]
    if children:
        yield f'what was made from "{primary.name}" is a child of "{step.keep_as}" after that: {", ".join(children)}'
    if primary.parent_id is None:
        yield f'"{step.keep_as}" becomes a root branch of its own, and Neon\'s plans allow few of them'
    else:
        yield (
            f'"{primary.name}" is not a root branch: Neon documents restores in place for root branches only, and its '
            f'answer decides. It becomes a child of "{step.keep_as if step.source == step.branch else step.source}", '
            "which can't be deleted then"
        )


def _about_the_switch(desired: Desired, steps: tuple[Step, ...]) -> Iterator[str]:
    switches = [step for step in steps if isinstance(step, SwitchTraffic)]
    swaps = any(isinstance(step, RenameBranch) and ".held." in step.to for step in steps)
    moves = swaps or any(isinstance(step, RestoreBranch) for step in steps)
    if len(switches) > 1:
        scripts = ", ".join(step.script for step in switches)
        yield f"the Workers are switched right after each other ({scripts}): for that moment they use different data"
    if swaps and desired.hyperdrive is None:
        yield "no hyperdrive in the file: the connection string changes, and putting it where it is used is yours"
    elif not desired.workers and any(isinstance(step, CreateHyperdrive) for step in steps):
        yield "no worker in the file: binding the new Hyperdrive config to whatever uses it is yours"
    if moves and not desired.verify.sql:
        yield "no SQL gate in the file: only the branch's identity, login and tables are checked, and none of its rows"
    elif moves and not any(isinstance(step, VerifyBranch) and step.gates for step in steps):
        yield f"{desired.timeline} was live before, so it comes back as it was left: the file's gates are not run on it"


def _about_the_fence(desired: Desired, lineage: Lineage, steps: tuple[Step, ...]) -> Iterator[str]:
    """Say from which step to which users can't write, and for about how long."""
    fence = next((n for n, step in enumerate(steps) if isinstance(step, FenceBranch) and step.served), None)
    if fence is None:
        return
    live, place = lineage.live.timeline, f"from step {fence + 1} (the fence of {lineage.live.timeline})"
    switches = SwitchTraffic | RepointHyperdrive
    end = max((n for n, step in enumerate(steps) if isinstance(step, switches)), default=None)
    if end is None:
        users = "users are on another one already" if desired.workers else "until you have changed what uses it"
        yield f"writes to {live} fail {place} on, {users}; it stays read-only while it is held"
        return
    scripts = [
        step.script if isinstance(step, SwitchTraffic) else step.hyperdrive
        for step in steps[fence : end + 1]
        if isinstance(step, switches)
    ]
    switched = ", ".join(scripts)
    between = sum(isinstance(step, FenceBranch | RemoveFence) for step in steps[fence:end])
    seconds = between * _FENCE_SECONDS + _SWITCH_SECONDS
    yield (
        f"writes fail {place} until step {end + 1} has switched {switched}: about "
        f"{seconds} s, and longer where Neon or Cloudflare are slow; reads go on. Open connections to it are ended "
        "then. A run that dies in between leaves it so until the next run, which lifts the fence first"
    )


def _about_the_gates(desired: Desired, steps: tuple[Step, ...]) -> Iterator[str]:
    asked = any(isinstance(step, VerifyWorker) for step in steps)
    if any(isinstance(step, VerifyBranch) for step in steps) and not desired.verify.role:
        yield "neither hyperdrive nor verify.role names a role: the login and the tables of the branch are not checked"
    silent = [gate.name for gate in desired.verify.http if not gate.tells_version]
    if asked and silent:
        names = ", ".join(f'"{name}"' for name in silent)
        yield (
            f"the answer to {names} does not tell which version gave it, and an override may lag behind a deployment: "
            f'let the Worker say its version, and set "contains": "{VERSION_PLACEHOLDER}"'
        )


def _about_promotion(desired: Desired, lineage: Lineage, steps: tuple[Step, ...]) -> Iterator[str]:
    renamed = next((step.to for step in steps if isinstance(step, RenameBranch) and ".held." in step.to), "")
    preserved = next((step.keep_as for step in steps if isinstance(step, RestoreBranch)), "")
    if not renamed and not preserved:
        return
    hold = desired.primary.hold
    span = "for ever" if hold is None else f"for at least {for_people(hold)}"
    kept = renamed or preserved
    yield f'"{kept}" keeps {lineage.live.timeline} whole {span}'
    if desired.workers and renamed and not any(isinstance(step, FenceBranch) and step.served for step in steps):
        yield (
            f"writes that reach {lineage.live.timeline} while the Worker is being switched stay there: they are held, "
            "not carried over"
        )
