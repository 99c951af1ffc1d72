"""A client of the sandbox's Neon API, independent of the product's own."""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import psycopg

from reconciler.sandbox import timestamps

BUSY = "project already has running conflicting operations, scheduling of new ones is prohibited"


def now():
    """Return the present moment as the API takes it."""
    return datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def from_now(**duration):
    """Return a later moment, in whole seconds."""
    return timestamps.render(timestamps.now() + timedelta(**duration))


async def next_millisecond():
    """Return a moment, in milliseconds, after everything committed so far and before everything that follows."""
    await asyncio.sleep(0.002)
    moment = now()
    await asyncio.sleep(0.002)
    return moment


def status(answer):
    return answer.status_code


def message(answer):
    return answer.status_code, answer.json()["message"]


def code(answer):
    return answer.status_code, answer.json()["code"]


def actions(answer):
    return [operation["action"] for operation in answer.json()["operations"]]


async def ask(uri, query="select current_user"):
    """Run one statement with a connection string; return the first value."""
    async with await psycopg.AsyncConnection.connect(uri, autocommit=True) as connection:
        return (await (await connection.execute(query)).fetchone())[0]


class NeonClient(httpx.AsyncClient):
    def __init__(self, environment):
        headers = {"Authorization": f"Bearer {environment['NEON_API_KEY']}"}
        super().__init__(base_url=environment["NEON_API_HOST"], headers=headers, timeout=30, trust_env=False)


@asynccontextmanager
async def new_project(neon, **fields):
    """Make a project with the database `shop` of the role `owner`, and delete it."""
    wanted = {"branch": {"role_name": "owner", "database_name": "shop"}} | fields
    created = await neon.post("/projects", json={"project": wanted})
    project = ProjectClient(neon, created.json()["project"]["id"])
    project.created = created
    await project.settled()
    yield project
    await project.settled()
    for branch in await project.branches():
        if branch["protected"]:
            await project.patch(branch["name"], protected=False)
    await neon.delete(project.path)


class ProjectClient:
    """One project. Branches are named by their names."""

    def __init__(self, neon, identifier):
        self.neon = neon
        self.id = identifier
        self.path = f"/projects/{identifier}"

    async def get(self, path="", **query):
        return (await self.neon.get(self.path + path, params=query)).json()

    async def until(self, holds):
        """Wait until an asynchronous condition holds."""
        while not await holds():  # noqa: ASYNC110 - the API has no notifications
            await asyncio.sleep(0.01)

    async def settled(self):
        """Wait until no operation is unfinished; return all of them, newest first."""
        while True:
            answer = await self.neon.get(f"{self.path}/operations")
            if answer.status_code == 404:
                return []
            operations = answer.json()["operations"]
            if not any(operation["status"] in {"scheduling", "running"} for operation in operations):
                return operations
            await asyncio.sleep(0.01)

    async def branches(self):
        return (await self.get("/branches"))["branches"]

    async def names(self):
        return [branch["name"] for branch in await self.branches()]

    async def branch(self, name):
        return next(branch for branch in await self.branches() if branch["name"] == name)

    async def path_of(self, name):
        return f"{self.path}/branches/{(await self.branch(name))['id']}"

    async def post(self, branch, end, **body):
        """Post to a path of a branch and wait for its operations."""
        answer = await self.neon.post(await self.path_of(branch) + end, json=body or None)
        await self.settled()
        return answer

    async def create(self, name, parent="main", *, at=None, wait=True, **body):
        """Create a branch with a compute, wait for it, and return the answer."""
        wanted = {"name": name, "parent_id": (await self.branch(parent))["id"]} | body.pop("branch", {})
        if at:
            wanted["parent_timestamp"] = at
        body = {"branch": wanted, "endpoints": [{"type": "read_write"}]} | body
        answer = await self.neon.post(f"{self.path}/branches", json=body)
        if wait:
            await self.settled()
        return answer

    async def patch(self, branch, /, **fields):
        return await self.neon.patch(await self.path_of(branch), json={"branch": fields})

    async def delete(self, branch):
        answer = await self.neon.delete(await self.path_of(branch))
        await self.settled()
        return answer

    async def set_default(self, branch):
        return await self.post(branch, "/set_as_default")

    async def restore(self, target, source, **body):
        return await self.post(target, "/restore", source_branch_id=(await self.branch(source))["id"], **body)

    async def restore_to(self, moment, *, target="main", held="held"):
        """Restore a branch from itself to a moment and preserve its former state."""
        return await self.restore(target, target, source_timestamp=moment, preserve_under_name=held)

    async def uri(self, branch):
        query = {"branch_id": (await self.branch(branch))["id"], "database_name": "shop", "role_name": "owner"}
        return (await self.get("/connection_uri", **query))["uri"]

    async def execute(self, branch, statement):
        """Run one statement as the owner, through the branch's compute."""
        connection = await psycopg.AsyncConnection.connect(await self.uri(branch), autocommit=True)
        async with connection:
            cursor = await connection.execute(statement)
            return await cursor.fetchall() if cursor.description else []

    async def insert(self, branch, name):
        await self.execute(branch, f"insert into item values ('{name}')")

    async def items(self, branch):
        return [name for (name,) in await self.execute(branch, "select name from item order by name")]

    async def lsn(self):
        return (await self.execute("main", "select pg_current_wal_lsn()::text"))[0][0]

    async def before_and_after(self):
        """Insert the items `before` and `after` into main; return a moment between the two."""
        await self.insert("main", "before")
        moment = await next_millisecond()
        await self.insert("main", "after")
        return moment

    async def endpoint(self, branch):
        return (await self.neon.get(f"{await self.path_of(branch)}/endpoints")).json()["endpoints"][0]

    async def state_of_compute(self, branch):
        return (await self.endpoint(branch))["current_state"]

    async def patch_endpoint(self, branch, **fields):
        endpoint = await self.endpoint(branch)
        answer = await self.neon.patch(f"{self.path}/endpoints/{endpoint['id']}", json={"endpoint": fields})
        await self.settled()
        return answer

    async def act(self, branch, action):
        endpoint = await self.endpoint(branch)
        answer = await self.neon.post(f"{self.path}/endpoints/{endpoint['id']}/{action}")
        await self.settled()
        return answer
