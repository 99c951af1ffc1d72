"""Neon, by its API v2 (https://api-docs.neon.tech): projects, branches, endpoints, operations.

Answers are read leniently: unknown keys and values are ignored, absent and null are alike. Paths take ids only, and
names are found by walking the whole list, since `search` is partial and the list's first page is not all of it.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from reconciler.core.model.compute import UNSAID, ComputeSettings
from reconciler.core.model.compute_name import is_marked, is_noted
from reconciler.core.model.observed import Annotation, Branch, DeclaredAnnotation, Endpoint, Operation, Project, Table
from reconciler.core.model.roles_and_databases import RoleOrDatabase
from reconciler.core.values.instant import Instant
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.redaction import EVERYWHERE
from reconciler.core.values.secret import Secret
from reconciler.core.values.timeline import Point, Timeline
from reconciler.errors import AnswerLost, ProviderError
from reconciler.ports import Clock, Compute, Origin
from reconciler.providers.http.client import Api, Look
from reconciler.providers.http.response import Told, told
from reconciler.providers.neon.annotations import child_annotations, child_mark

# Annotations are set in the request that creates a branch, and never again.
ENVIRONMENT_KEY = "reconciler.environment"
TIMELINE_KEY = "reconciler.timeline"
PROTECTS_KEY = "reconciler.protects"
PURPOSE_KEY = "reconciler.purpose"

_SIZES = ("autoscaling_limit_min_cu", "autoscaling_limit_max_cu")
_SUSPENSION = "suspend_timeout_seconds"
# What Neon answers where it lets an account have no expiry.
NO_EXPIRY = frozenset({400, 403, 422})
_PAGE = 100
_OPERATION_SECONDS = 300.0
# A branch of an archived or a very large one takes longer than a compute.
_BRANCH_SECONDS = 900.0
# Neon's own tests allow this long until a branch that was just made can be read.
_FRESH_SECONDS = 30.0
_FAILED_SECONDS = 20.0
_LONGEST_REASON = 500
_FAILURE_HINT = (
    "if Neon left an unfinished candidate, it never served: delete it (neon branches delete) and run this again, or "
    "ask for the same moment under another id"
)
_SUCCEEDED = frozenset({"finished", "skipped"})
# As Neon's own tests count them: a `failed` one may come back, and locks nothing until it does.
_UNFINISHED = frozenset({"scheduling", "running", "cancelling"})
_ENDED_BADLY = frozenset({"error", "cancelled"})


class NeonApi:
    """The port `Neon` over HTTP."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    async def project(self, project: str) -> Project:
        """Read the project."""
        body = (await self._get(f"/projects/{project}")).part("project")
        owner = body.maybe("owner")
        return Project(
            id=body.id("id"),
            name=body.maybe_text("name") or body.id("id"),
            history=timedelta(seconds=body.number("history_retention_seconds")),
            plan=owner.maybe_text("subscription_type") if owner else "",
            branches_limit=(owner.maybe_number("branches_limit") or None) if owner else None,
        )

    async def branches(self, project: str) -> tuple[Branch, ...]:
        """Read every branch, with annotations and read-write endpoints."""
        found: dict[str, Told] = {}
        annotations: dict[str, tuple[Annotation | None, DeclaredAnnotation | None]] = {}
        cursor: dict[str, str] = {}
        while True:
            page = await self._get(f"/projects/{project}/branches", limit=_PAGE, **cursor)
            known = len(found)
            found |= {item.id("id"): item for item in page.each("branches")}
            annotations |= _marks(page.maybe("annotations"))
            pagination = page.maybe("pagination")
            following = pagination.maybe_text("next") if pagination else ""
            if not following or not page.each("branches"):
                break
            if len(found) == known:
                raise ProviderError(f"Neon: the list of the branches of project {project} does not end")
            cursor = {"cursor": following}
        endpoints = await self._endpoints(project)
        marks = {key: annotations.get(key, (None, None)) for key in found}
        return tuple(_branch(item, *marks[key], endpoints.get(key)) for key, item in found.items())

    async def projects(self) -> tuple[str, ...]:
        """Read the ids of all projects that the key reaches.

        A personal key has to say of which organization (API reference, "List projects": `org_id`), so where that is
        refused, those of each organization are read, which an organization's key may not list.
        """
        try:
            return await self._projects()
        except ProviderError as error:
            if error.status != 400 or "org_id" not in error.message:
                raise
        organizations = (await self._get("/users/me/organizations")).each("organizations")
        found = [await self._projects(org_id=each.id("id")) for each in organizations]
        return tuple(dict.fromkeys(each for ids in found for each in ids))

    async def _projects(self, **owner: str) -> tuple[str, ...]:
        found: dict[str, None] = {}
        cursor: dict[str, str] = {}
        while True:
            page = await self._get("/projects", limit=_PAGE, **owner, **cursor)
            known, ids = len(found), [item.id("id") for item in page.each("projects")]
            found |= dict.fromkeys(ids)
            pagination = page.maybe("pagination")
            following = pagination.maybe_text("cursor") if pagination else ""
            # The last page has a cursor too, and what follows it is empty.
            if not following or not ids:
                return tuple(found)
            if len(found) == known:
                raise ProviderError("Neon: the list of the projects does not end")
            cursor = {"cursor": following}

    async def computes(self, project: str) -> tuple[Compute, ...]:
        """Read the computes of every branch, those that only read among them."""
        body = await self._get(f"/projects/{project}/endpoints")
        found = [(item.id("branch_id"), _endpoint(item)) for item in body.each("endpoints")]
        return tuple(Compute(branch, endpoint.host, endpoint.port) for branch, endpoint in found)

    async def _endpoints(self, project: str) -> dict[str, Endpoint]:
        body = await self._get(f"/projects/{project}/endpoints")
        return {
            item.id("branch_id"): _endpoint(item)
            for item in body.each("endpoints")
            if item.text("type") == "read_write"
        }

    async def _get(self, path: str, **query: str | int | bool) -> Told:
        return told("Neon", await self._api.get(path, **query))

    async def running(self, project: str) -> tuple[Operation, ...]:
        """Read the unfinished operations of the newest hundred: while one is, Neon begins no other."""
        body = await self._get(f"/projects/{project}/operations", limit=_PAGE)
        return tuple(
            Operation(item.text("action"), item.maybe_id("branch_id") or "", item.moment("created_at"))
            for item in body.each("operations")
            if item.text("status") in _UNFINISHED
        )

    async def create_branch(
        self,
        project: str,
        name: str,
        source: str,
        at: Point | None,
        mark: Annotation,
        compute: ComputeSettings = UNSAID,
    ) -> None:
        """Create a branch of the branch `source` as it was `at` (or is), with a compute and the annotations of `mark`.

        Neon is busy when another run creates the same branch, and its name is free again when that run has promoted
        it: so before each repetition the annotations are looked at, which stay with a branch.
        """

        async def still_missing() -> None:
            marks = [each.mark for each in await self.branches(project) if each.mark]
            if any(each.is_of(mark.environment, mark.timeline) for each in marks):
                hint = "another run has made it meanwhile: look again"
                raise AnswerLost(f"Neon: project {project} has a branch of {mark.timeline} already", hint=hint)

        annotations = {ENVIRONMENT_KEY: mark.environment, TIMELINE_KEY: mark.timeline.name}
        body = {
            "branch": {"name": name, "parent_id": source} | (_point("parent_", at) if at else {}),
            "endpoints": [{"type": "read_write"} | _asked(compute)],
            "annotation_value": annotations | ({PROTECTS_KEY: "primary"} if mark.protects else {}),
        }
        await self._write(project, "POST", f"/projects/{project}/branches", body, still_missing)

    async def await_branch(self, project: str, branch: str) -> None:
        """Wait until the branch is ready. Raises ProviderError when it is not in 15 minutes, or cannot be."""

        async def ready() -> bool:
            if _is_ready((await self._get(f"/projects/{project}/branches/{branch}")).part("branch")):
                return True
            recent = (await self._get(f"/projects/{project}/operations", limit=_PAGE)).each("operations")
            for operation in recent:
                if operation.maybe_id("branch_id") == branch and operation.text("action") == "create_branch":
                    self._refuse_failure(operation)
            return False

        await self._until(ready, f"branch {branch} to be ready", _BRANCH_SECONDS)

    async def add_compute(self, project: str, branch: str, compute: ComputeSettings) -> None:
        """Add a read-write compute and wait for it."""
        body = {"endpoint": {"branch_id": branch, "type": "read_write"} | _asked(compute)}
        await self._write(project, "POST", f"/projects/{project}/endpoints", body)

    async def set_compute(self, project: str, endpoint: str, compute: ComputeSettings) -> None:
        """Change the size or the suspension of a compute, and wait until it is back."""
        path = f"/projects/{project}/endpoints/{endpoint}"
        await self._write(project, "PATCH", path, {"endpoint": _asked(compute)})

    async def set_history(self, project: str, seconds: int) -> None:
        """Change the history of a project, which all its branches share."""
        body = {"project": {"history_retention_seconds": seconds}}
        await self._write(project, "PATCH", f"/projects/{project}", body)

    async def rename_branch(self, project: str, branch: str, name: str) -> None:
        """Rename a branch."""
        await self._change(project, branch, {"name": name})

    async def clear_expiry(self, project: str, branch: str) -> None:
        """Remove a branch's expiry."""
        await self._change(project, branch, {"expires_at": None})

    async def protect(self, project: str, branch: str) -> None:
        """Protect a branch."""
        await self._change(project, branch, {"protected": True})

    async def unprotect(self, project: str, branch: str) -> None:
        """Take a branch's protection away."""
        await self._change(project, branch, {"protected": False})

    async def restore_branch(self, project: str, branch: str, source: str, point: str, keep_as: str) -> None:
        """Restore a branch in place, and keep what it held as `keep_as`: without a name nothing is sent.

        Source: API reference, "Restore branch". Its id, compute, host and passwords stay; what is kept has a new id.
        """
        if not point or not keep_as:
            raise ProviderError(f"Neon: branch {branch} is not restored without a point, or without what it holds kept")
        body = {"source_branch_id": source, "source_lsn": point, "preserve_under_name": keep_as}
        await self._write(project, "POST", f"/projects/{project}/branches/{branch}/restore", body)

    async def delete_branch(self, project: str, branch: str) -> None:
        """Delete a branch with its compute. Neon answers 204 where it is not there (API reference, "Delete branch")."""
        await self._write(project, "DELETE", f"/projects/{project}/branches/{branch}", None)

    async def create_child(
        self, project: str, name: str, source: str, mark: DeclaredAnnotation, *, compute: bool
    ) -> None:
        """Create a branch of the branch `source` as it is, with the annotations of `mark`. Its name keeps it single."""
        branch = {"name": name, "parent_id": source} | ({"init_source": "schema-only"} if mark.schema_only else {})
        endpoints = {"endpoints": [{"type": "read_write"}]} if compute else {}
        body = {"branch": branch, "annotation_value": child_annotations(mark)} | endpoints
        await self._write(project, "POST", f"/projects/{project}/branches", body)

    async def create_drill_branch(
        self, project: str, name: str, source: str, mark: Annotation, expires: Instant
    ) -> None:
        """Create a branch for a drill. Whether an account's branches may expire is not documented: it does without."""
        annotations = {ENVIRONMENT_KEY: mark.environment, TIMELINE_KEY: mark.timeline.name, PURPOSE_KEY: "drill"}
        branch = {"name": name, "parent_id": source}
        body = {"branch": branch, "endpoints": [{"type": "read_write"}], "annotation_value": annotations}
        mortal = body | {"branch": branch | {"expires_at": f"{expires.text[:19]}Z"}}
        try:
            await self._write(project, "POST", f"/projects/{project}/branches", mortal)
        except ProviderError as error:
            if isinstance(error, AnswerLost) or error.status not in NO_EXPIRY:
                raise
            await self._write(project, "POST", f"/projects/{project}/branches", body)

    async def reset_branch(self, project: str, branch: str, source: str, keep_as: str) -> None:
        """Reset a branch to the head of another, and keep what it held as `keep_as`: without a name nothing is sent.

        Source: documentation, Reset from parent: the request is that of a restore, without a moment.
        """
        if not keep_as:
            raise ProviderError(f"Neon: branch {branch} is not reset without what it holds kept")
        body = {"source_branch_id": source, "preserve_under_name": keep_as}
        await self._write(project, "POST", f"/projects/{project}/branches/{branch}/restore", body)

    async def expire(self, project: str, branch: str, at: Instant) -> None:
        """Let a branch expire (documentation, Branch expiration: to the second, and at most 30 days ahead)."""
        await self._change(project, branch, {"expires_at": f"{at.text[:19]}Z"})

    async def create_database(self, project: str, branch: str, database: str, owner: str) -> None:
        """Create a database that a role owns."""
        body = {"database": {"name": database, "owner_name": owner}}
        await self._write(project, "POST", f"/projects/{project}/branches/{branch}/databases", body)

    async def set_default(self, project: str, branch: str) -> None:
        """Make a branch the default one. It moves no traffic, no protection and no schedule."""
        await self._write(project, "POST", f"/projects/{project}/branches/{branch}/set_as_default", None)

    async def tables(self, project: str, branch: str, database: str, at: Point) -> frozenset[Table]:
        """List the tables of a database on a branch as it was `at`.

        Source: API reference, "Retrieve database schema", which takes a moment or an LSN as a new branch does.
        """
        path = f"/projects/{project}/branches/{branch}/schema"
        body = await self._get(path, db_name=database, format="json", **_point("", at))
        return frozenset(Table(each.text("schema"), each.text("name")) for each in body.part("json").each("tables"))

    async def roles(self, project: str, branch: str) -> tuple[RoleOrDatabase, ...]:
        """Read the roles of a branch, which Neon lists without pages."""
        return tuple(map(_account, (await self._get(f"/projects/{project}/branches/{branch}/roles")).each("roles")))

    async def databases(self, project: str, branch: str) -> tuple[RoleOrDatabase, ...]:
        """Read the databases of a branch, which Neon lists without pages."""
        listed = await self._get(f"/projects/{project}/branches/{branch}/databases")
        return tuple(map(_account, listed.each("databases")))

    async def owner(self, project: str, branch: str, database: str) -> str:
        """Read the name of the role that owns a database: only it may change the database's settings."""
        path = f"/projects/{project}/branches/{branch}/databases/{quote(database, safe='')}"
        return (await self._get(path)).part("database").text("owner_name")

    async def password_changed(self, project: str, branch: str, role: str) -> Instant | None:
        """Read when a role was last changed: a password that is reset changes it (Neon API, "Reset role password")."""
        path = f"/projects/{project}/branches/{branch}/roles/{quote(role, safe='')}"
        return (await self._get(path)).part("role").maybe_moment("updated_at")

    async def rename_endpoint(self, project: str, endpoint: str, name: str) -> None:
        """Give a compute another name. Its id, its host and its sessions stay."""
        await self._write(project, "PATCH", f"/projects/{project}/endpoints/{endpoint}", {"endpoint": {"name": name}})

    async def origin(self, project: str, branch: str, database: str, role: str) -> Origin:
        """Read how to log in. A child of a protected parent has new passwords, so none is ever reused."""
        body = await self._get(
            f"/projects/{project}/connection_uri",
            branch_id=branch,
            database_name=database,
            role_name=role,
            pooled=False,
        )
        host, port, password = _parts(body.text("uri"))
        if not host or not password:
            raise ProviderError(f"Neon: the connection URI of role {role} on branch {branch} has no password")
        return Origin(host, port, database, role, Secret(password))

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
        for operation in told("Neon", answer.body or {}).any("operations"):
            await self._await_operation(project, operation)

    async def _await_operation(self, project: str, operation: Told) -> None:
        """Wait for an operation. "Finished" is not "succeeded": it may also end in an error or be cancelled."""
        last = operation

        async def succeeded() -> bool:
            nonlocal last
            if last.text("status") not in _SUCCEEDED:
                path = f"/projects/{project}/operations/{operation.id('id')}"
                last = (await self._get(path)).part("operation")
            self._refuse_failure(last)
            return last.text("status") in _SUCCEEDED

        action = operation.text("action")
        await self._until(
            succeeded, f"operation {action}", _BRANCH_SECONDS if action == "create_branch" else _OPERATION_SECONDS
        )

    def _refuse_failure(self, operation: Told) -> None:
        """Raise ProviderError for an operation that will not succeed any more.

        A `failed` one may be tried again by Neon ("not terminal", API reference, Operations): it is given up when no
        retry is announced and it has not changed for a while.
        """
        status, retry_at = operation.text("status"), operation.maybe_moment("retry_at")
        quiet = self._clock.now() - operation.moment("updated_at")
        given_up = status == "failed" and not retry_at and quiet.total_seconds() > _FAILED_SECONDS
        if status in _ENDED_BADLY or given_up:
            raise ProviderError(_failure(operation), hint=_FAILURE_HINT)

    async def _until(self, done: Callable[[], Any], what: str, seconds: float) -> None:
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
            if waited > seconds:
                raise ProviderError(
                    f"Neon: waited {waited:.0f} s for {what}",
                    hint="run the same command again: it goes on from here",
                )
            await self._clock.sleep(pause)
            pause = min(pause * 1.5, 5.0)


