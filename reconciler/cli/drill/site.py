"""What a drill damages and restores: a branch of the primary, a Hyperdrive config and Workers, all of its own."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from reconciler.cli.drill.repository import DrillRepository
from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.core.drill.file import drill_file
from reconciler.core.drill.guard import Place, damage
from reconciler.core.drill.leftovers import to_serve_again
from reconciler.core.drill.names import LENDING, DrillNames, drill_script, is_of_a_drill, lending
from reconciler.core.file import jsonc
from reconciler.core.model.desired import Desired, Worker
from reconciler.core.model.observed import Annotation, Branch, named
from reconciler.core.model.refusal import Refusal
from reconciler.core.values.timeline import ORIGIN
from reconciler.errors import AnswerLost, InputError, NotConverged, ReconcilerError
from reconciler.ports import Origin, Ports, Rebinding

# What a killed drill leaves behind expires after that, where the plan has branch expiration.
_LIFE = timedelta(days=1)
_SLOW = "Cloudflare's lists may lag behind: drill again in a minute"


class DrillRefused(ReconcilerError):
    """A guard refuses: what would be damaged or restored does not belong to the drill."""

    def __init__(self, refusals: tuple[Refusal, ...]) -> None:
        super().__init__("\n".join(f"{each.rule}: {each.message}" for each in refusals), hint=refusals[0].hint)
        self.refusals = refusals


@dataclass(frozen=True, slots=True)
class Copied:
    """A Worker of production, and the drill's copy of it."""

    worker: Worker
    script: str


@dataclass(frozen=True, slots=True)
class DrillTarget:
    """What a drill damages and restores. `address` finds a Worker's URL; None where no requests are sent."""

    production: Desired
    file: EnvironmentFile
    names: DrillNames
    ports: Ports
    address: Callable[[str], Awaitable[str]] | None
    say: Callable[[str], None]

    @property
    def project(self) -> str:
        """The Neon project."""
        return self.production.primary.project

    def script(self, worker: Worker) -> str:
        """Name the Worker of the drill in the place of one of production. Raises InputError."""
        return script_of(self.production, self.ports, worker)

    @property
    def login(self) -> tuple[str, str]:
        """The database and the role that the application uses. Raises InputError where the file does not say."""
        verify = self.production.verify
        if not (verify.database and verify.role):
            hint = "add hyperdrive, or verify.database and verify.role"
            raise InputError("the file does not name the database and role of a drill", hint=hint)
        return verify.database, verify.role


def script_of(production: Desired, ports: Ports, worker: Worker) -> str:
    """Name the Worker of a drill in the place of one of production: a copy, or one that is borrowed.

    Raises InputError where the environment that the file names has no such binding, or has the very same Worker.
    """
    script, environment = ports.tree.read(worker).script, production.drill.worker
    if not environment:
        return drill_script(script)
    borrowed = ports.tree.read(replace(worker, environment=environment)).script
    if borrowed == script:
        hint = "name another wrangler environment in drill.worker: production's Worker is not borrowed"
        raise InputError(f"drill.worker names {script}, which is production's", hint=hint)
    return borrowed


async def make(target: DrillTarget, repository: DrillRepository) -> Branch:
    """Make everything, and commit the state before the damage. Returns the branch. Raises ReconcilerError."""
    # Mistakes in the files come first: a sweep reads them too, and could not clean up.
    database, role = target.login
    for worker in target.production.workers:
        target.script(worker)
    branch = await _make_branch(target)
    origin = await target.ports.neon.origin(target.project, branch.id, database, role)
    await target.ports.gates.login(origin)
    config = await _make_config(target, origin)
    copies = [await _copy(target, worker, config) for worker in target.production.workers]
    workers = [{"config": f"worker-{n}.jsonc", "binding": each.worker.binding} for n, each in enumerate(copies)]
    text = target.file.path.read_text(encoding="utf-8")
    gates = await _gates(target, text, copies)
    repository.begin(
        drill_file(text, target.names, workers, gates),
        {
            entry["config"]: (each.script, each.worker.binding, config)
            for entry, each in zip(workers, copies, strict=True)
        },
    )
    return branch


async def owner(target: DrillTarget, branch: Branch) -> Origin:
    """Return the login of the database's owner, who may damage it."""
    database, _ = target.login
    role = await target.ports.neon.owner(target.project, branch.id, database)
    return await target.ports.neon.origin(target.project, branch.id, database, role)


async def refuse_unless_own(target: DrillTarget, origin: Origin) -> None:
    """Read Neon and Cloudflare. Raises DrillRefused if a login may reach anything but the drill's branch."""
    branches = await target.ports.neon.branches(target.project)
    configs = await target.ports.cloudflare.configs() if target.production.hyperdrive else ()
    place = Place(origin.host, origin.port)
    if refusals := damage(target.production, target.names, place, branches, configs):
        raise DrillRefused(tuple(refusals))


