"""Neon projects, and the computes in them."""

from reconciler.core.model.compute import ComputeSettings
from reconciler.core.model.observed import Operation, Project
from reconciler.errors import ProviderError
from reconciler.ports import Compute
from reconciler.providers.neon import wire
from reconciler.providers.neon.client import PAGE, NeonClient

# As Neon's own tests count them: a `failed` one may be retried, and locks nothing until then.
_UNFINISHED = frozenset({"scheduling", "running", "cancelling"})


class Projects(NeonClient):
    """The port `Projects`."""

    async def projects(self) -> tuple[str, ...]:
        """Return the ids of all projects that the key can access.

        A personal key must name an organization (API reference, "List projects": `org_id`). So where Neon refuses the
        list, read each organization's; an organization's key can't list organizations, and does not have to.
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
        pages = self._pages("/projects", "projects", "cursor", **owner)
        return tuple(dict.fromkeys([item.id("id") async for page in pages for item in page.each("projects")]))

    async def project(self, project: str) -> Project:
        """Read a project."""
        return wire.project((await self._get(f"/projects/{project}")).part("project"))

    async def running(self, project: str) -> tuple[Operation, ...]:
        """Read the unfinished operations among the newest hundred: while one is unfinished, Neon starts no other."""
        listed = (await self._get(f"/projects/{project}/operations", limit=PAGE)).each("operations")
        return tuple(
            Operation(item.text("action"), item.maybe_id("branch_id") or "", item.moment("created_at"))
            for item in listed
            if item.text("status") in _UNFINISHED
        )

    async def set_history(self, project: str, seconds: int) -> None:
        """Change the history window of a project, which all its branches share."""
        await self._write(project, "PATCH", "", {"project": {"history_retention_seconds": seconds}})


class Computes(NeonClient):
    """The port `Computes`."""

    async def computes(self, project: str) -> tuple[Compute, ...]:
        """Read the computes of every branch, read-only ones included."""
        listed = (await self._get(f"/projects/{project}/endpoints")).each("endpoints")
        found = [(item.id("branch_id"), wire.endpoint(item)) for item in listed]
        return tuple(Compute(branch, endpoint.host, endpoint.port) for branch, endpoint in found)

    async def add_compute(self, project: str, branch: str, compute: ComputeSettings) -> None:
        """Add a read-write compute and wait for it."""
        body = {"endpoint": {"branch_id": branch, "type": "read_write"} | wire.compute_settings(compute)}
        await self._write(project, "POST", "/endpoints", body)

    async def set_compute(self, project: str, endpoint: str, compute: ComputeSettings) -> None:
        """Change the size or the suspension of a compute, and wait until it is back."""
        body = {"endpoint": wire.compute_settings(compute)}
        await self._write(project, "PATCH", f"/endpoints/{endpoint}", body)

    async def rename_endpoint(self, project: str, endpoint: str, name: str) -> None:
        """Rename a compute. Its id, its host and its sessions stay."""
        await self._write(project, "PATCH", f"/endpoints/{endpoint}", {"endpoint": {"name": name}})
