"""The branches of a Neon project."""

from typing import Any

from reconciler.core.model.compute import UNSAID, ComputeSettings
from reconciler.core.model.observed import Annotation, Branch, DeclaredAnnotation, Endpoint
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import Point
from reconciler.errors import AnswerLost, ProviderError
from reconciler.providers.http.response import ResponseReader
from reconciler.providers.neon import annotations, wire
from reconciler.providers.neon.client import BRANCH_SECONDS, PAGE, NeonClient

_COMPUTE = {"type": "read_write"}
# How Neon refuses an expiration.
_NO_EXPIRY = frozenset({400, 403, 422})


class Branches(NeonClient):
    """The port `Branches`."""

    async def branches(self, project: str) -> tuple[Branch, ...]:
        """Read every branch, with annotations and read-write computes."""
        found: dict[str, ResponseReader] = {}
        marks: dict[str, wire.Annotations] = {}
        async for page in self._pages(f"/projects/{project}/branches", "branches", "next"):
            found |= {item.id("id"): item for item in page.each("branches")}
            listed = page.section("annotations")
            marks |= {key: annotations.read(listed.section(key)) for key in listed.value}
        endpoints = await self._endpoints(project)
        return tuple(wire.branch(item, marks.get(key, (None, None)), endpoints.get(key)) for key, item in found.items())

    async def _endpoints(self, project: str) -> dict[str, Endpoint]:
        listed = (await self._get(f"/projects/{project}/endpoints")).each("endpoints")
        return {item.id("branch_id"): wire.endpoint(item) for item in listed if item.text("type") == "read_write"}

    async def create_branch(
        self,
        project: str,
        name: str,
        source: str,
        at: Point | None,
        mark: Annotation,
        compute: ComputeSettings = UNSAID,
    ) -> None:
        """Create a branch with a compute.

        Neon answers that it is busy while another run creates the same branch, and once that run has promoted the
        branch, the name is free again. So each retry looks at the annotations first: they stay with a branch.
        """

        async def still_missing() -> None:
            marks = [each.mark for each in await self.branches(project) if each.mark]
            if any(each.is_of(mark.environment, mark.timeline) for each in marks):
                hint = "another run has created it meanwhile: look again"
                raise AnswerLost(f"Neon: project {project} already has a branch of {mark.timeline}", hint=hint)

        body = {
            "branch": {"name": name, "parent_id": source} | (wire.point("parent_", at) if at else {}),
            "endpoints": [_COMPUTE | wire.compute_settings(compute)],
            "annotation_value": annotations.of_timeline(mark),
        }
        await self._write(project, "POST", "/branches", body, still_missing)

    async def create_child(
        self, project: str, name: str, source: str, mark: DeclaredAnnotation, *, compute: bool
    ) -> None:
        """Create a declared branch. Neon refuses a second branch of the same name."""
        branch = {"name": name, "parent_id": source} | ({"init_source": "schema-only"} if mark.schema_only else {})
        endpoints = {"endpoints": [_COMPUTE]} if compute else {}
        body = {"branch": branch, "annotation_value": annotations.of_declared(mark)} | endpoints
        await self._write(project, "POST", "/branches", body)

    async def create_drill_branch(
        self, project: str, name: str, source: str, mark: Annotation, expires: Instant
    ) -> None:
        """Create a drill's branch, without an expiration where Neon refuses one: no document says which plans may."""
        branch = {"name": name, "parent_id": source}
        body = {"branch": branch, "endpoints": [_COMPUTE], "annotation_value": annotations.of_drill(mark)}
        try:
            expiring = body | {"branch": branch | {"expires_at": wire.seconds(expires)}}
            await self._write(project, "POST", "/branches", expiring)
        except ProviderError as error:
            if isinstance(error, AnswerLost) or error.status not in _NO_EXPIRY:
                raise
            await self._write(project, "POST", "/branches", body)

    async def await_branch(self, project: str, branch: str) -> None:
        """Wait until a branch is ready. Raises ProviderError after 15 minutes, or when it can't become ready."""

        async def ready() -> bool:
            if wire.is_ready((await self._get(f"/projects/{project}/branches/{branch}")).part("branch")):
                return True
            recent = (await self._get(f"/projects/{project}/operations", limit=PAGE)).each("operations")
            for operation in recent:
                if operation.maybe_id("branch_id") == branch and operation.text("action") == "create_branch":
                    self._refuse_failure(operation)
            return False

        await self._until(ready, f"branch {branch} to be ready", BRANCH_SECONDS)

    async def rename_branch(self, project: str, branch: str, name: str) -> None:
        """Rename a branch."""
        await self._change(project, branch, {"name": name})

    async def expire(self, project: str, branch: str, at: Instant) -> None:
        """Set when a branch expires: to the second, at most 30 days ahead (documentation, Branch expiration)."""
        await self._change(project, branch, {"expires_at": wire.seconds(at)})

    async def clear_expiry(self, project: str, branch: str) -> None:
        """Remove the expiration of a branch."""
        await self._change(project, branch, {"expires_at": None})

    async def set_default(self, project: str, branch: str) -> None:
        """Make a branch the default. This moves no traffic, no protection and no schedule."""
        await self._write(project, "POST", f"/branches/{branch}/set_as_default")

    async def protect(self, project: str, branch: str) -> None:
        """Protect a branch."""
        await self._change(project, branch, {"protected": True})

    async def unprotect(self, project: str, branch: str) -> None:
        """Remove the protection of a branch."""
        await self._change(project, branch, {"protected": False})

    async def restore_branch(self, project: str, branch: str, source: str, point: str, keep_as: str) -> None:
        """Restore a branch in place. Nothing is sent without a point, or without a name for the replaced state.

        Source: API reference, "Restore branch". Id, compute, host and passwords stay; the kept branch has a new id.
        """
        if not point or not keep_as:
            raise ProviderError(f"Neon: branch {branch} is not restored without a point, or without what it holds kept")
        body = {"source_branch_id": source, "source_lsn": point, "preserve_under_name": keep_as}
        await self._write(project, "POST", f"/branches/{branch}/restore", body)

    async def reset_branch(self, project: str, branch: str, source: str, keep_as: str) -> None:
        """Reset a branch. Nothing is sent without a name for the replaced state.

        Source: documentation, Reset from parent: the request is a restore without a moment.
        """
        if not keep_as:
            raise ProviderError(f"Neon: branch {branch} is not reset without what it holds kept")
        body = {"source_branch_id": source, "preserve_under_name": keep_as}
        await self._write(project, "POST", f"/branches/{branch}/restore", body)

    async def delete_branch(self, project: str, branch: str) -> None:
        """Delete a branch and its compute. Neon answers 204 for an absent branch (API reference, "Delete branch")."""
        await self._write(project, "DELETE", f"/branches/{branch}")

    async def _change(self, project: str, branch: str, fields: dict[str, Any]) -> None:
        await self._write(project, "PATCH", f"/branches/{branch}", {"branch": fields})
