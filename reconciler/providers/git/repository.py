"""The Git repository: what its commits say, and new commits for its remote.

All of it goes through the git command (see git_command). Paths are from the repository's root with "/" between their
parts, and bytes are never converted: neither line ends nor filters apply to what is read from or written to commits.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

from reconciler.core.values.instant import Instant
from reconciler.errors import GitError
from reconciler.providers.git.command import Answer, Git, gist
from reconciler.providers.git.remote import Remote
from reconciler.providers.git.writing import identified, tree_with, write_commit

NOTES = "refs/notes/reconciler"
_DEEPER = "fetch all of it: `git fetch --unshallow`, or `fetch-depth: 0` for actions/checkout"
_COMMIT_FORMAT = "--format=%H%x00%ct%x00%an%x00%s"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: when it was committed (UTC), its author's name, and the first line of its message."""

    id: str
    at: Instant
    author: str
    subject: str


class Repository:
    """A repository with a work tree. Every method may raise GitError, RemoteRefused or RemoteUnreachable.

    `root` is the top level of the work tree; `remote` is the name of the remote, or None where there is none.
    """

    def __init__(self, git: Git, remote: Remote | None) -> None:
        self.root = git.directory
        self.remote = remote.name if remote else None
        self.git = git
        self._remote = remote

    @classmethod
    def containing(cls, directory: Path, environment: Mapping[str, str] = os.environ) -> Self | None:
        """Find the repository around a directory; None outside of one.

        Its remote is the one that RECONCILER_REMOTE names, or `origin`; an empty RECONCILER_REMOTE is none.
        Raises GitError where the repository cannot be used, or has no remote of the name in RECONCILER_REMOTE.
        """
        if not _has_repository(directory):
            return None
        answer = Git.at(directory, environment).attempt("rev-parse", "--show-toplevel")
        if answer.status != 0:
            _refuse_unless_outside(directory, answer)
            return None
        git = Git.at(Path(answer.text), environment)
        name = environment.get("RECONCILER_REMOTE", "origin")
        if addresses := _addresses(git, name):
            for address in addresses:
                git = git.hiding(address)
            return cls(git, Remote(git, name, addresses[0]))
        if "RECONCILER_REMOTE" in environment and name:
            raise GitError(
                f"RECONCILER_REMOTE is {name}, and {git.directory} has no remote of that name",
                hint="`git remote -v` shows them; RECONCILER_REMOTE= (empty) is to work without one",
            )
        return cls(git, None)

    def patient(self, seconds: float) -> "Repository":
        """Return the same repository, with a time after which a remote that does not answer is given up."""
        return Repository(self.git, self._remote.within(seconds) if self._remote else None)

    # What is here.

    def head(self) -> str:
        """Return the id of the commit that is checked out; empty before the first one."""
        return self.resolve("HEAD") or ""

    def branch(self) -> str:
        """Return the branch that is checked out; empty where HEAD is detached, as actions/checkout may leave it."""
        return self.git.attempt("symbolic-ref", "--quiet", "--short", "HEAD").text

    def resolve(self, name: str) -> str | None:
        """Return the id of the commit of a name or an abbreviated id."""
        if not name or name.startswith("-"):
            return None
        answer = self.git.attempt("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        return answer.text if answer.status == 0 else None

    def about(self, commit: str) -> Commit:
        """Describe a commit."""
        return self._commits("-1", self._known(commit))[0]

    def read(self, commit: str, path: str) -> bytes | None:
        """Read a file of a commit; None where it has none of this path. A symbolic link is not followed."""
        name = f"{self._known(commit)}:{path}"
        found = self.git.attempt("cat-file", "blob", name)
        if found.status == 0:
            return found.content
        there = self.git.attempt("rev-parse", "--verify", "--quiet", name).status == 0
        if there and self.git.attempt("cat-file", "-t", name).text not in ("tree", "commit"):
            raise GitError(f"{path} cannot be read from {commit[:12]}: {gist(found.said)}")
        return None

    def parents(self, commit: str) -> tuple[str, ...]:
        """Return the ids of a commit's parents, also of those that a shallow clone lacks."""
        head = self.git.run("cat-file", "commit", self._known(commit)).text.partition("\n\n")[0]
        return tuple(line.removeprefix("parent ") for line in head.split("\n") if line.startswith("parent "))

    def history(self, commit: str) -> frozenset[str]:
        """Return the ids of a commit and of all that it comes after, as far as this clone has them."""
        return frozenset(self.git.run("rev-list", self._known(commit)).text.split())

    def list(self, commit: str, directory: str) -> tuple[str, ...]:
        """Return the paths of a commit's files below a directory; an empty one is the root."""
        below = ("--", f"{directory.rstrip('/')}/") if directory else ()
        return self.git.run("ls-tree", "-r", "-z", "--name-only", "--full-tree", self._known(commit), *below).names

    def changed_files(self, old: str, new: str) -> tuple[str, ...]:
        """Return the paths in which two commits differ, whatever lies between them."""
        ends = self._known(old), self._known(new)
        return self.git.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", *ends).names

    def merge_base(self, one: str, other: str) -> str:
        """Return the newest commit that both histories have; empty where there is none."""
        answer = self.git.attempt("merge-base", self._known(one), self._known(other))
        if answer.status != 0:
            self._need_all("where two histories part")
        return answer.text

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether `new` is `old` or comes after it."""
        return self.git.attempt("merge-base", "--is-ancestor", self._known(old), self._known(new)).status == 0

    def last_change(self, commit: str, path: str) -> str:
        """Return the id of the newest commit, from `commit` back, that changed a file; empty if there is none."""
        found = self.changes(commit, path, most=1)
        return found[0].id if found else ""

    def changes(self, commit: str, path: str, most: int = 0) -> tuple[Commit, ...]:
        """Return the commits that changed a file, the newest first; at most so many, or all (0)."""
        limit = (f"-{most}",) if most else ()
        found = self._commits(*limit, self._known(commit), "--", f":(top,literal){path}")
        edges = self._edges()
        if any(each.id in edges for each in found):
            raise GitError(f"when {path} was changed is not known here: this clone is shallow", hint=_DEEPER)
        return found

    def differs_from_head(self, path: str) -> bool:
        """Whether a file of the work tree differs from HEAD's. An uncommitted file does.

        What git would convert on its way into a commit, such as line ends, is no difference.
        """
        head = self.head()
        committed = self.read(head, path) if head else None
        file = self.root / path
        if not file.is_file():
            return committed is not None
        if committed is None:
            return True
        return file.read_bytes() != committed and self._blob_of(file, path) != self._blob(head, path)

    # What is made.

    def commit(self, parent: str, files: Mapping[str, bytes], message: str) -> str:
        """Write a commit that changes or adds these files, keeping their modes; return its id. No ref follows it.

        An empty parent begins a history. Raises InputError where a path is no file's: a link, a directory.
        """
        git = identified(self.git)
        known = self._known(parent) if parent else ""
        return write_commit(git, tree_with(git, known, files), [known] if known else [], message)

    def set_branch(self, name: str, commit: str) -> None:
        """Let a local branch that is not checked out be this commit."""
        self.git.run("branch", "--force", "--no-track", "--", name, self._known(commit))

    # What the remote has.

    def remote_url(self) -> str | None:
        """Return the address of the remote, without credentials in it."""
        return self._remote.address if self._remote else None

    def default_branch(self) -> str:
        """Return the remote's default branch; the one that is checked out where there is no remote or no commit."""
        found = (self._remote.default_branch() if self._remote else "") or self.branch()
        if not found:
            raise GitError("no branch is checked out, and there is no remote to ask for its default branch")
        return found

    def fetch(self, branch: str) -> str:
        """Fetch a branch of the remote; return its tip."""
        tracking = f"refs/remotes/{self._needed().name}/{branch}"
        self._needed().fetch(f"refs/heads/{branch}", tracking)
        return self.git.run("rev-parse", "--verify", tracking).text

    def fetch_objects(self, ref: str) -> None:
        """Fetch the objects of a remote's ref, without setting a ref of ours."""
        self._needed().fetch(ref)

    def push(self, commit: str, ref: str, *, expected: str | None) -> None:
        """Let a ref of the remote be this commit; an empty one deletes the ref.

        `expected` is the id that the remote's ref must have now, "" where it must not exist; None allows a fast-forward
        only. Raises PushRejected where the ref is something else by now, RemoteRefused where the remote does not want
        it. Where git's answer was lost, what the remote has decides.
        """
        self._needed().push(self._known(commit) if commit else "", ref, expected=expected)

    def would_push(self, ref: str) -> None:
        """Ask whether a ref of the remote may be pushed to, by a dry run. Raises GitError where not."""
        head = self.head()
        if not head:
            raise GitError(f"{self.root} has no commit yet, and nothing can be pushed", hint="commit the files first")
        self._needed().would_take(head, ref)

    def remote_ref(self, ref: str) -> str:
        """Return the id that a ref of the remote has now; empty where it is not there."""
        return self._needed().ref(ref)

    def _needed(self) -> Remote:
        if self._remote is None:
            raise GitError(f"{self.root} has no remote", hint="`git remote add origin ADDRESS`, or RECONCILER_REMOTE")
        return self._remote

    def _known(self, commit: str) -> str:
        found = self.resolve(commit)
        if found is None:
            self._need_all(f"the commit {commit or '(none)'}")
            raise GitError(f"there is no commit {commit or '(none)'} in {self.root}", hint="fetch it first")
        return found

    def _need_all(self, what: str) -> None:
        if self._edges():
            raise GitError(f"{what} is not known here: this clone is shallow", hint=_DEEPER)

    def _edges(self) -> frozenset[str]:
        """Return the commits at which a shallow clone ends: their parents are missing."""
        file = self.root / self.git.run("rev-parse", "--git-path", "shallow").text
        return frozenset(file.read_text(encoding="ascii").split()) if file.exists() else frozenset()

    def _commits(self, *arguments: str) -> tuple[Commit, ...]:
        text = self.git.run("log", "-z", _COMMIT_FORMAT, "--no-show-signature", *arguments).content
        fields = text.decode(errors="replace").split("\0")
        rows = zip(*(iter(fields),) * 4, strict=False)
        return tuple(Commit(commit, Instant(int(at) * 1000), author, subject) for commit, at, author, subject in rows)

    def _blob(self, commit: str, path: str) -> str:
        return self.git.attempt("rev-parse", "--verify", "--quiet", f"{commit}:{path}").text

    def _blob_of(self, file: Path, path: str) -> str:
        given = file.read_bytes()
        return self.git.run("hash-object", "--stdin", "--path", str(PurePosixPath(path)), given=given).text


def head_of(directory: Path, environment: Mapping[str, str] = os.environ) -> str:
    """Return the id of the commit that is checked out around a directory, with one git process.

    It is empty outside a repository, before its first commit, and where git would not say. Raises GitError.
    """
    if not _has_repository(directory):
        return ""
    return Git.at(directory, environment).attempt("rev-parse", "--verify", "--quiet", "HEAD^{commit}").text


def _has_repository(directory: Path) -> bool:
    """Whether there may be one: a look at the disk is quicker than a git process."""
    return any((each / ".git").exists() for each in (directory.absolute(), *directory.absolute().parents))


def _addresses(git: Git, name: str) -> tuple[str, ...]:
    """Return the addresses of a remote, those for pushing too; none where there is no such remote."""
    if not name or name.startswith("-"):
        return ()
    answers = [git.attempt("remote", "get-url", *options, "--", name) for options in (("--all",), ("--push", "--all"))]
    return tuple(address for answer in answers if answer.status == 0 for address in answer.text.splitlines())


def _refuse_unless_outside(directory: Path, answer: Answer) -> None:
    if "not a git repository" in answer.said or "must be run in a work tree" in answer.said:
        return
    owned = "dubious ownership" not in answer.said
    hint = "" if owned else f"another user owns it: git config --global --add safe.directory {directory}"
    raise GitError(f"the repository around {directory} cannot be used: {gist(answer.said)}", hint=hint)
