"""What must hold after every single request, and what must hold at the end."""

import copy
import re
from collections import Counter
from datetime import timedelta

from reconciler.sandbox import timestamps
from tests.exhaustive.histories import is_child
from tests.exhaustive.world import BINDING, NAME, PRIMARY, SQL_GATE

# A request takes some time, so that a branch is not made and overwritten in one second, which is what Neon tells.
_REQUEST_SECONDS = 0.05
# For so long Hyperdrive may answer from its cache, by the defaults of Cloudflare.
_CACHED = timedelta(seconds=75)
_HOLDS = {"1h": timedelta(hours=1), "7d": timedelta(days=7), "forever": timedelta.max}


def bound_to(version):
    """The id of the Hyperdrive config that a version is bound to; None where it is to none."""
    return next((each["id"] for each in version.bindings if each["name"] == BINDING), None)


class Watch:
    """Looks at the sandbox's state after every request to a provider, and notes what must never be so.

    A history that was live once is a *promoted* one, known by the id of its cluster; `promoted` says which timeline
    each carries.
    """

    def __init__(self, world, gates):
        self._world = world
        self._gates = gates
        self.violations = []
        self.requests = []
        self.on_request = lambda _number: None
        self.promoted = {}
        self.made = {}
        self._reaches = {}
        self._fenced = world.desired["primary"].get("fence", False)
        self._repoints = world.desired["hyperdrive"].get("strategy") == "repoint"
        self._before = self._lasting() if world.primary() else None  # in the middle of a run, it is put back
        self._carried = None
        self._held_since = {}
        self._children = {}
        self._protected = set()
        for branch in world.project.branches.values():
            self._note_made(branch)
            if branch.name == PRIMARY or ".held." in branch.name:
                self.promoted[branch.cluster] = world.timeline(branch)
        world.sandbox.served = self.served

    def kept(self):
        """Everything that it has noted so far, as a copy."""
        noticed = self.requests, self.promoted, self.made, self._reaches, self._before, self._carried
        return copy.deepcopy((*noticed, self._held_since, self._children, self._protected))

    def put_back(self, kept):
        *noticed, self._held_since, self._children, self._protected = copy.deepcopy(kept)
        self.requests, self.promoted, self.made, self._reaches, self._before, self._carried = noticed

    def served(self, entry):
        self._world.loop.leapt += _REQUEST_SECONDS
        self.requests.append((entry.method, entry.path, entry.status))
        for violation in self._look():
            if violation not in self.violations:
                self.violations.append(violation)
        self.on_request(len(self.requests))

    def _look(self):
        self._world.histories.note()
        for branch in self._world.project.branches.values():
            self._note_made(branch)
            self._note_held(branch)
        yield from self.lost()
        for script in self._world.scripts:
            yield from self._reached(script)
        yield from self._made_twice()
        yield from self._renamed_early()
        if self._repoints:
            yield from self._promoted_early()
        yield from self._put_twice()
        yield from self._reset_twice()
        yield from self._unprotected_early()

    def _unprotected_early(self):
        """What is held keeps its protection until its hold has ended, and for ever where the file does not say so."""
        held = [each for each in self._world.project.branches.values() if ".held." in each.name]
        allowed = self._world.desired["primary"].get("unprotect_held", False)
        for branch in held:
            is_due = allowed and self._is_held_enough(branch.cluster)
            if branch.id in self._protected and not branch.protected and not is_due:
                yield f"{branch.name} was protected, and is not any more"
        self._protected = {each.id for each in held if each.protected}

    def _reset_twice(self):
        """A declared branch has one history, and one more after the one reset that is asked for, which keeps the first.

        What somebody else has made has one.
        """
        for branch in self._world.project.branches.values():
            if branch.cluster is not None and is_child(branch):
                self._children.setdefault(branch.name, set()).add(branch.cluster)
        for name, clusters in self._children.items():
            if len(clusters) > (2 if name == "staging" else 1):
                yield f"{name} had {len(clusters)} histories"
        if len(staging := self._children.get("staging", ())) == 2:
            kept = {cluster for name, clusters in self._children.items() for cluster in clusters if name != "staging"}
            if not staging & kept:
                yield "staging was reset, and what it held is not kept"

    def _note_made(self, branch):
        if branch.cluster is not None and self._is_made(branch):
            self.made.setdefault(self._world.timeline(branch), set()).add(branch.cluster)

    def _note_held(self, branch):
        """Since when a history is held: since it was given that name, or made under it."""
        if ".held." in branch.name:
            self._held_since.setdefault(branch.cluster, branch.updated_at)
        else:
            self._held_since.pop(branch.cluster, None)

    def _is_made(self, branch):
        """Whether a branch was made for a restore; in place, what proves an undo is a copy of what is held."""
        if not branch.annotation or is_child(branch):
            return False
        if branch.cluster is None:
            parent = self._world.project.branches.get(branch.parent_id)
            return parent is None or self._world.timeline(parent) != self._world.timeline(branch)
        return not self._world.histories.of(branch).put and not self._world.histories.goes_on(branch.cluster)

    def lost(self):
        """The only copy of a timeline is never gone, unless it was held long enough and is not asked for by then."""
        held = {branch.cluster for branch in self._world.project.branches.values()}
        for cluster, timeline in list(self.promoted.items()):
            if cluster in held and cluster in self._world.sandbox.storage.clusters:
                continue
            if timeline == self._world.timeline_asked() or not self._is_held_enough(cluster):
                yield f"the only copy of {timeline} is gone"
            else:
                self._let_go(cluster)

    def _let_go(self, cluster):
        """A hold has ended: what is gone by right may be asked for later, and then be made again."""
        self.promoted.pop(cluster, None)
        for made in self.made.values():
            made.discard(cluster)

    def _is_held_enough(self, cluster):
        since, hold = self._held_since.get(cluster), self._world.desired["primary"].get("hold", "7d")
        return since is not None and timestamps.now() - since >= _HOLDS[hold]

    def _reached(self, script):
        """Users of a Worker reach one database, which is there, and which was proved before."""
        serving = [version for version, share in self._world.script(script).deployments[0].split if share]
        behind = {version: self._behind(script, version) for version in serving}
        if None in behind.values():
            yield f"users of {script} reach no database"
            return
        if len({branch.id for branch in behind.values()}) > 1:
            yield f"traffic of {script} is split over two databases"
        for branch in behind.values():
            yield from self._switched(script, branch)
        for version, branch in behind.items():
            if branch.cluster not in self.promoted:
                is_put = self._world.histories.of(branch).put
                yield from self._put_unproved(branch) if is_put else self._unproved(script, version, branch)
                self.promoted[branch.cluster] = self._world.timeline(branch)

    def _switched(self, script, branch):
        """Where a fence is asked, users leave a branch that takes no writes any more, for one that does.

        In place they stay, and nobody reaches what was theirs: it has no compute.
        """
        here = branch.id, branch.cluster
        fences, (left, history) = self._world.fences, self._reaches.get(script, here)
        self._reaches[script] = here
        if not self._fenced or left == branch.id:
            return
        if self._must_be_fenced(history) and not fences.is_closed(history):
            yield f"users of {script} were switched from {self.promoted[history]} while it took writes"
        if fences.is_closed(branch.cluster):
            yield f"users of {script} were switched to {branch.name}, which takes no writes"

    def _must_be_fenced(self, _history):
        return True

    def _unproved(self, script, version, branch):
        asked = self._world.sandbox.storage.statements
        if "sql" in self._gates and not any(each.cluster == branch.cluster and each.text == SQL_GATE for each in asked):
            yield f"users of {script} reach {branch.name}, whose SQL gate was never asked"
        if "http" in self._gates and not self._repoints and version not in self._world.route.proved:
            yield f"users of {script} reach version {version}, whose HTTP gate was never asked"

    def _put_unproved(self, branch):
        """What was put into the primary is what was proved, to the very point; the Worker's version is the same."""
        timeline, histories = self._world.timeline(branch), self._world.histories
        proofs, asked = histories.proofs(branch.cluster), self._world.sandbox.storage.statements
        if not proofs:
            yield f"{timeline} was put into {branch.name} from a point that no branch was made from"
        is_new = not histories.goes_on(branch.cluster)
        if "sql" in self._gates and is_new and not any(e.cluster in proofs and e.text == SQL_GATE for e in asked):
            yield f"{timeline} was put into {branch.name}, and its SQL gate was never asked"

    def _promoted_early(self):
        """Nothing is called restored while Hyperdrive has connections or cached answers of what was left."""
        primary = self._world.primary()
        if primary is None or self._carried is None or primary.cluster in (None, self._carried[0]):
            return
        for config in self._world.account.configs.values():
            if not self._has_let_go(config) or timestamps.now() - config.modified_on < _CACHED:
                timeline = self._world.timeline(primary)
                yield f"{primary.name} is {timeline}, and {config.name} may still say what was left"

    def _put_twice(self):
        """Nothing is put into the primary that it carries."""
        primary = self._world.primary()
        if primary is None or primary.cluster is None:
            return
        carries = primary.cluster, self._world.timeline(primary)
        if self._carried is not None and carries != self._carried and carries[1] == self._carried[1]:
            yield f"{carries[1]} was put into {primary.name}, which carried it"
        self._carried = carries

    def _behind(self, script, version):
        config = self._world.account.configs.get(bound_to(self._world.script(script).version(version)))
        return config and self._world.branch_at(config.origin["port"])

    def _made_twice(self):
        """A restore happens once: one history per timeline, one branch per history, one upload per label and config."""
        for timeline, clusters in self.made.items():
            if len(clusters) > 1:
                yield f"{timeline} was made {len(clusters)} times"
        branches = self._world.project.branches.values()
        marks = [self._world.timeline(each) for each in branches if self._is_made(each)]
        for timeline, count in Counter(marks).items():
            if count > 1:
                yield f"{count} branches carry {timeline}"
        for script in self._world.scripts:
            versions = self._world.script(script).versions
            labels = Counter((each.annotations.get("workers/message"), bound_to(each)) for each in versions)
            for (label, _), count in labels.items():
                if label and count > 1:
                    yield f"{script} was uploaded {count} times as {label!r}"

    def _renamed_early(self):
        """The primary's name is never on a history that was not proved; in place, users may be elsewhere by hand."""
        primary = self._world.primary()
        if primary is None or primary.cluster is None or primary.cluster in self.promoted:
            return
        if self._world.histories.of(primary).put:
            yield from self._put_unproved(primary)
            self.promoted[primary.cluster] = self._world.timeline(primary)
        else:
            yield f"{primary.name} is {self._world.timeline(primary)}, which users have never reached"

    # At the end.

    def check_end(self, names, *, failed=False, held=frozenset()):
        """Check everything that must hold when a run has converged; `names` are the configs that there are.

        Those in `held` may still be there, where it was not known who uses them.

        Where what was asked for has `failed` its last check, the origin is to be live again.
        """
        world = self._world
        primary, asked = world.primary(), "origin" if failed else world.timeline_asked()
        self.violations += self.lost()
        if primary is None or world.timeline(primary) != asked:
            self.violations.append(f"converged, and the primary is not {asked}")
            return
        if not primary.default:
            self.violations.append("converged, and the primary is not the default branch")
        for script in world.scripts:
            self._check_script(script, primary, asked)
        self._check_configs(names, held)
        self._check_held(primary, failed=failed)
        self._check_fences(primary)
        self._check_lasting(primary)
        if self._repoints:
            self._check_repointed()

    def _lasting(self):
        """What no restore changes, and what none in place does: protection, branch, computes, deployments, sizes."""
        world, primary = self._world, self._world.primary()
        sizes = [(each.minimum_units, each.maximum_units) for each in world.project.endpoints_of(primary.id)]
        computes = sorted((each.id, each.port) for each in world.project.endpoints_of(primary.id))
        deployments = [len(world.script(script).deployments) for script in world.scripts]
        return primary.protected, (primary.id, computes, deployments, list(world.account.configs)), sizes

    def _check_lasting(self, primary):
        protected, address, sizes = self._lasting()
        asked = self._world.desired["primary"]
        if sizes != self._before[2]:
            self.violations.append(f"converged, and the compute has another size: {self._before[2]}, {sizes}")
        if "history_retention" in asked and self._world.project.history_retention_seconds != 172_800:
            self.violations.append("converged, and the history is not the two days that are asked for")
        if protected != asked.get("protected", self._before[0]):
            self.violations.append(f"converged, and {primary.name} is {'not ' * (not protected)}protected")
        if asked.get("method") != "in-place":
            return
        if address != self._before[1]:
            self.violations.append(f"converged, and how users reach the data has changed: {self._before[1]}, {address}")
        for config in self._world.account.configs.values():
            if primary.last_reset_at and (config.restarted_on is None or config.restarted_on < primary.last_reset_at):
                self.violations.append(f"converged, and {config.name} has connections from before the restore")

    def _check_repointed(self):
        """The config is led elsewhere and nothing is deployed; it has let go of what it was led from, cache and all."""
        (config,) = self._world.account.configs.values()
        deployments, known = self._lasting()[1][2:], self._before[1][2:]
        if deployments != known:
            self.violations.append(f"converged by a repoint, and it was {known} before, and is {deployments}")
        if not self._has_let_go(config):
            self.violations.append(f"converged, and {config.name} has connections from before it was repointed")

    def _has_let_go(self, config):
        return config.modified_on == config.created_on or config.modified_on <= (
            config.restarted_on or config.created_on
        )

    def _check_fences(self, primary):
        """What is live takes writes, and where it is asked, nothing else does; the marks say so."""
        for branch in self._world.project.branches.values():
            held = branch is not primary and not is_child(branch)
            closed, wanted = self._world.fences.is_closed(branch.cluster), self._fenced and held
            says = any(each.name and "fenced" in each.name for each in self._world.project.endpoints_of(branch.id))
            if (closed, says) != (wanted, wanted):
                self.violations.append(f"converged, {branch.name} takes {'no ' * closed}writes, and says {says}")

    def _check_script(self, script, primary, asked):
        (version, _), *_ = [each for each in self._world.script(script).deployments[0].split if each[1]]
        bound = bound_to(self._world.script(script).version(version))
        if self._behind(script, version) is not primary:
            self.violations.append(f"converged, and users of {script} are not on {asked}")
        if self._world.wrangler_id(script) != bound:
            self.violations.append(f"converged, and wrangler.jsonc of {script} names another config than is deployed")

    def _check_configs(self, names, held):
        found = Counter(each.name for each in self._world.account.configs.values())
        if set(found) - held != names or max(found.values()) > 1:
            self.violations.append(f"converged, and there are the configs {sorted(found.elements())}")
        for config in self._world.account.configs.values():
            branch = self._world.branch_at(config.origin["port"])
            timeline = re.sub(f"^{NAME}-?", "", config.name) or "origin"
            history = branch and self._world.histories.of(branch)
            if branch is None or (not history.put and history.timeline != timeline):
                self.violations.append(f"converged, and the config {config.name} is an orphan")

    def _check_held(self, primary, *, failed):
        for branch in self._world.project.branches.values():
            if branch is primary or is_child(branch):
                continue
            if failed and branch.name == f"main.failed.{self._world.timeline_asked()}":
                continue
            if not branch.name.startswith(f"main.held.{self._world.timeline(branch)}."):
                self.violations.append(f"converged, and {branch.name} is left over")
