"""The repository that is shared with others who apply: where leases and receipts go, and what is asked for there."""

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
    """The default branch asks for something newer than this checkout does: an older wish must not undo it."""


def shared_repository(file: EnvironmentFile, environment: Mapping[str, str] = os.environ) -> Repository | None:
    """Find the repository that holds the file; None where there is none, or where nothing is to be left in it.

    What is tried on a sandbox of this machine leaves no lease and no receipt where a team keeps its own, nor here,
    from where the next apply would push it.
    """
    found = Repository.containing(file.root, environment)
    if found is None or not leads_to_sandbox(environment):
        return found
    address = found.remote_url()
    if address is None:
        return None if "RECONCILER_REMOTE" in environment else found
    return found if _is_local(address) else None


def leads_to_sandbox(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether what is asked of Neon is asked of a sandbox of this machine."""
    return _is_on_this_machine(environment.get("NEON_API_HOST", ""))


def actor(environment: Mapping[str, str] = os.environ) -> str:
    """Name who is at work: whom GitHub names, or the user of this machine."""
    return environment.get("GITHUB_ACTOR") or _user()


def actor_here(environment: Mapping[str, str] = os.environ) -> str:
    """Name who is at work, and on which machine."""
    return f"{actor(environment)} on {socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def refuse_if_superseded(file: EnvironmentFile, repository: Repository) -> None:
    """Raise Superseded where the remote's default branch has a change of the file that this checkout has not.

    What was changed here on top of it is somebody's wish too, and may be applied. Raises GitError where it can't be
    told.
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
            hint=f"git pull, then reconciler plan {file.name}; a workflow leaves it to that commit's own run",
        )


def _is_on_this_machine(address: str) -> bool:
    """Tell whether an API is on this machine, which Neon's and Cloudflare's never are."""
    parts = urlsplit(address)
    return parts.scheme in ("http", "https") and parts.hostname in _LOOPBACK


def _is_local(address: str) -> bool:
    """Tell whether a remote is on this machine: a path, or an address on loopback."""
    if _is_on_this_machine(address) or address.startswith("file://"):
        return True
    return ":" not in address.partition("/")[0]  # git@host:path and https://… have one there
