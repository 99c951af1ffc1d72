"""What doctor reads of Git and GitHub: whether the remote is there, takes a lease, and guards its default branch."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass

from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.cli.repository.shared import shared_repository
from reconciler.core.health.checks import GitRemote, LeaseSign, Missing, Unneeded, Wrong
from reconciler.core.model.observed import Unknown
from reconciler.errors import GitError, InputError, ProviderError, RemoteRefused
from reconciler.providers.git.lease import GitLease
from reconciler.providers.git.lease_ref import LeaseRef
from reconciler.providers.git.repository import Repository
from reconciler.providers.github.client import repository_of

# For one question to the remote, which may be put three times.
_QUESTION_SECONDS = 6.0
_GITHUB_SECONDS = 10.0
_NO_REMOTE = Unneeded("not taken: there is no remote")
_ELSEWHERE = Unneeded("not used: Neon is a sandbox on this machine, and the remote is elsewhere")


@dataclass(frozen=True, slots=True)
class GitParts:
    """What was read of the remote."""

    remote: GitRemote | Unknown | Missing | Unneeded
    lease: LeaseSign | Unknown | Unneeded
    protected: bool | Unknown | Unneeded


async def read_git(file: EnvironmentFile, environment: Mapping[str, str] = os.environ) -> GitParts:
    """Read it. Nothing is pushed."""
    try:
        found = await asyncio.to_thread(Repository.containing, file.root, environment)
        shared = await asyncio.to_thread(shared_repository, file, environment) if found else None
    except GitError as error:
        problem = Wrong(error.message, error.hint)
        return GitParts(problem, _NO_REMOTE, _not_on_github())
    if found is None or found.remote is None:
        return GitParts(_no_remote(found, environment), _NO_REMOTE, _not_on_github())
    if shared is None:
        return GitParts(_ELSEWHERE, _ELSEWHERE, _ELSEWHERE)
    patient = shared.patient(_QUESTION_SECONDS)
    remote, lease = await asyncio.gather(
        asyncio.to_thread(_remote, patient), asyncio.to_thread(_lease, patient, file.name)
    )
    return GitParts(remote, lease, await _protection(shared, remote, environment))


def _no_remote(found: Repository | None, environment: Mapping[str, str]) -> Missing | Unneeded:
    if found is None:
        return Missing("the file is in no Git repository", "git init, and commit it: a restore is a commit")
    if environment.get("RECONCILER_REMOTE") == "":
        return Unneeded("none, as RECONCILER_REMOTE says")
    return Missing(f"{found.root} has no remote: nothing keeps two runs apart", "")


def _remote(repository: Repository) -> GitRemote | Unknown:
    try:
        branch = repository.default_branch()
    except GitError as error:
        return _problem(error)
    return GitRemote(f"{repository.remote} ({repository.remote_url()})", branch)


def _lease(repository: Repository, environment: str) -> LeaseSign | Unknown:
    ref = LeaseRef(repository, environment).name
    try:
        repository.would_push(ref)
        state = GitLease.look(repository, environment)
    except GitError as error:
        return _problem(error)
    if state is None:
        return LeaseSign(ref)
    return LeaseSign(ref, f"{state.owner} is at work since {state.taken_at} (until {state.expires_at})")


def _problem(error: GitError) -> Unknown:
    kind = Wrong if isinstance(error, RemoteRefused) else Unknown
    hint = error.hint or "is the remote up, and is there a network?"
    return kind(error.message, f"{hint}; if no other apply can be running: reconciler apply --without-lease")


async def _protection(
    repository: Repository, remote: GitRemote | Unknown, environment: Mapping[str, str]
) -> bool | Unknown | Unneeded:
    from reconciler.cli.wiring import connected_github

    address = repository.remote_url() or ""
    if not environment.get("GITHUB_REPOSITORY") and not _is_on_github(address):
        return _not_on_github()
    if isinstance(remote, Unknown):
        return Unknown("not known without the Git remote")
    try:
        async with asyncio.timeout(_GITHUB_SECONDS), connected_github(environment, address) as github:
            return await github.is_protected(remote.default_branch)
    except TimeoutError:
        return Unknown(f"GitHub did not answer within {_GITHUB_SECONDS:.0f} s")
    except (InputError, ProviderError) as error:
        return Unknown(error.message, error.hint)


def _not_on_github() -> Unneeded:
    return Unneeded("not asked: the remote is not on GitHub")


def _is_on_github(address: str) -> bool:
    """Whether a remote is on github.com, or on a server with "github" in its name."""
    return "github" in address and repository_of(address) is not None
