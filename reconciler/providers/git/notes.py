"""Receipts as Git notes on `refs/notes/reconciler`: lines that are only ever added.

A note is a file in the tree of that ref, named after its commit (git-notes(1)). Git's own `notes
append` and `notes merge` set their ref without checking whether it has moved since, so two at once lose
one; here every change is a compare-and-swap, of the local ref and of the remote's, and a merge is the union of the
lines of each commit (what `git notes merge -s cat_sort_uniq` makes).
"""

import random
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from reconciler.core.values.redaction import EVERYWHERE
from reconciler.errors import GitError, PushRejected
from reconciler.providers.git.command import Git
from reconciler.providers.git.repository import NOTES, Repository
from reconciler.providers.git.writing import nameless, write_blob, write_commit, write_tree

_FILE = "100644"
_COMMIT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# Of N that push at once one gets through each time: this many may race, and nearly twice as many in fact do.
_MOST_TRIES = 50
_LONGEST_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Tree:
    """The notes of one commit of the notes' ref: commit id -> blobs (more than one after a change of git's fan-out).

    `others` is what is not a note, path -> (mode, blob): it is carried along.
    """

    notes: Mapping[str, tuple[str, ...]]
    others: Mapping[str, tuple[str, str]]


class Notes:
    """The receipts of a repository."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._git: Git = repository.git

    def all(self) -> dict[str, tuple[str, ...]]:
        """Return the lines on each commit, in no order that means anything."""
        tip = self._tip()
        if not tip:
            return {}
        tree = self._tree(tip)
        contents = self._git.blobs(blob for blobs in tree.notes.values() for blob in blobs)
        return {commit: _lines(*(contents[blob] for blob in blobs)) for commit, blobs in tree.notes.items()}

    def add(self, commit: str, line: str) -> None:
        """Add a line to a commit's note, here; `push` brings it to the remote. Adding it twice is adding it once."""
        line = EVERYWHERE(line)
        if not _COMMIT_ID.fullmatch(commit) or "\n" in line or not line.strip():
            raise ValueError("a receipt is one line on the full id of a commit")
        self._change(lambda tip: self._with_line(tip, commit, line))

    def fetch(self) -> None:
        """Bring the remote's receipts here and merge them; nothing without a remote."""
        if self._repository.remote is not None:
            self._take_in()

    def push(self) -> None:
        """Bring ours to the remote, merged with what is there; nothing without a remote. Raises GitError."""
        if self._repository.remote is None:
            return
        for attempt in range(1, _MOST_TRIES + 1):
            theirs = self._take_in()
            ours = self._tip()
            if ours == theirs:
                return
            try:
                self._repository.push(ours, NOTES, expected=theirs)
            except PushRejected:
                _pause(attempt)
            else:
                return
        raise GitError(
            f"the receipts could not be pushed: others changed {NOTES} {_MOST_TRIES} times in between",
            hint="they are kept here; the next apply pushes them too",
        )

    def _take_in(self) -> str:
        """Merge the remote's receipts into ours; return the id of theirs."""
        theirs = self._repository.remote_ref(NOTES)
        while theirs and self._repository.resolve(theirs) is None:
            self._repository.fetch_objects(NOTES)
            if self._repository.resolve(theirs) is None:  # set to something unrelated meanwhile
                theirs = self._repository.remote_ref(NOTES)
        if theirs:
            self._change(lambda ours: self._merged(ours, theirs))
        return theirs

    def _change(self, change: Callable[[str], str]) -> None:
        """Move the local ref from what it is to what `change` makes of it; again where another process was faster."""
        said = ""
        for attempt in range(1, _MOST_TRIES + 1):
            old = self._tip()
            new = change(old)
            if new == old:
                return
            answer = self._git.attempt("update-ref", "-m", "reconciler: receipts", NOTES, new, old)
            if answer.status == 0:
                return
            said = answer.said
            _pause(attempt)
        raise GitError(f"{NOTES} could not be changed in {self._repository.root}: {said.strip()}")

    def _with_line(self, tip: str, commit: str, line: str) -> str:
        tree = self._tree(tip)
        blobs = tree.notes.get(commit, ())
        contents = self._git.blobs(blobs)
        lines = _lines(*(contents[blob] for blob in blobs))
        if line in lines:
            return tip
        blob = write_blob(self._git, _content((*lines, line)))
        changed = _Tree({**tree.notes, commit: (blob,)}, tree.others)
        return self._commit(nameless(self._git), changed, [tip] if tip else [], f"Receipt of {commit[:12]}")

    def _merged(self, ours: str, theirs: str) -> str:
        if not ours or self._repository.is_ancestor(ours, theirs):
            return theirs
        if self._repository.is_ancestor(theirs, ours):
            return ours
        both = _union(self._tree(ours), self._tree(theirs))
        return self._commit(nameless(self._git), both, [ours, theirs], "Receipts of two runs")

    def _commit(self, git: Git, tree: _Tree, parents: list[str], message: str) -> str:
        # Fan-out by the first two digits: git reads any, and its own commands write theirs.
        notes = {f"{commit[:2]}/{commit[2:]}": (_FILE, blob) for commit, blob in self._united(tree.notes).items()}
        return write_commit(git, write_tree(git, "", {**tree.others, **notes}), parents, message)

    def _united(self, notes: Mapping[str, tuple[str, ...]]) -> Mapping[str, str]:
        """Make one blob of all that a commit has, with the lines of each, sorted so that two machines agree."""
        several = {commit: blobs for commit, blobs in notes.items() if len(blobs) > 1}
        contents = self._git.blobs(blob for blobs in several.values() for blob in blobs)
        united = {
            commit: write_blob(self._git, _content(sorted(_lines(*(contents[blob] for blob in blobs)))))
            for commit, blobs in several.items()
        }
        return {commit: blobs[0] for commit, blobs in notes.items()} | united

    def _tip(self) -> str:
        return self._repository.resolve(NOTES) or ""

    def _tree(self, tip: str) -> _Tree:
        notes: dict[str, tuple[str, ...]] = {}
        others: dict[str, tuple[str, str]] = {}
        for entry in self._git.run("ls-tree", "-r", "-z", "--full-tree", tip).names if tip else ():
            facts, _, path = entry.partition("\t")
            mode, _, blob = facts.split(" ")
            commit = path.replace("/", "")
            if _COMMIT_ID.fullmatch(commit):
                notes[commit] = (*notes.get(commit, ()), blob)
            else:
                others[path] = mode, blob
        return _Tree(notes, others)


def _union(one: _Tree, other: _Tree) -> _Tree:
    notes = {
        commit: tuple(dict.fromkeys((*one.notes.get(commit, ()), *other.notes.get(commit, ()))))
        for commit in {**one.notes, **other.notes}
    }
    return _Tree(notes, {**other.others, **one.others})


def _lines(*contents: bytes) -> tuple[str, ...]:
    lines = (line for content in contents for line in content.decode(errors="surrogateescape").split("\n"))
    return tuple(dict.fromkeys(line for line in lines if line.strip()))


def _content(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")


def _pause(attempt: int) -> None:
    """Let the others go on: those that were refused together would only meet again."""
    time.sleep(random.uniform(0, min(_LONGEST_PAUSE_SECONDS, 0.02 * attempt)))  # noqa: S311  not security
