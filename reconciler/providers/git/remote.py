"""A remote of a repository: what it has, and pushes that know whether they were done.

Whether a push was done is decided by what the remote's ref is afterwards, not by git's answer: an answer can be lost.
"""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar
from urllib.parse import urlsplit

from reconciler.errors import GitError, PushRejected, RemoteRefused, RemoteUnreachable
from reconciler.providers.git.command import Answer, Git, gist

# What fails in passing is tried again after each of these.
_PAUSES_SECONDS = (0.1, 0.6)
# What git and the servers say; git's messages are stable under LC_ALL=C.
_NO_ACCESS = re.compile(
    r"Authentication failed|could not read (Username|Password)|Permission denied|denied to|returned error: 40[13]"
    r"|access denied|Write access|Invalid username or|not allowed",
    re.IGNORECASE,
)
_NOT_THERE = re.compile(r"not found|returned error: 404|does not appear to be a git repository|does not exist")
_BUSY = re.compile(r"cannot lock ref|failed to update ref|\.lock'?: File exists|shallow file has changed")
_REJECTED_BY_REMOTE = re.compile(r"\[remote rejected\] \((?P<why>.*)\)")
_T = TypeVar("_T")


class Remote:
    """One remote, by its name. `address` is shown to people: it has no credentials in it."""

    def __init__(self, git: Git, name: str, address: str) -> None:
        self.name = name
        self.address = without_user(address)
        self._full_address = address
        self._git = git.hiding(address)

    def within(self, seconds: float) -> "Remote":
        """Return the same remote, given up when it does not answer for this time."""
        return Remote(self._git.within(seconds), self.name, self._full_address)

    @property
    def said(self) -> str:
        """The remote as it is named in messages."""
        return f"the remote {self.name} ({self.address})"

    def ref(self, name: str) -> str:
        """Return the id that a ref has now; empty where it is not there. Raises RemoteUnreachable, RemoteRefused."""
        return _again(lambda: self._ref(name))

    def default_branch(self) -> str:
        """Return the name of the branch that its HEAD names; empty where it has no commit yet."""
        what = f"cannot read the branches of {self.said}"
        answer = _again(lambda: self._read(what, "ls-remote", "--symref", "--", self.name, "HEAD"))
        found = re.search(r"^ref: refs/heads/(\S+)\tHEAD$", answer.text, re.MULTILINE)
        return found[1] if found else ""

    def fetch(self, ref: str, into: str = "") -> None:
        """Bring a ref's objects here, and let the ref `into` follow it. Raises GitError."""
        refspec = f"+{ref}:{into}" if into else ref
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-prune", "--refmap=")
        what = f"cannot fetch {ref} from {self.said}"
        _again(lambda: self._read(what, "fetch", *options, "--", self.name, refspec))

    def push(self, commit: str, ref: str, *, expected: str | None) -> None:
        """Let a ref of the remote be this commit; an empty one deletes it. `expected` as in `Repository.push`."""
        _again(lambda: self._push(commit, ref, expected))

    def would_take(self, commit: str, ref: str) -> None:
        """Ask whether a ref may be pushed to, by a dry run that changes nothing. Raises GitError.

        It needs the right to write, as a push does; hooks and rules of the remote are not asked (git-push(1)).
        """
        what = f"cannot push {ref} to {self.said}"
        arguments = ("push", "--dry-run", "--porcelain", "--no-verify", "--", self.name, f"+{commit}:{ref}")

        def once() -> None:
            try:
                answer = self._git.attempt(*arguments, remote=True)
            except GitError as error:
                raise RemoteUnreachable(f"{what}: {error.message}") from error
            if answer.status != 0:
                raise _push_failure(what, answer)

        _again(once)

    def _push(self, commit: str, ref: str, expected: str | None) -> None:
        what = f"cannot push {ref} to {self.said}" if commit else f"cannot delete {ref} on {self.said}"
        guard = () if expected is None else (f"--force-with-lease={ref}:{expected}",)
        arguments = ("push", "--porcelain", "--no-verify", *guard, "--", self.name, f"{commit}:{ref}")
        try:
            answer = self._git.attempt(*arguments, remote=True)
        except GitError as error:
            failure: GitError = RemoteUnreachable(f"{what}: {error.message}")
        else:
            if answer.status == 0:
                return
            failure = _push_failure(what, answer)
        if isinstance(failure, RemoteRefused) and _NO_ACCESS.search(failure.message):
            raise failure  # nothing was done, and asking for the ref would be refused too
        self._settle(commit, ref, expected, failure)

    def _settle(self, commit: str, ref: str, expected: str | None, failure: GitError) -> None:
        """Return where the ref is what it should be now; raise what came between otherwise."""
        present = self._ref(ref)
        if present == commit:
            return
        moved = present != expected if expected is not None else not self._points_to(present, commit)
        if moved:
            raise PushRejected(
                f"{ref} on {self.said} is {present[:12] or 'not there'}"
                + (f", and not {expected[:12] or 'missing'} as expected" if expected is not None else "")
                + ": another push came first",
                hint="look again and repeat",
            ) from failure
        raise failure

    def _points_to(self, old: str, new: str) -> bool:
        return not old or self._git.attempt("merge-base", "--is-ancestor", old, new).status == 0

    def _ref(self, name: str) -> str:
        answer = self._read(f"cannot read the refs of {self.said}", "ls-remote", "--", self.name, name)
        lines = (line.split("\t") for line in answer.text.splitlines())
        return {ref: commit for commit, ref in lines}.get(name, "")

    def _read(self, what: str, *arguments: str) -> Answer:
        try:
            answer = self._git.attempt(*arguments, remote=True)
        except GitError as error:
            raise RemoteUnreachable(f"{what}: {error.message}") from error
        if answer.status != 0:
            raise _failure(what, answer.said)
        return answer


