"""From what is bound to what is live: the binding's config, its host, the compute of that host, its branch."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace

from reconciler.core.importing.choice import Choice
from reconciler.core.importing.primary import Found, base_name, direct_host, primary_of, refuse_ours
from reconciler.core.importing.signs import declared_branches_of, hold_of, with_strategy
from reconciler.core.importing.text import Because
from reconciler.core.model.desired import Desired, Hyperdrive
from reconciler.core.model.observed import Branch, HyperdriveConfig, named
from reconciler.errors import InputError, ProviderError
from reconciler.ports import Compute, Ports, WranglerFile

# At Neon's pace a wave of so many takes about a second, and the project is seldom in the last one.
_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is imported: the Workers that were chosen, and the project and the branch where an option names them."""

    environment: str
    choices: tuple[Choice, ...] = ()
    project: str | None = None
    branch: str | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """What the file is to say and why, and what a person should know besides."""

    desired: Desired
    because: Because
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Place:
    """A branch of a project, and how it was found."""

    project: str
    branch: Branch
    branches: tuple[Branch, ...]
    project_because: str
    branch_because: str


async def follow(wanted: Wanted, ports: Ports) -> Imported:
    """Follow the chain. Raises InputError where it ends, with what would help, and ProviderError."""
    if not wanted.choices:
        place = await _named_place(wanted, ports)
        found = primary_of(wanted.environment, place.project, place.branch.name, place.branches)
        return Imported(_desired(wanted, place, found), _because(place, found))
    files = tuple(ports.tree.read(choice.worker) for choice in wanted.choices)
    configs = await ports.cloudflare.configs()
    config = _config(wanted, files, configs)
    place = await _place_of(wanted, config, ports)
    found = primary_of(wanted.environment, place.project, place.branch.name, place.branches)
    hyperdrive = f"Cloudflare's config {config.id}, to {config.host}"
    workers = tuple(_worker(choice, file) for choice, file in zip(wanted.choices, files, strict=True))
    return Imported(
        desired=replace(
            _desired(wanted, place, found),
            hyperdrive=with_strategy(
                Hyperdrive(base_name(config.name), config.database, config.user), config, found.lineage
            ),
            workers=tuple(choice.worker for choice in wanted.choices),
        ),
        because=replace(_because(place, found), hyperdrive=hyperdrive, workers=workers),
        notes=tuple(_left_behind(wanted, configs, place, ports)),
    )


def _desired(wanted: Wanted, place: _Place, found: Found) -> Desired:
    """Return what is read from Neon alone."""
    hold, _ = hold_of(found.lineage)
    children = declared_branches_of(wanted.environment, found.lineage, place.branches)
    return Desired(wanted.environment, replace(found.primary, hold=hold), branches=children)


def _because(place: _Place, found: Found) -> Because:
    _, hold = hold_of(found.lineage)
    return Because(place.project_because, place.branch_because, found.restore, found.method, hold)


def _worker(choice: Choice, file: WranglerFile) -> str:
    others = f"; a restore leaves {', '.join(choice.others)} as it is" if choice.others else ""
    return f"Worker {file.script}: {choice.because}{others}"


def _config(wanted: Wanted, files: tuple[WranglerFile, ...], configs: tuple[HyperdriveConfig, ...]) -> HyperdriveConfig:
    """Find the one config that every Worker names."""
    by_id = {config.id: config for config in configs}
    if len({file.hyperdrive_id for file in files}) > 1 or len({file.script for file in files}) < len(files):
        raise _unlike(wanted, files, by_id)
    identity = files[0].hyperdrive_id
    if identity not in by_id:
        accounts = sorted({file.account for file in files} - {""})
        account = f"; {wanted.choices[0].worker.config} says account_id {accounts[0]}" if accounts else ""
        names = ", ".join(sorted(config.name for config in configs)) or "none"
        raise InputError(
            f"{wanted.choices[0].worker.config} names Hyperdrive config {identity}, and the account has no such one "
            f"({names})",
            hint=f"compare CLOUDFLARE_ACCOUNT_ID with the Worker's account{account}; or correct the id in the file",
        )
    return by_id[identity]


def _unlike(wanted: Wanted, files: tuple[WranglerFile, ...], by_id: dict[str, HyperdriveConfig]) -> InputError:
    listed = []
    for choice, file in zip(wanted.choices, files, strict=True):
        config = by_id.get(file.hyperdrive_id)
        name = f'"{config.name}"' if config else f"unknown config {file.hyperdrive_id}"
        listed.append(f"{choice.worker.config} (Worker {file.script}, {choice.worker.binding}: {name})")
    return InputError(
        f"these do not go together, as an environment is one database and names each Worker once: {'; '.join(listed)}",
        hint=f"say which are meant, once for each: --worker {wanted.choices[0].worker.config}",
    )


