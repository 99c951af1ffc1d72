"""Whether a change of the desired-state file alone can say what is live, and which. Pure.

Three things can be accepted: that another timeline is live, that the primary branch has another name, and that the
Workers serve from another Hyperdrive config that leads to the live branch. Whether that is all there is to it is
decided by planning the changed file: what would still have to be done in the world cannot be accepted away.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from reconciler.core.file.edit import with_restore, with_value
from reconciler.core.lineage.infer import PrimaryMissing, infer_lineage
from reconciler.core.lineage.lineage import TimelineBranch
from reconciler.core.model.desired import Desired, Hyperdrive, Restore
from reconciler.core.model.observed import HyperdriveConfig, Observed, ObservedWorker, known
from reconciler.core.model.refusal import Refusal
from reconciler.core.plan.plan import plan
from reconciler.core.steps import Step
from reconciler.core.values.timeline import ORIGIN, HeldName

_REASON = "accepted as it was found live"


@dataclass(frozen=True, slots=True)
class Acceptable:
    """What the file would ask for, the changes in words, and the wrangler.jsonc files that an apply then corrects."""

    desired: Desired
    changes: tuple[str, ...]
    corrected: tuple[str, ...]
    edit: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Unacceptable:
    """Why no change of the file alone says what is live."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Edit:
    says: str
    desired: Desired
    text: Callable[[str], str]


def acceptance(desired: Desired, observed: Observed) -> Acceptable | Unacceptable:
    """Find the change of the file that makes it say what is live."""
    edits: list[_Edit] = []
    wanted = desired
    for find in (_branch, _timeline, _hyperdrive):
        found = find(wanted, observed)
        if isinstance(found, str):
            return Unacceptable(found)
        if found is not None:
            edits.append(found)
            wanted = found.desired
    left = plan(replace(wanted, branches=None), observed)
    if left.refusals:
        return Unacceptable(left.refusals[0].message)
    remaining: list[Step] = [step for step in left.steps if not step.writes_file]
    if remaining or not edits:
        return Unacceptable(_still_missing(remaining or list(left.steps)))
    corrected = tuple(step.writes_file for step in left.steps if step.writes_file)
    return Acceptable(wanted, tuple(each.says for each in edits), corrected, _all([each.text for each in edits]))


def _branch(desired: Desired, observed: Observed) -> _Edit | str | None:
    """The primary was renamed: it is the project's default branch, under another name."""
    branches = known(observed.branches)
    if not isinstance(infer_lineage(desired, branches), PrimaryMissing):
        return None
    default = next((branch.name for branch in branches if branch.default), None)
    if default is None:
        return f'no branch is named "{desired.primary.branch}", and the project has no default branch'
    held = [branch.name for branch in branches if HeldName.parse(desired.primary.branch, branch.name)]
    if held:
        return f'held timelines carry the old name in theirs ("{held[0]}"): the branch must get its name back'
    return _Edit(
        f'primary.branch: "{desired.primary.branch}" becomes "{default}", the name that the default branch has',
        replace(desired, primary=replace(desired.primary, branch=default)),
        lambda text: with_value(text, ("primary", "branch"), default),
    )


def _timeline(desired: Desired, observed: Observed) -> _Edit | str | None:
    """Another timeline is live."""
    live = _live(desired, observed)
    if isinstance(live, Refusal):
        return live.message
    if live.timeline == desired.timeline:
        return None
    to, identity = live.timeline.to, live.timeline.id
    restore = None if to is None else Restore(to, identity, _REASON)
    return _Edit(
        f"primary.restore: {desired.timeline} becomes {live.timeline}, the timeline that is live",
        replace(desired, primary=replace(desired.primary, restore=restore)),
        lambda text: with_restore(text, restore),
    )


def _hyperdrive(desired: Desired, observed: Observed) -> _Edit | str | None:
    """On origin, the Workers serve from another config, and that leads to the live branch."""
    live, hyperdrive = _live(desired, observed), desired.hyperdrive
    config = _serving_config(observed)
    if isinstance(live, Refusal) or hyperdrive is None or config is None or live.timeline != ORIGIN:
        return None
    found = Hyperdrive(config.name, config.database, config.user)
    endpoint = live.branch.endpoint
    if found == hyperdrive or endpoint is None or (config.host, config.port) != (endpoint.host, endpoint.port):
        return None

    def edit(text: str) -> str:
        for key, value in (("name", found.name), ("database", found.database), ("role", found.role)):
            text = with_value(text, ("hyperdrive", key), value)
        return text

    return _Edit(
        f'hyperdrive: "{hyperdrive.name}" becomes "{config.name}", from which the Workers serve the live branch',
        replace(desired, hyperdrive=found),
        edit,
    )


def _live(desired: Desired, observed: Observed) -> TimelineBranch | Refusal:
    found = infer_lineage(desired, known(observed.branches))
    return found if isinstance(found, Refusal) else found.live


def _serving_config(observed: Observed) -> HyperdriveConfig | None:
    """Find the one config that all traffic of every Worker goes to."""
    workers = [each for each in observed.workers if isinstance(each, ObservedWorker)]
    configs = known(observed.configs)
    return next((each for each in configs if workers and all(seen.serves_only(each.id) for seen in workers)), None)


def _still_missing(steps: list[Step]) -> str:
    first = steps[0].describe() if steps else "nothing"
    more = f", and {len(steps) - 1} more" if len(steps) > 1 else ""
    return f"the file cannot say it: it would still take a step in the world ({first}{more})"


def _all(edits: list[Callable[[str], str]]) -> Callable[[str], str]:
    def edit(text: str) -> str:
        for each in edits:
            text = each(text)
        return text

    return edit
