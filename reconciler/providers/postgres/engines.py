"""Finds a container of Docker or Podman, and the host of its engine: both can be configured to use another host.

An engine on another machine is not even asked for its containers, unless its host was named.
"""

import os
import shutil
import subprocess
from urllib.parse import urlsplit

from reconciler.errors import InputError
from reconciler.providers.postgres.addresses import is_local


class _Unfit(Exception):
    """An engine does not have the container, or did not answer, or is on a `host` that was not named."""

    def __init__(self, why: str, host: str = "") -> None:
        super().__init__(why)
        self.host = host


def engine_of(container: str, host_is: str | None) -> str:
    """Ask Docker, then Podman, for a container that runs. Raises InputError with what they said."""
    said = []
    for engine in ("docker", "podman"):
        try:
            _check_near(engine, host_is)
            _check_runs(engine, container)
        except _Unfit as problem:
            said.append(problem)
            continue
        return engine
    hint = "docker ps and podman ps show what runs; without --container, DATABASE_URL says where the database is"
    if elsewhere := next((each.host for each in said if each.host), None):
        hint = f"snapshots are for local databases; if you mean it: --host-is {elsewhere}"
    raise InputError(f"no container {container} runs here ({'; '.join(map(str, said))})", hint=hint)


def _check_near(engine: str, host_is: str | None) -> None:
    for host in _hosts(engine):
        if not is_local(host) and host != host_is:
            raise _Unfit(f"{engine} works on {host}, which is not this machine", host)


def _check_runs(engine: str, container: str) -> None:
    if _asked(engine, "container", "inspect", "--format", "{{.State.Running}}", container) != "true":
        raise _Unfit(f"{engine}: it is there, and does not run")


def _hosts(engine: str) -> list[str]:
    """Return the hosts that an engine may be on; the empty one is this machine."""
    if engine == "podman":
        return [_host(endpoint) for endpoint in _podman_endpoints()]
    # It heeds DOCKER_HOST, DOCKER_CONTEXT and what `docker context use` has chosen, as every command of it does.
    return [_host(_asked(engine, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"))]


def _podman_endpoints() -> list[str]:
    """Return the endpoints that Podman may use. Its versions rank the variables differently, so all count."""
    named, chosen = os.environ.get("CONTAINER_HOST"), os.environ.get("CONTAINER_CONNECTION")
    if named and not chosen:
        return [named]
    if not chosen and _asked("podman", "info", "--format", "{{.Host.ServiceIsRemote}}") == "false":
        return []
    answer = _asked("podman", "system", "connection", "list", "--format", "{{.Name}} {{.URI}} {{.Default}}")
    rows = [line.split() for line in answer.splitlines()]
    known = [row[1] for row in rows if len(row) == 3 and (row[0] == chosen if chosen else row[2] == "true")]
    return [*([named] if named else []), *(known or [chosen or "an unknown host"])]


def _host(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    if parts.scheme in ("unix", "npipe", "fd"):
        return ""
    return parts.hostname or endpoint


def _asked(engine: str, *arguments: str) -> str:
    if shutil.which(engine) is None:
        raise _Unfit(f"{engine} is not installed")
    answer = subprocess.run([engine, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if answer.returncode:
        raise _Unfit(f"{engine}: {_last_line(answer.stderr)}")
    return answer.stdout.strip()


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
