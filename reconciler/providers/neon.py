"""Neon, by its API v2 (https://api-docs.neon.tech): projects, branches, endpoints, operations.

Answers are read leniently: unknown keys and values are ignored, absent and null are alike. Paths take ids only, and
names are found by walking the whole list, since `search` is partial and the list's first page is not all of it.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from reconciler.core.instant import Instant
from reconciler.core.observed import Branch, Endpoint, Mark, Project
from reconciler.core.secret import Secret
from reconciler.core.timeline import Timeline
from reconciler.errors import AnswerLost, ProviderError
from reconciler.ports import Clock, Origin
from reconciler.providers.http import Api, Look

# Annotations are set in the request that creates a branch, and never again.
ENVIRONMENT_KEY = "reconciler.environment"
TIMELINE_KEY = "reconciler.timeline"

_PAGE = 100
_OPERATION_DEADLINE_SECONDS = 300.0
# Neon's own tests allow this long until a branch that was just made can be read.
_FRESH_SECONDS = 30.0
_FAILED_SECONDS = 20.0
_FAILURE_HINT = (
    "if Neon left an unfinished candidate, it never served: delete it (neon branches delete) and run this again, or "
    "ask for the same moment under another id"
)
_SUCCEEDED = frozenset({"finished", "skipped"})
_ENDED_BADLY = frozenset({"error", "cancelled"})


class NeonApi:
    """The port `Neon` over HTTP."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    async def project(self, project: str) -> Project:
        """Read the project."""
        body = (await self._api.get(f"/projects/{project}"))["project"]
        history = body.get("history_retention_seconds")
        if not isinstance(history, int):
            raise ProviderError(f"Neon: project {project} does not tell its history_retention_seconds")
        owner = body.get("owner") or {}
        limit = owner.get("branches_limit")
        return Project(
            id=body["id"],
            name=body.get("name") or body["id"],
            history=timedelta(seconds=history),
            plan=owner.get("subscription_type") or "",
            branches_limit=limit if isinstance(limit, int) and limit > 0 else None,
        )

    async def branches(self, project: str) -> tuple[Branch, ...]:
        """Read every branch, with annotations and read-write endpoints."""
        found: list[dict[str, Any]] = []
        annotations: dict[str, Any] = {}
        cursor: dict[str, str] = {}
        while True:
            page = await self._api.get(f"/projects/{project}/branches", limit=_PAGE, **cursor)
            found += page["branches"]
            annotations |= page.get("annotations") or {}
            following = (page.get("pagination") or {}).get("next")
            if not following or not page["branches"]:
                break
            cursor = {"cursor": following}
        endpoints = await self._endpoints(project)
        unique = {item["id"]: item for item in found}
        return tuple(_branch(item, annotations.get(key), endpoints.get(key)) for key, item in unique.items())

    async def _endpoints(self, project: str) -> dict[str, Endpoint]:
        body = await self._api.get(f"/projects/{project}/endpoints")
        return {item["branch_id"]: _endpoint(item) for item in body["endpoints"] if item["type"] == "read_write"}

    async def create_branch(self, project: str, name: str, source: str, at: Instant, mark: Mark) -> None:
        """Create a branch of the branch `source` as it was `at`, with a compute and the annotations of `mark`.

        Neon is busy when another run creates the same branch, and its name is free again when that run has promoted
        it: so before each repetition the annotations are looked at, which stay with a branch.
        """

        async def still_missing() -> None:
            if any(each.mark == mark for each in await self.branches(project)):
                hint = "another run has made it meanwhile: look again"
                raise AnswerLost(f"Neon: project {project} has a branch of {mark.timeline} already", hint=hint)

        body = {
            "branch": {"name": name, "parent_id": source, "parent_timestamp": at.text},
            "endpoints": [{"type": "read_write"}],
            "annotation_value": {ENVIRONMENT_KEY: mark.environment, TIMELINE_KEY: mark.timeline.name},
        }
        await self._write(project, "POST", f"/projects/{project}/branches", body, still_missing)

    async def await_branch(self, project: str, branch: str) -> None:
        """Wait until the branch is ready. Raises ProviderError when it is not within five minutes, or cannot be."""

        async def ready() -> bool:
            if _is_ready((await self._api.get(f"/projects/{project}/branches/{branch}"))["branch"]):
                return True
            recent = (await self._api.get(f"/projects/{project}/operations", limit=_PAGE))["operations"]
            for operation in recent:
                if operation.get("branch_id") == branch and operation["action"] == "create_branch":
                    self._refuse_failure(operation)
            return False

        await self._until(ready, f"branch {branch} to be ready")

    async def add_compute(self, project: str, branch: str) -> None:
        """Add a read-write compute and wait for it."""
        body = {"endpoint": {"branch_id": branch, "type": "read_write"}}
        await self._write(project, "POST", f"/projects/{project}/endpoints", body)

    async def rename_branch(self, project: str, branch: str, name: str) -> None:
        """Rename a branch."""
        await self._change(project, branch, {"name": name})

    async def clear_expiry(self, project: str, branch: str) -> None:
        """Remove a branch's expiry."""
        await self._change(project, branch, {"expires_at": None})

    async def protect(self, project: str, branch: str) -> None:
        """Protect a branch."""
        await self._change(project, branch, {"protected": True})

    async def set_default(self, project: str, branch: str) -> None:
        """Make a branch the default one. It moves no traffic, no protection and no schedule."""
        await self._write(project, "POST", f"/projects/{project}/branches/{branch}/set_as_default", None)

    async def origin(self, project: str, branch: str, database: str, role: str) -> Origin:
        """Read how to log in. A child of a protected parent has new passwords, so none is ever reused."""
        body = await self._api.get(
            f"/projects/{project}/connection_uri",
            branch_id=branch,
            database_name=database,
            role_name=role,
            pooled=False,
        )
        parts = urlsplit(body["uri"])
        if not parts.hostname or parts.password is None:
            raise ProviderError(f"Neon: the connection URI of role {role} on branch {branch} has no password")
        password = Secret(unquote(parts.password))
        return Origin(parts.hostname, parts.port or 5432, database, role, password)

    async def _change(self, project: str, branch: str, fields: dict[str, Any]) -> None:
        await self._write(project, "PATCH", f"/projects/{project}/branches/{branch}", {"branch": fields})

    async def _write(
        self, project: str, method: str, path: str, body: dict[str, Any] | None, before_again: Look | None = None
    ) -> None:
        options = {} if body is None else {"json": body}
        try:
            answer = await self._api.send(method, path, before_again=before_again, **options)
        except ProviderError as error:
            if error.status == 409:
                raise AnswerLost(error.message, status=409, hint="something of that name exists: look again") from error
            raise
        for operation in (answer.body or {}).get("operations") or []:
            await self._await_operation(project, operation)

    async def _await_operation(self, project: str, operation: dict[str, Any]) -> None:
        """Wait for an operation. "Finished" is not "succeeded": it may also end in an error or be cancelled."""
        last = operation

        async def succeeded() -> bool:
            nonlocal last
            if last["status"] not in _SUCCEEDED:
                path = f"/projects/{project}/operations/{operation['id']}"
                last = (await self._api.get(path))["operation"]
            self._refuse_failure(last)
            return last["status"] in _SUCCEEDED

        await self._until(succeeded, f"operation {operation['action']}")

    def _refuse_failure(self, operation: dict[str, Any]) -> None:
        """Raise ProviderError for an operation that will not succeed any more.

        A `failed` one may be tried again by Neon ("not terminal", API reference, Operations): it is given up when no
        retry is announced and it has not changed for a while.
        """
        status, retry_at = operation["status"], operation.get("retry_at")
        quiet = self._clock.now() - Instant.told(operation["updated_at"])
        given_up = status == "failed" and not retry_at and quiet.total_seconds() > _FAILED_SECONDS
        if status in _ENDED_BADLY or given_up:
            raise ProviderError(_failure(operation), hint=_FAILURE_HINT)

    async def _until(self, done: Callable[[], Any], what: str) -> None:
        """Ask again and again, at most every five seconds. What was just made may be unknown for half a minute."""
        begun, pause = self._clock.elapsed(), 0.1
        while True:
            waited = self._clock.elapsed() - begun
            try:
                if await done():
                    return
            except ProviderError as error:
                if error.status != 404 or waited > _FRESH_SECONDS:
                    raise
            if waited > _OPERATION_DEADLINE_SECONDS:
                raise ProviderError(
                    f"Neon: waited {waited:.0f} s for {what}",
                    hint="run the same command again: it goes on from here",
                )
            await self._clock.sleep(pause)
            pause = min(pause * 1.5, 5.0)


