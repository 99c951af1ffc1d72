"""The invariants of the exhaustive run, and more, in a world that people change by hand.

The reconciler is not blamed for manual changes, but for everything else:

- what was deleted by hand is no loss, and may be made again;
- a branch that was renamed by hand, or that took one of our names, has the wrong name until that is repaired;
- a config that was pointed elsewhere by hand stays so, and is never edited back;
- two runs at once may both upload a version, as no lease keeps them apart here: that is not counted. Everything else
  holds without a lease, above all one branch and one config per timeline.
"""

import re
from collections import Counter

from reconciler.core.model.provider_limits import neon_plan
from tests.exhaustive.invariants import Watch
from tests.exhaustive.world import NAME, PRIMARY

_ROOM = neon_plan("launch").protected_branches


class WatchWithManualChanges(Watch):
    """Judges after every request, and knows what is true, which the reconciler has to find out.

    `live_at` says which cluster was live at each moment that can be asked for; `primaries` are the clusters that
    had the primary's name, one after the other. While it `is_ours` no more, somebody is at work by hand.
    """

    def __init__(self, world, traces):
        self._traces = traces
        self.is_ours = True
        self.uploads_are_counted = True
        self.live_at = dict.fromkeys(range(len(world.moments)), world.primary().cluster)
        self.primaries = [world.primary().cluster]
        self.asked = {}
        super().__init__(world, world.desired["verify"])

    def served(self, entry):
        if self.is_ours:
            super().served(entry)

    def begin_run(self, *, alone):
        """Judge from here on by what the file has now; by its fence where no other run may lift what one has fenced."""
        self._fenced = alone and self._world.desired["primary"].get("fence", False)
        self._gates = {name: gates for name, gates in self._world.desired["verify"].items() if gates}
        self.asked[self._world.timeline_asked()] = self._world.desired_restore()

    def _look(self):
        primary = self._world.primary()
        if primary is not None and primary.cluster not in (None, self.primaries[-1]):
            self.primaries.append(primary.cluster)
        yield from super()._look()
        yield from self._foreign()

    def _foreign(self):
        every = self._world.account.configs.values()
        if {each.id: each.origin for each in every if not each.name.startswith(NAME)} != self._traces.foreign:
            yield "a config that is not ours was made, changed or deleted"

    def _note_made(self, branch):
        known = {cluster for clusters in self.made.values() for cluster in clusters}
        super()._note_made(branch)
        if branch.cluster is not None and self._is_made(branch) and branch.cluster not in known:
            self._check_source(branch)

    def _check_source(self, branch):
        """A restore comes from the timeline that was live then, or that `from` names, as of that very moment."""
        timeline, parent = self._world.timeline(branch), self._world.histories.source(branch)
        asked = self.asked.get(timeline)
        if asked is None:
            self.violations.append(f"{timeline} was made, and nobody has asked for it")
            return
        if "from" in asked:
            if parent.timeline != asked["from"]:
                self.violations.append(f"{timeline} was made from {parent.timeline}, and not from {asked['from']}")
            return
        number = next(n for n, each in enumerate(self._world.moments) if _compact(each) == timeline[2:21])
        if self._world.histories.of(branch).source != self.live_at[number]:
            self.violations.append(f"{timeline} was made from {parent.timeline}, which was not live then")

    def _must_be_fenced(self, history):
        """What has not the primary's name is left as it is, as when a last check fails: that must not wait."""
        primary = self._world.primary()
        return primary is not None and primary.cluster == history

    def _made_twice(self):
        for violation in super()._made_twice():
            if self.uploads_are_counted or " was uploaded " not in violation:
                yield violation

    def _let_go(self, cluster):
        """What is gone by right is as if somebody had deleted it."""
        self._traces.deleted |= {cluster, self.promoted[cluster]}
        super()._let_go(cluster)

    def see_by_hand(self):
        """Take what hands have done as it is: what somebody has deleted is no loss, and may be made again."""
        for cluster in self._traces.deleted:
            super()._let_go(cluster)
        reached = {script: self.serving(script) for script in self._world.scripts}
        self._reaches = {script: (branch.id, branch.cluster) for script, branch in reached.items()}

    # At the end.

    def _check_configs(self, _names, _held):
        """Each config leads to the branch that its name says, but for what hands have done to either."""
        found = Counter(each.name for each in self._world.account.configs.values())
        if max(found.values()) > 1:
            self.violations.append(f"converged, and there are the configs {sorted(found.elements())}")
        for config in self._world.account.configs.values():
            timeline = re.sub(rf"^{NAME}(-\d+$|-?)|-\d+$", "", config.name) or "origin"
            if not config.name.startswith(NAME) or config.id in self._traces.edited:
                continue
            branch = self._world.branch_at(config.origin["port"])
            if branch is None and timeline in self._traces.deleted:
                continue
            if branch is None or (
                not self._world.histories.of(branch).put and self._world.timeline(branch) != timeline
            ):
                self.violations.append(f"converged, and the config {config.name} is an orphan")

    def _check_held(self, primary, **_failed):
        """Each branch has the name of what it is: held where it was the primary once, or else prepared, or failed."""
        for branch in self._world.project.branches.values():
            timeline = self._world.timeline(branch)
            if branch is primary or branch.id in self._traces.renamed or branch.id in self._traces.taken:
                continue
            if branch.name.startswith(f"{PRIMARY}.held.{timeline}.before."):
                continue
            prepared = branch.name in [f"{PRIMARY}.{word}.{timeline}" for word in ("candidate", "failed", "proved")]
            if not prepared or branch.cluster in self.primaries:
                self.violations.append(f"converged, and {branch.name} carries {timeline}")

    def _check_lasting(self, primary):
        """What was protected by hand stays protected, as far as it can be known and Neon's plan has room for it."""
        branches = self._world.project.branches.values()
        has_room = sum(each.protected for each in branches) < _ROOM
        if self._traces.protected and not primary.protected and has_room:
            self.violations.append(f"converged, and {primary.name} is not protected any more")

    def _check_fences(self, primary):
        """What is held may be fenced or not, as the file was then; the primary never is, nor says so."""
        says = any(each.name and "fenced" in each.name for each in self._world.project.endpoints_of(primary.id))
        if says or self._world.fences.is_closed(primary.cluster):
            self.violations.append(f"converged, and {primary.name} takes no writes, or says so")

    def check_writable(self):
        """However a run ends in which nothing went wrong: users can write."""
        for script in self._world.scripts:
            branch = self.serving(script)
            if branch is not None and self._world.fences.is_closed(branch.cluster):
                self.violations.append(f"ended, and users of {script} are on {branch.name}, which takes no writes")

    # What is true.

    def serving(self, script):
        """The branch that users of a script reach."""
        version = next(version for version, share in self._world.script(script).deployments[0].split if share)
        return self._behind(script, version)

    def came_back(self):
        """Whether a timeline was the primary, was replaced, and is or was the primary again."""
        timelines = Counter(self._world.histories.timeline_of(cluster) for cluster in self.primaries)
        return any(count > 1 for count in timelines.values())


def _compact(moment):
    return moment.strftime("%Y%m%dT%H%M%S000Z")
