"""Schemas: the output of `pg_dump --schema-only` for a branch at a point in time, and the difference of two.

Source: the API description, `GET …/branches/{branch_id}/schema` and `…/compare_schema`. The dump is taken from a
temporary fork, so that an idle compute is not woken.
"""

import difflib
import re
from dataclasses import dataclass

from aiohttp import web

from reconciler.sandbox.neon import requests
from reconciler.sandbox.neon.control_plane import ControlPlane
from reconciler.sandbox.neon.errors import malformed, not_found
from reconciler.sandbox.neon.state import Branch, Project
from reconciler.sandbox.storage import Mark, Point

_BRANCH = "/api/v2/projects/{project_id}/branches/{branch_id}"


@dataclass(frozen=True)
class _Side:
    branch: Branch
    point: Point


_MOST_KEPT = 100
# How pg_dump heads each table; a line break in a name is a space there.
_TABLE = re.compile(r"^-- Name: (.+); Type: (?:FOREIGN )?TABLE; Schema: (.+); Owner: ", re.MULTILINE)


class Schemas:
    """The handlers of the two paths."""

    def __init__(self, control: ControlPlane) -> None:
        self._control = control
        # A past schema never changes.
        self._past: dict[tuple[object, ...], str] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get(_BRANCH + "/schema", self.schema),
            web.get(_BRANCH + "/compare_schema", self.compare),
        ]

    async def schema(self, request: web.Request) -> web.Response:
        """Return the schema of a database as SQL, or its tables as JSON without their columns."""
        project, query = requests.project(request), requests.query(request)
        side = _Side(requests.branch(request), query.point("timestamp", "lsn"))
        database = query.required("db_name")
        if (form := query.text("format") or "sql") not in {"sql", "json"}:
            raise malformed("format must be sql or json")
        dump = await self._dump(project, side, database)
        return web.json_response({"json": {"tables": _tables(dump)}} if form == "json" else {"sql": dump})

    async def compare(self, request: web.Request) -> web.Response:
        """Return the unified difference from the base (by default the parent) to the branch."""
        project, query = requests.project(request), requests.query(request)
        branch, database = requests.branch(request), query.required("db_name")
        base_id = query.text("base_branch_id") or branch.parent_id
        if base_id is None:
            raise malformed("base_branch_id is required for a branch without a parent")
        base = _Side(requests.branch_of(project, base_id), query.point("base_timestamp", "base_lsn"))
        other = _Side(branch, query.point("timestamp", "lsn"))
        dumps = [await self._dump(project, side, database) for side in (base, other)]
        former, latter = (dump.splitlines(keepends=True) for dump in dumps)
        lines = difflib.unified_diff(former, latter, f"a/{database}", f"b/{database}")
        equal = self._control.state.switches.equal_schemas_diff.replace("{database}", database)
        return web.json_response({"diff": "".join(lines) or equal})

    async def _dump(self, project: Project, side: _Side, database: str) -> str:
        control = self._control
        mark = await control.mark(project, side.branch, side.point)
        key = mark.cluster, mark.moment, mark.position, database
        if key not in self._past:
            dump = await self._dump_fork(mark, database)
            if side.point is None:
                return dump
            self._past[key] = dump
            while len(self._past) > _MOST_KEPT:
                self._past.pop(next(iter(self._past)))
        return self._past[key]

    async def _dump_fork(self, mark: Mark, database: str) -> str:
        control = self._control
        fork = await control.storage.fork(mark)
        try:
            if database not in (await control.storage.inventory(fork.cluster)).databases:
                raise not_found("database")
            return await control.storage.schema(fork.cluster, database)
        finally:
            await control.storage.drop(fork.cluster)


def _tables(dump: str) -> list[dict[str, object]]:
    return [{"schema": schema, "name": name, "columns": []} for name, schema in _TABLE.findall(dump)]
