"""A client of the sandbox's Neon half, independent of the product's own."""

import asyncio
import time
from datetime import UTC, datetime

import httpx
import psycopg


def now() -> str:
    """Give the present moment as the API takes it."""
    return datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


async def next_millisecond() -> str:
    """Give a moment, in milliseconds, after all that was committed so far and before all that will be."""
    await asyncio.sleep(0.002)
    moment = now()
    await asyncio.sleep(0.002)
    return moment


class NeonClient(httpx.AsyncClient):
    def __init__(self, environment: dict[str, str]) -> None:
        super().__init__(
            base_url=environment["NEON_API_HOST"],
            headers={"Authorization": f"Bearer {environment['NEON_API_KEY']}"},
            timeout=30,
        )


class ProjectClient:
    def __init__(self, neon: NeonClient, identifier: str) -> None:
        self.neon = neon
        self.id = identifier
        self.path = f"/projects/{identifier}"

    async def until(self, holds) -> None:
        """Wait until an asynchronous question is answered with true."""
        while not await holds():  # noqa: ASYNC110 - nothing but asking tells
            await asyncio.sleep(0.02)

    async def settled(self) -> list[dict]:
        """Wait until no operation is unfinished; give them all, newest first."""
        while True:
            answer = await self.neon.get(f"{self.path}/operations")
            if answer.status_code == 404:
                return []
            operations = answer.json()["operations"]
            if not any(operation["status"] in {"scheduling", "running"} for operation in operations):
                return operations
            await asyncio.sleep(0.02)

    async def branch(self, name: str) -> dict:
        branches = (await self.neon.get(f"{self.path}/branches")).json()["branches"]
        return next(branch for branch in branches if branch["name"] == name)

    async def path_of(self, name: str) -> str:
        return f"{self.path}/branches/{(await self.branch(name))['id']}"

    async def create(self, name: str, parent: str = "main", *, at: str | None = None, wait: bool = True, **body):
        """Create a branch with a compute, wait for it, and give the answer."""
        asked = {"name": name, "parent_id": (await self.branch(parent))["id"]} | body.pop("branch", {})
        if at:
            asked["parent_timestamp"] = at
        body = {"branch": asked, "endpoints": [{"type": "read_write"}]} | body
        answer = await self.neon.post(f"{self.path}/branches", json=body)
        if wait:
            await self.settled()
        return answer

    async def patch(self, branch: str, /, **fields):
        return await self.neon.patch(await self.path_of(branch), json={"branch": fields})

    async def restore(self, target: str, source: str, **body):
        source_id = (await self.branch(source))["id"]
        answer = await self.neon.post(
            f"{await self.path_of(target)}/restore", json={"source_branch_id": source_id} | body
        )
        await self.settled()
        return answer

    async def uri(self, branch: str) -> str:
        answer = await self.neon.get(
            f"{self.path}/connection_uri",
            params={
                "branch_id": (await self.branch(branch))["id"],
                "database_name": "shop",
                "role_name": "owner",
            },
        )
        return answer.json()["uri"]

    async def execute(self, branch: str, statement: str) -> list[tuple]:
        """Run one statement as the owner, by way of the branch's compute."""
        connection = await psycopg.AsyncConnection.connect(await self.uri(branch), autocommit=True)
        async with connection:
            cursor = await connection.execute(statement)
            return await cursor.fetchall() if cursor.description else []

    async def insert(self, branch: str, name: str) -> None:
        await self.execute(branch, f"insert into item values ('{name}')")

    async def items(self, branch: str) -> list[str]:
        return [name for (name,) in await self.execute(branch, "select name from item order by name")]

    async def endpoint(self, branch: str) -> dict:
        return (await self.neon.get(f"{await self.path_of(branch)}/endpoints")).json()["endpoints"][0]

    async def act(self, branch: str, action: str):
        endpoint = await self.endpoint(branch)
        answer = await self.neon.post(f"{self.path}/endpoints/{endpoint['id']}/{action}")
        await self.settled()
        return answer