async def _place_of(wanted: Wanted, config: HyperdriveConfig, ports: Ports) -> _Place:
    """Find the branch whose compute has the host of the config."""
    host = direct_host(config.host)
    project, compute = await _compute(wanted, config, host, ports)
    branches = await ports.neon.branches(project)
    leading = next((each for each in branches if each.id == compute.branch_id), None)
    if leading is None:
        raise ProviderError(f"Neon lists a compute at {host} and not its branch {compute.branch_id}: run it again")
    branch = leading if wanted.branch is None else _branch(wanted.branch, project, branches)
    refuse_ours(branch)
    how = f"{await _project_name(project, ports)}; it has the compute at {host}"
    return _Place(
        project,
        branch,
        branches,
        how,
        _about(branch, "what Hyperdrive points to" if branch == leading else "as --branch says"),
    )


async def _compute(wanted: Wanted, config: HyperdriveConfig, host: str, ports: Ports) -> tuple[str, Compute]:
    projects = await _projects(wanted, ports)
    for start in range(0, len(projects), _AT_ONCE):
        wave = projects[start : start + _AT_ONCE]
        for project, computes in zip(wave, await asyncio.gather(*map(ports.neon.computes, wave)), strict=True):
            for compute in computes:
                if (compute.host, compute.port) == (host, config.port):
                    return project, compute
    where = f"project {wanted.project}" if wanted.project else f"the {len(projects)} projects that NEON_API_KEY reaches"
    raise InputError(
        f'Hyperdrive config "{config.name}" points to {config.host or "no public host"}, and no compute in {where} has '
        "this host",
        hint=(
            "is NEON_API_KEY of the organization that has the project, and does the config point to Neon at all? With "
            "another key or --project ID it is looked for elsewhere"
        ),
    )


async def _projects(wanted: Wanted, ports: Ports) -> tuple[str, ...]:
    if wanted.project is not None:
        return (wanted.project,)
    try:
        return await ports.neon.projects()
    except ProviderError as error:
        hint = "a key for one project may not list them: name it (--project ID, Neon Console > Settings)"
        raise ProviderError(error.message, status=error.status, hint=error.hint or hint) from error


async def _named_place(wanted: Wanted, ports: Ports) -> _Place:
    """Find the primary of a project that only has Neon: the branch that is named, or the default one."""
    if wanted.project is None:
        raise InputError("no Worker points to the project, and none is named", hint="name it: --project ID")
    branches = await ports.neon.branches(wanted.project)
    default = next((each for each in branches if each.default), None)
    branch = _branch(wanted.branch or (default.name if default else "main"), wanted.project, branches)
    refuse_ours(branch)
    how = f"{await _project_name(wanted.project, ports)}; as --project says"
    return _Place(
        wanted.project,
        branch,
        branches,
        how,
        _about(branch, "as --branch says" if wanted.branch else "no Worker points to one"),
    )


def _branch(name: str, project: str, branches: tuple[Branch, ...]) -> Branch:
    found = named(branches, name)
    if found is None:
        names = ", ".join(sorted(each.name for each in branches))
        raise InputError(f'project {project} has no branch "{name}"', hint=f"there is: {names}")
    return found


def _about(branch: Branch, chosen: str) -> str:
    facts = [
        "the default branch" if branch.default else "not the default branch",
        *(["protected"] if branch.protected else []),
        "a root" if branch.parent_id is None else "a child of another branch",
    ]
    return f"{chosen}; {', '.join(facts)}"


async def _project_name(project: str, ports: Ports) -> str:
    return f'Neon project "{(await ports.neon.project(project)).name}"'


def _left_behind(wanted: Wanted, configs: tuple[HyperdriveConfig, ...], place: _Place, ports: Ports) -> Iterator[str]:
    """Name the Workers' other bindings to the same branch: a restore does not switch them."""
    endpoint = place.branch.endpoint
    by_id = {config.id: config for config in configs}
    for choice in wanted.choices:
        for other in choice.others:
            config = by_id.get(ports.tree.read(replace(choice.worker, binding=other)).hyperdrive_id)
            if config and endpoint and (direct_host(config.host), config.port) == (endpoint.host, endpoint.port):
                yield (
                    f'{choice.worker.config}: binding {other} points to branch "{place.branch.name}" too (config '
                    f'"{config.name}", database {config.database}); a restore switches {choice.worker.binding} only'
                )
