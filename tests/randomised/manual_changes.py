"""Changes that people make by hand, without knowing the reconciler, and a record of them until they are repaired.

Some changes no program could repair, so they are not made: the only copy of data that users have seen is deleted only
with a record (`deleted`); users are never sent to a version that has never served; what was replaced in place is not
deleted where it is the only held branch, as then no sign is left that there was a restore.
"""

import re
from dataclasses import dataclass, field

from tests.exhaustive.world import BINDING, DATABASE, NAME, PRIMARY, ROLE
from tests.randomised.schedule import ManualChange

_BY_HAND = ".by-hand"
_FOREIGN = "analytics"


@dataclass
class Unrepaired:
    """What was changed by hand and is not repaired yet.

    `protected` is whether somebody has protected the primary, and nobody has taken a protection since. `renamed` is the
    former name by branch id, `taken` the ids of branches that somebody made under a name of ours, `default_moved`
    whether somebody moved the default flag, `edited` the origin that was by config id, `wrangler` the text that was by
    script. `deleted` are clusters and the timelines that they carried, `untold` whether the branch is among them that
    told what went into the primary last, `foreign` the configs that are not ours.
    """

    renamed: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    default_moved: bool = False
    edited: dict[str, dict] = field(default_factory=dict)
    wrangler: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    untold: bool = False
    protected: bool = False
    foreign: dict[str, dict] = field(default_factory=dict)

    @property
    def names_moved(self):
        """Whether names and flags, by which the reconciler knows what is what, were changed by hand."""
        return bool(self.renamed or self.taken or self.default_moved)