def explain(body: Any) -> tuple[str, str]:
    """Find code and message in a GeneralError; the code is empty for most."""
    return str(body.get("code") or ""), str(body["message"])


def _failure(operation: dict[str, Any]) -> str:
    error = operation.get("error") or "no reason given"
    tries = operation.get("failures_count") or 0
    return f"Neon: operation {operation['action']} ended as {operation['status']} ({error}; failures: {tries})"


def _branch(item: dict[str, Any], annotation: Any, endpoint: Endpoint | None) -> Branch:
    return Branch(
        id=item["id"],
        name=item["name"],
        created_at=Instant.told(item["created_at"]),
        parent_id=item.get("parent_id") or None,
        resolved_at=_moment(item.get("parent_timestamp")),
        lsn=item.get("parent_lsn") or "",
        default=bool(item.get("default")),
        protected=bool(item.get("protected")),
        ready=_is_ready(item),
        expires_at=_moment(item.get("expires_at")),
        last_reset_at=_moment(item.get("last_reset_at")),
        mark=_mark(annotation),
        endpoint=endpoint,
    )


def _is_ready(item: dict[str, Any]) -> bool:
    return item.get("current_state") in ("ready", "archived") and not item.get("pending_state")


def _moment(text: Any) -> Instant | None:
    return Instant.told(text) if text else None


def _mark(annotation: Any) -> Mark | None:
    value = (annotation or {}).get("value") or {}
    timeline = Timeline.parse(str(value.get(TIMELINE_KEY, "")))
    environment = value.get(ENVIRONMENT_KEY)
    return Mark(str(environment), timeline) if environment and timeline else None


def _endpoint(item: dict[str, Any]) -> Endpoint:
    """Read an endpoint. The host may name a port, as local stand-ins for Neon do; Neon's own is always 5432."""
    host, _, port = item["host"].partition(":")
    return Endpoint(item["id"], host, int(port) if port.isdigit() else 5432)