class _Passing(RemoteUnreachable):
    """A failure that may be over in a moment: not a wrong address."""


def _again(work: Callable[[], _T]) -> _T:
    """Do it; again where it failed in passing. Reading can be repeated, and a push knows whether it was done."""
    for pause in _PAUSES_SECONDS:
        with suppress(_Passing):
            return work()
        time.sleep(pause)
    return work()


def without_user(address: str) -> str:
    """Return a remote's address without user and password; the user of an SSH address is everybody's and stays."""
    parts = urlsplit(address)
    if not parts.scheme or "@" not in parts.netloc:
        return address
    user, host = parts.netloc.rsplit("@", 1)
    kept = f"{user.partition(':')[0]}@{host}" if "ssh" in parts.scheme else host
    return parts._replace(netloc=kept).geturl()


def _push_failure(what: str, answer: Answer) -> GitError:
    """Return the error of a failed push. With --porcelain, git writes to stdout which ref was rejected, and why."""
    found = _REJECTED_BY_REMOTE.search(answer.text)
    if found is None:
        return _failure(what, answer.said)
    reasons = "; ".join(filter(None, (found["why"], gist(answer.said))))
    if _BUSY.search(reasons):
        return _Passing(f"{what}: another push is under way ({reasons})")
    return RemoteRefused(
        f"{what}: it was reached and does not take it ({reasons})",
        hint="a branch protection, a repository rule or a hook of the remote forbids it: allow it there for who pushes",
    )


def _failure(what: str, said: str) -> GitError:
    reason = gist(said)
    if _NO_ACCESS.search(said):
        return RemoteRefused(
            f"{what}: it denies access ({reason})",
            hint="check the remote's credentials; in GitHub Actions, GITHUB_TOKEN and `permissions: contents: write`",
        )
    if "couldn't find remote ref" in said:
        return GitError(f"{what}: it has no such ref")
    if _NOT_THERE.search(said):
        return RemoteUnreachable(
            f"{what}: there is no repository, or none that may be seen ({reason})",
            hint="has it moved? `git remote -v` shows the address, `git remote set-url` changes it",
        )
    if _BUSY.search(said):
        return _Passing(f"{what}: another git is at work in this checkout ({reason})")
    return _Passing(f"{what}: {reason}", hint="is the remote up, and is there a network?")
