"""The repository that a team shares: where leases and receipts go, and what its default branch asks for."""

import getpass
import os
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from reconciler.cli.proposal.base import path_in_repository
from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.errors import ReconcilerError
from reconciler.providers.git.repository import Repository

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Superseded(ReconcilerError):
    """The default branch has a newer file than this checkout, which must not undo it."""


def shared_repository(file: EnvironmentFile, environment: Mapping[str, str] = os.environ) -> Repository | None:
    """Find the repository of the file; None if there is none, or if nothing may be written to it.

    Runs on a local sandbox leave no lease and no receipt in a team's repository, nor in this checkout,
    from where the next apply would push them.
    """
    found = Repository.containing(file.root, environment)
    if found is None or not leads_to_sandbox(environment):
        return found
    address = found.remote_url()
    if address is None:
        return None if "RECONCILER_REMOTE" in environment else found
    return found if _is_local(address) else None


def leads_to_sandbox(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether NEON_API_HOST points to a sandbox on this machine."""
    return _is_on_this_machine(environment.get("NEON_API_HOST", ""))


def actor(environment: Mapping[str, str] = os.environ) -> str:
    """Name who runs this: the actor that GitHub names, or the user of this machine."""
    return environment.get("GITHUB_ACTOR") or _user()


def actor_here(environment: Mapping[str, str] = os.environ) -> str:
    """Name who runs this, and on which machine."""
    return f"{actor(environment)} on {socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown user"


def run_address(environment: Mapping[str, str]) -> str:
    """Return where the log of this attempt of a workflow's run is; empty elsewhere."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environment.get(name, "") for name in names)
    if not (server and repository and run):
        return ""
    attempt = environment.get("GITHUB_RUN_ATTEMPT") or "1"
    return f"{server}/{repository}/actions/runs/{run}/attempts/{attempt}"


def refuse_if_superseded(file: EnvironmentFile, repository: Repository) -> None:
    """Raise Superseded if the remote's default branch has a change of the file that this checkout lacks.

    A local change on top of the newest version may be applied. Raises GitError
    if the branches can't be compared.
    """
    path, head, branch = path_in_repository(file, repository), repository.head(), repository.default_branch()
    tip = repository.fetch(branch)
    if not head or repository.read(tip, path) == repository.read(head, path):
        return
    newest = repository.last_change(tip, path)
    if newest and not repository.is_ancestor(newest, head):
        commit = repository.about(newest)
        raise Superseded(
            f"{branch} has a newer {path} than this checkout: {newest[:12]} ({commit.author}: {commit.subject})",
            hint=f"git pull, then reconciler plan {file.name}; in a workflow, that commit has its own run",
        )


def _is_on_this_machine(address: str) -> bool:
    """Whether an API is on this machine, which Neon's and Cloudflare's never are."""
    parts = urlsplit(address)
    return parts.scheme in ("http", "https") and parts.hostname in _LOOPBACK


def _is_local(address: str) -> bool:
    """Whether a remote is on this machine: a path, or an address on loopback."""
    if _is_on_this_machine(address) or address.startswith("file://"):
        return True
    return ":" not in address.partition("/")[0]  # git@host:path and https://… have one there
