"""What you should know before you approve a plan."""

from collections.abc import Iterator
from datetime import timedelta

from reconciler.core.lineage.lineage import Lineage, accounts_for
from reconciler.core.model.desired import VERSION_PLACEHOLDER, Desired
from reconciler.core.model.observed import Observed, Project, known, named
from reconciler.core.model.provider_limits import FREE_CONFIGS, PAID_CONFIGS
from reconciler.core.rules.context import concurrency
from reconciler.core.rules.declared import warnings as declared
from reconciler.core.rules.hyperdrive import upkeep
from reconciler.core.rules.project import protection, settings
from reconciler.core.rules.restore import fence, in_place, role_changes
from reconciler.core.rules.retention import pruning
from reconciler.core.rules.retention.deletion import undeletable
from reconciler.core.steps import Phase, Step
from reconciler.core.steps.branch import VerifyBranch, creation
from reconciler.core.steps.primary import RestoreBranch
from reconciler.core.values.duration import for_people
from reconciler.core.values.instant import Instant

_SOON = timedelta(hours=2)


def warnings(
    desired: Desired, observed: Observed, project: Project, lineage: Lineage, steps: tuple[Step, ...]
) -> tuple[str, ...]:
    """List what the steps cost or leave to you, one sentence each."""
    return (
        *_about_leftovers(desired, observed, lineage),
        *_about_the_live_branch(lineage),
        *protection.missing(desired, project, observed, lineage, steps),
        *_about_others(desired, observed, steps),
        *_about_the_new_branch(observed, project, steps),
        *in_place.warnings(desired, observed, lineage, steps),
        *_about_the_switch(desired, steps),
        *upkeep.warnings(desired, observed, steps),
        *fence.warnings(desired, lineage, steps),
        *_about_the_gates(desired, steps),
        *_about_promotion(desired, lineage, steps),
        *(role_changes.differences(desired, observed, lineage) if steps else ()),
        *settings.warnings(desired, observed, lineage, steps),
        *pruning.warnings(desired, observed, lineage, steps),
        *declared.warnings(desired, observed, lineage, steps),
    )


def _about_leftovers(desired: Desired, observed: Observed, lineage: Lineage) -> Iterator[str]:
    for each in lineage.candidates:
        if each.timeline != desired.timeline and each.branch.id != lineage.live.branch.id:
            yield (
                f'"{each.branch.name}" was prepared, but the file no longer asks for it. It never served, and is left '
                "alone with its compute: delete it if you don't need it (neon branches delete)"
            )
    branches = known(observed.branches)
    for each in lineage.proved:
        yield from (f"{refusal.message}; {refusal.hint}" for refusal in undeletable(each, lineage, branches))
    for each in lineage.failed:
        yield f'"{each.branch.name}" failed its last check; it is held, with what users wrote to it'


def _about_the_live_branch(lineage: Lineage) -> Iterator[str]:
    branch, held = lineage.live.branch, [each.branch for each in (*lineage.held, *lineage.superseded)]
    if branch.last_reset_at is not None and not accounts_for(branch.last_reset_at, held):
        yield (
            f'"{branch.name}" was reset or restored in place at {branch.last_reset_at}, not by reconciler: its history '
            "does not reach back before that"
        )


def _about_others(desired: Desired, observed: Observed, steps: tuple[Step, ...]) -> Iterator[str]:
    for operation in concurrency.in_the_way(desired, observed, steps):
        lasted, patience = for_people(observed.at - operation.since), for_people(concurrency.PATIENCE)
        yield f"Neon has been running {operation.action} for {lasted}: apply waits {patience} at most for its end"
    configs = known(observed.configs)
    if len(configs) >= FREE_CONFIGS and any(step.creates_config for step in steps):
        yield (
            f"the account has {len(configs)} Hyperdrive configs. Its limit can't be read ({FREE_CONFIGS} on Workers "
            f"Free, {PAID_CONFIGS} on Paid): if it is reached, apply ends before anything is switched"
        )


def _about_the_new_branch(observed: Observed, project: Project, steps: tuple[Step, ...]) -> Iterator[str]:
    step = creation(steps)
    source = named(known(observed.branches), step.source) if step is not None else None
    if step is None or source is None:
        return
    if isinstance(step.at, Instant) and (left := step.at - observed.at.before(project.history)) < _SOON:
        yield f"{step.at} leaves the history window in {for_people(left)}: apply before then"
    if source.parent_id is not None and step.at is not None:
        yield (
            f'"{source.name}" is not a root branch. Whether Neon creates a branch at a moment from it is undocumented: '
            "Neon's answer decides, before anything is changed"
        )
    if any(isinstance(each, RestoreBranch) for each in steps):
        return
    if source.protected:
        yield f'"{source.name}" is protected, so every role has a new password on "{step.name}"'
    yield (
        f'"{step.name}" is a child of "{source.name}": Neon offers no restore in place on a child, and its parent '
        "can never be deleted while it exists"
    )


def _about_the_switch(desired: Desired, steps: tuple[Step, ...]) -> Iterator[str]:
    switches = [step.switches for step in steps if step.switches]
    moves = any(step.holds for step in steps)
    swaps = any(step.holds and not isinstance(step, RestoreBranch) for step in steps)
    if len(switches) > 1:
        scripts = ", ".join(switches)
        yield f"the Workers are switched one after the other ({scripts}): in between, they use different data"
    if swaps and desired.hyperdrive is None:
        yield "no hyperdrive in the file: the connection string changes, and you must put it where it is used"
    elif not desired.workers and any(step.creates_config for step in steps):
        yield "no worker in the file: you must bind the new Hyperdrive config yourself"
    if moves and not desired.verify.sql:
        yield "no SQL gate in the file: only the branch's identity, login and tables are checked, but no rows"
    elif moves and not any(isinstance(step, VerifyBranch) and step.gates for step in steps):
        yield f"{desired.timeline} was live before, so it comes back as it was left: the file's gates do not run on it"


def _about_the_gates(desired: Desired, steps: tuple[Step, ...]) -> Iterator[str]:
    is_staged = any(step.phase is Phase.VERIFY_STAGED for step in steps)
    if any(isinstance(step, VerifyBranch) for step in steps) and not desired.verify.role:
        yield "neither hyperdrive nor verify.role names a role: the login and the tables of the branch are not checked"
    silent = [gate.name for gate in desired.verify.http if not gate.tells_version]
    if is_staged and silent:
        names = ", ".join(f'"{name}"' for name in silent)
        yield (
            f"the answer to {names} does not show which version gave it, and an override may lag behind a deployment: "
            f'make the Worker return its version, and set "contains": "{VERSION_PLACEHOLDER}"'
        )


def _about_promotion(desired: Desired, lineage: Lineage, steps: tuple[Step, ...]) -> Iterator[str]:
    kept = next((step.holds for step in steps if step.holds), "")
    if not kept:
        return
    hold = desired.primary.hold
    span = "for ever" if hold is None else f"for at least {for_people(hold)}"
    yield f'"{kept}" keeps {lineage.live.timeline} whole {span}'
    in_place = any(isinstance(step, RestoreBranch) for step in steps)
    if desired.workers and not in_place and not any(step.stops_writes for step in steps):
        yield (
            f"writes that reach {lineage.live.timeline} while the Worker is being switched stay there: they are held, "
            "but not carried over"
        )