def explain(body: Any) -> tuple[str, str]:
    """Find code and message in a GeneralError; the code is empty for most."""
    return str(body.get("code") or ""), str(body["message"])


def _failure(operation: Told) -> str:
    # Its reason is the provider's text: secrets are taken out before it is cut.
    error = EVERYWHERE(" ".join(operation.maybe_text("error").split()))[:_LONGEST_REASON] or "no reason given"
    tries = operation.maybe_number("failures_count") or 0
    return (
        f"Neon: operation {operation.text('action')} ended as {operation.text('status')} ({error}; failures: {tries})"
    )


def _parts(uri: str) -> tuple[str, int, str]:
    """Take host, port and password out of a connection URI. Raises ProviderError, without a word of the URI."""
    try:
        parts = urlsplit(uri)
        return parts.hostname or "", parts.port or 5432, unquote(parts.password or "")
    except ValueError:
        # Not from the error: it quotes the URI.
        raise ProviderError("Neon answered a connection URI that is no URI") from None


def _branch(item: Told, mark: Annotation | None, child: DeclaredAnnotation | None, endpoint: Endpoint | None) -> Branch:
    return Branch(
        id=item.id("id"),
        name=item.text("name"),
        created_at=item.moment("created_at"),
        parent_id=item.maybe_id("parent_id"),
        resolved_at=item.maybe_moment("parent_timestamp"),
        lsn=item.maybe_text("parent_lsn"),
        default=item.flag("default"),
        protected=item.flag("protected"),
        ready=_is_ready(item),
        expires_at=item.maybe_moment("expires_at"),
        last_reset_at=item.maybe_moment("last_reset_at"),
        mark=mark,
        endpoint=endpoint,
        child=child,
        unrestorable=next((each.text("reason") for each in item.any("restricted_actions") if _restricts(each)), ""),
        size=item.maybe_number("logical_size"),
        updated_at=item.maybe_moment("updated_at"),
    )


