"""Which timeline each history carries, told without the product's code.

A history is known by the id of its cluster, which never changes what it carries: a restore in place gives a branch
another cluster, and the branch that is preserved the old one. What a new cluster carries is read when it is first seen:
from the annotation of the branch that was made with it, or, where it was put into a branch, from the newest held name.
"""

import re
from dataclasses import dataclass

_TIMELINE = r"origin|(?:r-\d{8}T\d{9}Z|lsn-[0-9A-F]+-[0-9A-F]+)(?:-[a-z0-9-]+)?"
_HELD = re.compile(rf"main\.held\.(?:{_TIMELINE})\.before\.({_TIMELINE})(?:\.(\d+))?(?:\.in-place)?(?:\.by-hand)*")


def is_child(branch):
    """Whether it is a branch besides the primary that the file declares, or declared, or keeps what one held."""
    return "reconciler.branch" in branch.annotation or ".before-reset." in branch.name or branch.name == "somebodys"


@dataclass(frozen=True)
class History:
    """What a cluster carries; the cluster and the position that it continues; whether it was put into a branch."""

    timeline: str
    source: str | None
    position: str
    put: bool


class Histories:
    """All the histories that there were in a world."""

    def __init__(self, world):
        self._world = world
        self._known = {}

    def note(self):
        """Look at what is there."""
        for branch in self._world.project.branches.values():
            if branch.cluster is not None and branch.cluster not in self._known:
                self._known[branch.cluster] = self._read(branch)

    def _read(self, branch):
        mark = self._world.sandbox.storage.clusters[branch.cluster].source
        put = branch.last_reset_at is not None
        if is_child(branch):
            return History(
                f"what {branch.name} holds", mark and mark.cluster, mark and (mark.position or mark.lsn), put
            )
        timeline = self._put_last() if put else branch.annotation.get("reconciler.timeline", "origin")
        return History(timeline, mark and mark.cluster, mark and (mark.position or mark.lsn), put)

    def _put_last(self):
        found = [_HELD.fullmatch(each.name) for each in self._world.project.branches.values()]
        return max((int(each[2] or 1), each[1]) for each in found if each)[1]

    def of(self, branch):
        """The history that a branch has; None before it has one."""
        return self._known.get(branch.cluster)

    def source(self, branch):
        """The history that the one of a branch continues."""
        return self._known[self.of(branch).source]

    def timeline(self, branch):
        """The timeline that a branch carries, or is to carry."""
        known = self.of(branch)
        return known.timeline if known else branch.annotation.get("reconciler.timeline", "origin")

    def timeline_of(self, cluster):
        """The timeline that a cluster carries, also when it is gone."""
        return self._known[cluster].timeline

    def goes_on(self, cluster):
        """Whether a history is a copy of one that carries the same timeline."""
        known = self._known[cluster]
        return known.source in self._known and self._known[known.source].timeline == known.timeline

    def proofs(self, cluster):
        """The clusters of branches that were made from the very same point as one that was put."""
        known = self._known[cluster]
        return [
            each
            for each, history in self._known.items()
            if not history.put and (history.source, history.position) == (known.source, known.position)
        ]

    def kept(self):
        return dict(self._known)

    def put_back(self, known):
        self._known = dict(known)