class ManualChanges:
    """Changes one world. What a provider refuses is not done."""

    def __init__(self, world):
        self._world = world
        self.traces = Unrepaired()
        self._does = {
            ManualChange.RENAME_PRIMARY: self._rename_primary,
            ManualChange.RENAME_HELD: self._rename_held,
            ManualChange.RENAME_CANDIDATE: self._rename_candidate,
            ManualChange.MOVE_DEFAULT: self._move_default,
            ManualChange.PROTECT: self._protect,
            ManualChange.UNPROTECT: self._unprotect,
            ManualChange.DELETE_CANDIDATE: self._delete_candidate,
            ManualChange.DELETE_HELD: self._delete_held,
            ManualChange.TAKE_NAME: self._take_name,
            ManualChange.DEPLOY_OLD: self._deploy_old,
            ManualChange.OTHER_ID: self._other_id,
            ManualChange.NO_BINDING: self._no_binding,
            ManualChange.NO_JSON: self._no_json,
            ManualChange.EDIT_CONFIG: self._edit_config,
            ManualChange.DELETE_CONFIG: self._delete_config,
            ManualChange.FOREIGN_CONFIG: self._foreign_config,
            ManualChange.PUT_RIGHT: self._put_right,
        }

    async def do(self, what, which):
        """Do it; tell whether anything was done."""
        return await self._does[what](which) is not False

    async def _neon(self, method, path, **options):
        await self._world.settle()
        answer = await self._world._neon.request(method, f"/projects/{self._world.project_id}{path}", **options)
        await self._world.settle()
        return answer.is_success

    async def _change(self, branch, **fields):
        return await self._neon("PATCH", f"/branches/{branch.id}", json={"branch": fields})

    def _branches(self, *words):
        every = self._world.project.branches.values()
        return [each for each in every if any(each.name.startswith(f"{PRIMARY}.{word}.") for word in words)]

    # Branches.

    async def _rename(self, branch):
        if branch is None or not await self._change(branch, name=branch.name + _BY_HAND):
            return False
        self.traces.renamed.setdefault(branch.id, branch.name.removesuffix(_BY_HAND))
        return True

    async def _rename_primary(self, _which):
        return await self._rename(self._world.primary())

    async def _rename_held(self, which):
        return await self._rename(_chosen(self._branches("held"), which))

    async def _rename_candidate(self, which):
        return await self._rename(_chosen(self._branches("candidate", "failed"), which))

    async def _move_default(self, which):
        branch = _chosen(list(self._world.project.branches.values()), which)
        self.traces.default_moved = True
        return await self._neon("POST", f"/branches/{branch.id}/set_as_default")

    async def _protect(self, _which):
        primary = self._world.primary()
        if primary is None or not await self._change(primary, protected=not primary.protected):
            return False
        self.traces.protected = primary.protected
        return True

    async def _unprotect(self, which):
        held = _chosen([each for each in self._branches("held") if each.protected], which)
        if held is None or not await self._change(held, protected=False):
            return False
        self.traces.protected = False
        return True

    async def _delete_candidate(self, which):
        return await self._delete(_chosen(self._branches("candidate", "failed"), which))

    async def _delete_held(self, which):
        """Delete what is held, but for the only one where it was replaced in place."""
        held = self._branches("held")
        branch, newest = _chosen(held, which), max(held, key=_number, default=None)
        tells = branch is newest and branch is not None and branch.name.endswith(".in-place")
        if (tells and len(held) == 1) or not await self._delete(branch):
            return False
        self.traces.untold = self.traces.untold or tells
        return True

    async def _delete(self, branch):
        """Delete a branch that users are not on."""
        if branch is None or branch in self._served() or not await self._neon("DELETE", f"/branches/{branch.id}"):
            return False
        self.traces.deleted |= {branch.cluster, self._world.timeline(branch)}
        self.traces.renamed.pop(branch.id, None)
        return True

    async def _take_name(self, _which):
        name = f"{PRIMARY}.candidate.{self._world.timeline_asked()}"
        if not await self._neon("POST", "/branches", json={"branch": {"name": name}}):
            return False
        self.traces.taken |= {each.id for each in self._world.project.branches.values() if each.name == name}
        return True

    # Workers and their files.

    def _served(self):
        """The branches that users reach, or would reach by a version that is being deployed."""
        found = [self._behind(script, version) for script in self._world.scripts for version in self._deployed(script)]
        return [each for each in found if each is not None]

    def _deployed(self, script):
        return [version for version, _ in self._world.script(script).deployments[0].split]

    def _behind(self, script, version):
        bindings = self._world.script(script).version(version).bindings
        config = self._world.account.configs.get(next(each["id"] for each in bindings if each["name"] == BINDING))
        return config and self._world.branch_at(config.origin["port"])

    async def _deploy_old(self, which):
        """Deploy a version that has served before, to each Worker that has one, and whose database is there."""
        done = False
        for script in self._world.scripts:
            served = [shares for each in self._world.script(script).deployments for shares in each.split]
            found = dict.fromkeys(version for version, share in reversed(served) if share)
            version = _chosen([each for each in found if self._behind(script, each) is not None], which)
            body = {"strategy": "percentage", "versions": [{"version_id": version, "percentage": 100}]}
            if version is not None:
                await self._world.cloudflare("POST", f"/workers/scripts/{script}/deployments", json=body)
                done = True
        return done

    def _edit_file(self, which, change):
        script = _chosen(self._world.scripts, which)
        file = self._world.wrangler_file(script)
        text = file.read_text()
        if script in self.traces.wrangler or change(text) == text:
            return False
        self.traces.wrangler[script] = text
        file.write_text(change(text))
        return True

    async def _other_id(self, which):
        script = _chosen(self._world.scripts, which)
        if script in self.traces.wrangler:
            return False
        file = self._world.wrangler_file(script)
        file.write_text(file.read_text().replace(self._world.wrangler_id(script), "0" * 32))
        return True

    async def _no_binding(self, which):
        return self._edit_file(which, lambda text: text.replace(BINDING, "OTHER"))

    async def _no_json(self, which):
        return self._edit_file(which, lambda text: text.replace('"main":', '"main"'))

    # Configs.

    def _unused(self):
        """Configs of ours that no version uses which is deployed."""
        used = set()
        for script in self._world.scripts:
            for version in self._deployed(script):
                used |= {each.get("id") for each in self._world.script(script).version(version).bindings}
        return [
            each for each in self._world.account.configs.values() if each.name.startswith(NAME) and each.id not in used
        ]

    async def _edit_config(self, which):
        """Point a config, which nobody is served by, to the branch that the first Worker's users are on."""
        config, target = _chosen(self._unused(), which), self._served()
        if config is None or not target:
            return False
        former = dict(config.origin)
        endpoint = next(each for each in self._world.project.endpoints.values() if each.branch_id == target[0].id)
        if endpoint.port == former["port"] or not await self._point(config.id, self._origin(target[0], endpoint)):
            return False
        self.traces.edited.setdefault(config.id, former)
        return True

    def _origin(self, branch, endpoint):
        return {
            "scheme": "postgres", "host": "127.0.0.1", "port": endpoint.port, "database": DATABASE, "user": ROLE,
            "password": branch.roles[ROLE].password,
        }  # fmt: skip

    async def _point(self, identity, origin):
        former = self._world.account.configs[identity]
        body = {"name": former.name, "origin": {**origin, "host": former.origin["host"]}}
        answer = await self._world._cloudflare.put(f"/hyperdrive/configs/{identity}", json=body)
        return answer.is_success

    async def _delete_config(self, which):
        config = _chosen(self._unused(), which)
        if config is None:
            return False
        await self._world.cloudflare("DELETE", f"/hyperdrive/configs/{config.id}")
        self.traces.edited.pop(config.id, None)
        return True

    async def _foreign_config(self, which):
        primary = self._world.primary()
        if primary is None:
            return False
        endpoint = next(each for each in self._world.project.endpoints.values() if each.branch_id == primary.id)
        origin = self._origin(primary, endpoint)
        known = next((each for each in self._world.account.configs.values() if each.name == _FOREIGN), None)
        if known is None:
            origin["host"] = next(iter(self._world.account.configs.values())).origin["host"]
            body = {"name": _FOREIGN, "origin": origin}
            await self._world.cloudflare("POST", "/hyperdrive/configs", json=body)
        elif which % 2:
            await self._world.cloudflare("DELETE", f"/hyperdrive/configs/{known.id}")
        elif not await self._point(known.id, origin):
            return False
        self.traces.foreign = self.foreign_now()
        return True

    def foreign_now(self):
        """What the configs that are not ours say."""
        every = self._world.account.configs.values()
        return {each.id: dict(each.origin) for each in every if not each.name.startswith(NAME)}

    # And back.

    async def _put_right(self, _which):
        """Do what the refusals ask for: names, flags, files and configs as they were."""
        world, traces = self._world, self.traces
        for identity, name in list(traces.renamed.items()):
            branch = world.project.branches.get(identity)
            if branch is None or branch.name == name or await self._change(branch, name=name):
                del traces.renamed[identity]
        for identity in list(traces.taken):
            if identity not in world.project.branches or await self._neon("DELETE", f"/branches/{identity}"):
                traces.taken.discard(identity)
        if traces.default_moved and (primary := world.primary()) is not None:
            traces.default_moved = not await self._neon("POST", f"/branches/{primary.id}/set_as_default")
        for script, text in traces.wrangler.items():
            world.wrangler_file(script).write_text(text)
        traces.wrangler.clear()
        for identity, origin in list(traces.edited.items()):
            port = origin["port"]
            if (
                identity not in world.account.configs
                or world.branch_at(port) is None
                or await self._point(identity, origin)
            ):
                del traces.edited[identity]
        await self._delete_orphans()
        return True

    async def _delete_orphans(self):
        """Delete the configs of branches that were deleted by hand: none is in the way of making the branch again."""
        there = {self._world.timeline(each) for each in self._world.project.branches.values()}
        for config in self._unused():
            timeline = config.name.removeprefix(f"{NAME}-")
            if timeline in self.traces.deleted - there:
                await self._world.cloudflare("DELETE", f"/hyperdrive/configs/{config.id}")


def _number(held):
    """The number of the replacement that a held branch tells of."""
    found = re.search(r"\.([0-9]+)(?:\.in-place)?$", held.name)
    return int(found[1]) if found else 1


def _chosen(found, which):
    return found[which % len(found)] if found else None
