"""Which refusals and errors a run without faults may end with.

Each type of refusal has a condition here, by the state of the sandbox and not by what the reconciler says. A type that
is missing here is never right. The only errors allowed are a failed gate, and a branch that Neon failed to make.
"""

import re

from reconciler.core.lineage.infer import PrimaryMissing, ProvenanceUnknown
from reconciler.core.lineage.lineage import BeforeSourceExisted, SourceAmbiguous, SourceNotHeld
from reconciler.core.model.provider_limits import PAID_CONFIGS
from reconciler.core.rules.context.limits import ConfigLimitReached, RootBranchLimitReached
from reconciler.core.rules.context.planning import TimelineFailed
from reconciler.core.rules.context.readable import BindingMissing, Unreadable
from reconciler.core.rules.hyperdrive.origin import HyperdriveDiffers
from reconciler.core.rules.restore import guards
from reconciler.core.rules.restore.guards import (
    BeforeSourceReset,
    CandidateDiffers,
    HyperdriveNameTaken,
    NameTaken,
    OutsideHistoryWindow,
    TimelineNotHeld,
    TooRecent,
)
from reconciler.core.rules.restore.table_verification import TablesUnprovable
from reconciler.errors import GateFailed, ProviderError
from tests.exhaustive.world import NAME, PRIMARY

# What passes between a look and a gate that it asks for: a request may be sent again for two minutes before it is lost.
_LOOK_SECONDS = 150.0
_TIMELINE = r"origin|r-\d{8}T\d{9}Z(?:-[a-z])?"
_HELD = rf"held\.({_TIMELINE})\.before\.(?:{_TIMELINE})(?:\.\d+)?(?:\.in-place)?"
_NAME = re.compile(rf"{PRIMARY}\.(?:(?:candidate|failed)\.({_TIMELINE})|{_HELD})")


class Truth:
    """What is so, read from the sandbox itself."""

    def __init__(self, world, watch, traces):
        self.world, self.watch, self.traces = world, watch, traces
        self.timeline = world.timeline_asked()
        self.restore = world.desired_restore()

    # Branches.

    def branch(self, timeline):
        """The branch that carries a timeline under a name that says so; None where there is none."""
        for branch in self.world.project.branches.values():
            if branch.name == PRIMARY and self.world.timeline(branch) == timeline:
                return branch
            found = _NAME.fullmatch(branch.name)
            if found and timeline in found.groups() and branch.id not in self.traces.taken:
                return branch
        return None

    def named(self, name):
        return next((each for each in self.world.project.branches.values() if each.name == name), None)

    @property
    def moment(self):
        """The moment asked for, as a datetime; None for origin."""
        text = self.restore and self.restore["to"]
        return next((each for each in self.world.moments if text == _text(each)), None)

    @property
    def source(self):
        """The cluster that the timeline is to be made from; None where there is none."""
        if "from" in self.restore:
            found = self.branch(self.restore["from"])
            return found and found.cluster
        return self.watch.live_at[self.world.moments.index(self.moment)]

    def sources(self):
        """The branches that the moment may come from and that nobody has renamed: of `from`, or what was live then."""
        live = None if "from" in self.restore else self.watch.live_at[self.world.moments.index(self.moment)]
        for branch in self.world.project.branches.values():
            is_named = self.world.timeline(branch) == self.restore.get("from")
            if (is_named or branch.cluster == live) and branch.id not in {*self.traces.renamed, *self.traces.taken}:
                yield branch

    # Configs.

    @property
    def config(self):
        name = NAME if self.timeline == "origin" else f"{NAME}-{self.timeline}"
        return next((each for each in self.world.account.configs.values() if each.name == name), None)


def wrong_refusals(refusals, world, watch, traces):
    """List the refusals that are not right."""
    truth = Truth(world, watch, traces)
    return [each for each in refusals if not _is_right(each, truth)]