def _restricts(action: Told) -> bool:
    return action.maybe_text("name") == "restore"


def _is_ready(item: Told) -> bool:
    return item.maybe_text("current_state") in ("ready", "archived") and not item.maybe_text("pending_state")


def _marks(annotations: Told | None) -> dict[str, tuple[Annotation | None, DeclaredAnnotation | None]]:
    """Read the annotations of branches, by their ids."""
    if annotations is None:
        return {}
    told_of = {key: annotations.maybe(key) for key in annotations.value}
    return {key: (_mark(each), child_mark(each)) for key, each in told_of.items()}


def _mark(annotation: Told | None) -> Annotation | None:
    value = annotation.maybe("value") if annotation else None
    if value is None:
        return None
    timeline, environment = Timeline.parse(value.maybe_text(TIMELINE_KEY)), value.maybe_text(ENVIRONMENT_KEY)
    protects = bool(value.maybe_text(PROTECTS_KEY))
    return Annotation(environment, timeline, protects) if environment and timeline else None


def _account(item: Told) -> RoleOrDatabase:
    return RoleOrDatabase(item.text("name"), item.moment("created_at"), item.moment("updated_at"))


def _endpoint(item: Told) -> Endpoint:
    """Read an endpoint. The host may name a port, as local stand-ins for Neon do; Neon's own is always 5432."""
    host, _, port = item.text("host").partition(":")
    name = item.maybe_text("name")
    number = int(port) if port.isdecimal() and len(port) <= 5 else 5432
    least, most = (item.maybe_measure(key) for key in _SIZES)
    settings = ComputeSettings(least, most, item.maybe_whole(_SUSPENSION))
    return Endpoint(item.id("id"), host, number, name, is_marked(name), is_noted(name), settings)


def _point(prefix: str, at: Point) -> dict[str, str]:
    """Give the parameter of a moment or an LSN: Neon takes one of them (API reference, "Create branch")."""
    return {f"{prefix}lsn" if isinstance(at, Lsn) else f"{prefix}timestamp": at.text}


def _asked(compute: ComputeSettings) -> dict[str, float]:
    """Name what is asked of a compute: what is not asked for is not sent, and stays as it is."""
    values = zip((*_SIZES, _SUSPENSION), (compute.minimum, compute.maximum, compute.suspend), strict=True)
    return {key: value for key, value in values if value is not None}