async def serving(target: DrillTarget) -> Branch:
    """Find the branch that is live in the drill, by its name."""
    branches = await target.ports.neon.branches(target.project)
    found = named(branches, target.names.branch)
    if found is None:
        raise NotConverged(f'there is no branch "{target.names.branch}" after the restore')
    return found


async def _make_branch(target: DrillTarget) -> Branch:
    neon, names, primary = target.ports.neon, target.names, target.production.primary.branch
    source = named(await neon.branches(target.project), primary)
    if source is None:
        raise InputError(
            f'there is no branch "{primary}"', hint=f"see reconciler status {target.production.environment}"
        )
    mark, expires = Annotation(names.environment, ORIGIN), target.ports.clock.now().after(_LIFE)
    lost: AnswerLost | None = None
    try:
        await neon.create_drill_branch(target.project, names.branch, source.id, mark, expires)
    except AnswerLost as error:
        lost = error
    made = named(await neon.branches(target.project), names.branch)
    if made is None:
        raise lost or NotConverged(f'branch "{names.branch}" was made, and is not there')
    await neon.await_branch(target.project, made.id)
    return made


async def _make_config(target: DrillTarget, origin: Origin) -> str:
    """Make the Hyperdrive config and return its id; nothing where production has none."""
    hyperdrive = target.production.hyperdrive
    if hyperdrive is None:
        return ""
    name = target.names.hyperdrive
    lost: AnswerLost | None = None
    try:
        await target.ports.cloudflare.create_config(name, origin, hyperdrive.settings)
    except AnswerLost as error:
        lost = error
    made = named(await target.ports.cloudflare.configs(), name)
    if made is None:
        raise lost or NotConverged(f'Hyperdrive config "{name}" was made, and is not there')
    return made.id


async def _copy(target: DrillTarget, worker: Worker, config: str) -> Copied:
    """Make the drill's Worker of the version that serves."""
    cloudflare = target.ports.cloudflare
    file = target.ports.tree.read(worker)
    script = target.script(worker)
    if target.production.drill.worker:
        return await _borrow(target, worker, script, config)
    if script in await cloudflare.scripts():
        hint = "delete what a killed drill left behind: reconciler drill --clean; if it is yours, rename it"
        raise InputError(f"there is a Worker {script} already", hint=hint)
    versions = await cloudflare.deployed(file.script, worker.binding)
    live = max(versions, key=lambda each: each.percentage, default=None)
    if live is None:
        raise InputError(f"Worker {file.script} is not deployed", hint="deploy it, and drill again")
    label = f"reconciler drill {target.names.stamp}: copy of {file.script}, version {live.id}"
    change = Rebinding(worker.binding, config, label, "reconciler-drill")
    left_out = await cloudflare.copy_worker(file.script, live.id, script, change)
    if left_out:
        target.say(f"{script} has no bindings to production's own resources: {', '.join(left_out)}")
    if not await cloudflare.deployed(script, worker.binding):
        raise NotConverged(f"Worker {script} was made, and nothing of it is deployed", hint=_SLOW)
    return Copied(worker, script)


async def _borrow(target: DrillTarget, worker: Worker, script: str, config: str) -> Copied:
    """Bind the team's own Worker to the drill's config; the new version's label names the version before."""
    cloudflare = target.ports.cloudflare
    versions = await cloudflare.deployed(script, worker.binding)
    if len(versions) != 1:
        hint = f"deploy it (wrangler deploy --env {target.production.drill.worker}), in one version, and drill again"
        raise InputError(f"Worker {script} is deployed in {len(versions)} versions, and one is borrowed", hint=hint)
    label = lending(target.names.stamp, versions[0].id)
    before = to_serve_again(await cloudflare.uploaded(script, worker.binding, LENDING))
    if before and is_of_a_drill(target.production, await _config_called(target, versions[0].hyperdrive_id)):
        hint = "give it back: reconciler drill --clean"
        raise InputError(f"Worker {script} is still borrowed by a killed drill", hint=hint)
    await cloudflare.copy_version(script, versions[0].id, Rebinding(worker.binding, config, label, "reconciler-drill"))
    made = await cloudflare.uploaded(script, worker.binding, label)
    if not made:
        raise NotConverged(f'a version "{label}" of Worker {script} was uploaded, and is not there', hint=_SLOW)
    await cloudflare.deploy(script, [(made[0].id, 100)], label)
    return Copied(worker, script)


async def _config_called(target: DrillTarget, identity: str | None) -> str:
    configs = await target.ports.cloudflare.configs()
    return next((each.name for each in configs if each.id == identity), "")


async def _gates(target: DrillTarget, text: str, copies: list[Copied]) -> list[dict[str, Any]]:
    """Return production's HTTP gates, asked of the drill's first Worker instead."""
    if target.address is None or not copies:
        return []
    address = await target.address(copies[0].script)
    gates = jsonc.read(text).value.get("verify", {}).get("http", [])
    return [each | {"url": f"{address}{_path(each['url'])}"} for each in gates]


def _path(url: str) -> str:
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