def _is_right(refusal, truth):  # noqa: C901, PLR0911, PLR0912  one case per refusal, and no more
    traces, branch = truth.traces, truth.branch(truth.timeline)
    match refusal:
        case PrimaryMissing():
            return truth.world.primary() is None and PRIMARY in traces.renamed.values()
        case ProvenanceUnknown():
            return traces.names_moved or traces.untold
        case TimelineNotHeld():
            return truth.timeline == "origin" and branch is None and _was_taken_away("origin", truth)
        case OutsideHistoryWindow():
            return branch is None and _has_left_the_history(truth)
        case TooRecent():
            age = truth.world.loop.wall_clock() - truth.moment.timestamp()
            return branch is None and age < guards.SETTLING.total_seconds()
        case SourceAmbiguous():
            return "from" not in truth.restore and (truth.watch.came_back() or bool(traces.deleted or traces.renamed))
        case TablesUnprovable():
            return branch is not None and ".candidate." in branch.name and _has_left_the_history(truth)
        case SourceNotHeld():
            return truth.branch(truth.restore["from"]) is None
        case BeforeSourceExisted():
            return _did_not_exist(truth)
        case CandidateDiffers():
            parent = branch and truth.world.project.branches.get(branch.parent_id)
            return branch is not None and ".candidate." in branch.name and parent.cluster != truth.source
        case NameTaken():
            names = [each.name for each in truth.world.project.branches.values() if each.id in traces.taken]
            return f"{PRIMARY}.candidate.{truth.timeline}" in names
        case HyperdriveNameTaken():
            return branch is None and truth.config is not None and _was_taken_away(truth.timeline, truth)
        case RootBranchLimitReached():
            roots = sum(each.parent_id is None for each in truth.world.project.branches.values())
            return roots + refusal.needed > refusal.limit
        case BeforeSourceReset():
            return all(_lacks_the_moment(each, truth) for each in truth.sources())
        case HyperdriveDiffers():
            points_to = truth.world.branch_at(truth.config.origin["port"])
            return points_to is not branch
        case ConfigLimitReached():
            return len(truth.world.account.configs) >= PAID_CONFIGS
        case BindingMissing() | Unreadable(part="Worker"):
            return bool(traces.wrangler)
        case TimelineFailed():
            return truth.named(f"{PRIMARY}.failed.{truth.timeline}") is not None
    return False


def _was_taken_away(timeline, truth):
    """Whether somebody has renamed or deleted what carried a timeline."""
    renamed = [truth.world.project.branches.get(each) for each in truth.traces.renamed]
    return timeline in truth.traces.deleted or any(each and truth.world.timeline(each) == timeline for each in renamed)


def _did_not_exist(truth):
    if "from" in truth.restore:
        source = truth.branch(truth.restore["from"])
        return source is not None and source.created_at >= truth.moment
    return _was_taken_away("origin", truth)


def _lacks_the_moment(branch, truth):
    """Whether the history of a branch begins later, or has ended by then, as what is preserved in place does."""
    return branch.history_start >= truth.moment or (
        branch.name.endswith(".in-place") and branch.created_at < truth.moment
    )


def _did_not_exist_yet(truth):
    """Whether the branch that is named with `from` begins later than the moment."""
    source = truth.branch(truth.restore["from"]) if "from" in truth.restore else None
    return source is not None and source.history_start >= truth.moment


def is_right_error(error, world, watch, traces):
    """Whether a run in which nothing went wrong may end with this error.

    Gates fail where the Workers answer badly. The gate "tables" cannot run where the moment has left the history since
    the look that asked for it. Where what tells since when a timeline was live was deleted, Neon has to tell.
    """
    if isinstance(error, ProviderError):
        return (
            bool(traces.deleted)
            and "before the start of the history" in error.message
            and _did_not_exist_yet(Truth(world, watch, traces))
        )
    if not isinstance(error, GateFailed):
        return False
    if error.gate == "tables":
        truth = Truth(world, watch, traces)
        return _has_left_the_history(truth) and not _has_left_the_history(truth, seconds_ago=_LOOK_SECONDS)
    return bool(world.desired["verify"].get("http")) and not (world.route.staged and world.route.live)


def _has_left_the_history(truth, seconds_ago=0.0):
    age = truth.world.loop.wall_clock() - seconds_ago - truth.moment.timestamp()
    return age > truth.world.project.history_retention_seconds


def _text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")
