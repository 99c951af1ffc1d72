"""`reconciler import`: the desired-state file of what is there already."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from reconciler.cli.console.exit_status import ExitStatus
from reconciler.cli.console.messages import say
from reconciler.cli.importing.chain import Imported, Wanted, follow
from reconciler.cli.importing.files import find_root, there_already, worker_files, write_new
from reconciler.cli.plan import status_of
from reconciler.cli.repository import environments
from reconciler.cli.wiring import connected
from reconciler.core.file.model import json_schema
from reconciler.core.file.reading import check_environment, read_desired_state
from reconciler.core.importing.choice import Asked, Choice, choose, nothing_found
from reconciler.core.importing.text import written
from reconciler.core.lineage.infer import ProvenanceUnknown
from reconciler.core.model.desired import Desired, Hyperdrive, Primary
from reconciler.core.model.observed import Observed, ObservedWorker, Unknown, named
from reconciler.core.plan.plan import Plan, plan
from reconciler.core.steps import Step
from reconciler.core.steps.primary import SetDefaultBranch
from reconciler.core.steps.worker import SwitchTraffic, UploadVersion
from reconciler.engine.observe import observe
from reconciler.ports import Ports
from reconciler.render.wording import counted


@dataclass(frozen=True, slots=True)
class _Proposed:
    """A file that could be written, and what plan says of it."""

    imported: Imported
    text: str
    observed: Observed
    plan: Plan


@click.command(name="import")
@click.argument("environment")
@click.option("--project", metavar="ID", help="The Neon project, if it is not found by itself.")
@click.option("--worker", "workers", multiple=True, metavar="FILE", help="A Worker's wrangler.jsonc; may be repeated.")
@click.option("--wrangler-environment", metavar="NAME", help='Its wrangler environment; "" is the top level.')
@click.option("--binding", metavar="NAME", help="Its Hyperdrive binding, if it has more than one.")
@click.option("--branch", metavar="NAME", help="The primary branch, if not the bound or the default one.")
@click.option("--without-worker", is_flag=True, help="Neon only, without any Worker.")
@click.option("--print", "only_print", is_flag=True, help="Write to standard output instead of a file.")
@click.option("--even-if-not-in-sync", is_flag=True, help="Write it even if its plan has steps or refuses.")
def command(  # noqa: PLR0913  one parameter for each option
    environment: str,
    project: str | None,
    workers: tuple[str, ...],
    wrangler_environment: str | None,
    binding: str | None,
    branch: str | None,
    *,
    without_worker: bool,
    only_print: bool,
    even_if_not_in_sync: bool,
) -> int:
    """Write desired-state/ENVIRONMENT.jsonc for an existing project and Worker.

    Follows wrangler.jsonc's Hyperdrive binding to its config at Cloudflare, to the Neon branch with that host, and says
    for each line where it comes from. Nothing is changed at a provider, no file is overwritten, and nothing is
    written unless its plan is in sync.

    Exit status: 0 written, 3 not in sync, 1 error.
    """
    root = find_root()
    path = root / environments.DIRECTORY / f"{environment}.jsonc"
    check_environment(environment, f"{environments.DIRECTORY}/{path.name}")
    if not only_print and (path.exists() or path.is_symlink()):
        raise there_already(path)
    choices = () if without_worker else _choices(root, workers, Asked(environment, wrangler_environment, binding))
    proposed = asyncio.run(_propose(root, Wanted(environment, choices, project, branch)))
    for line in _told(proposed):
        say(line)
    if not proposed.plan.in_sync and not even_if_not_in_sync:
        say("nothing was written: fix that and run it again, or give --even-if-not-in-sync")
        return ExitStatus.ERROR if status_of(proposed.plan) is ExitStatus.ERROR else ExitStatus.REFUSED
    _write(path, proposed.text, only_print=only_print)
    return ExitStatus.DONE


def _choices(root: Path, workers: tuple[str, ...], asked: Asked) -> tuple[Choice, ...]:
    """Choose a binding of each Worker. Raises InputError if that is ambiguous, or if no Worker has one."""
    files = worker_files(root, workers)
    found = [(file, choose(file, asked)) for file in files]
    lacking = tuple(file for file, choice in found if choice is None)
    if len(lacking) == len(files) or (workers and lacking):
        raise nothing_found(lacking, asked)
    return tuple(choice for _, choice in found if choice is not None)


async def _propose(root: Path, wanted: Wanted) -> _Proposed:
    """Make the file in memory, read it as every command does, and plan it."""
    async with connected(_known_so_far(wanted), root) as ports:
        imported = await follow(wanted, ports)
        text = written(imported.desired, imported.because)
        desired = _read(text, wanted.environment, ports)
        observed = await observe(desired, ports)
    return _Proposed(imported, text, observed, plan(desired, observed))


def _known_so_far(wanted: Wanted) -> Desired:
    """Name the providers to connect to, before anything else is known."""
    hyperdrive = Hyperdrive("", "", "") if wanted.choices else None
    return Desired(wanted.environment, Primary(wanted.project or "", wanted.branch or ""), hyperdrive)


def _read(text: str, environment: str, ports: Ports) -> Desired:
    name = f"{environments.DIRECTORY}/{environment}.jsonc"
    return read_desired_state(text, file=name, environment=environment, now=ports.clock.now())


def _write(path: Path, text: str, *, only_print: bool) -> None:
    if only_print:
        click.echo(text, nl=False)
        return
    write_new(path, text)
    click.echo(f"{path.parent.name}/{path.name}")
    schema = path.parent / "schema.json"
    if not schema.exists():
        write_new(schema, json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")
        click.echo(f"{schema.parent.name}/{schema.name}")


def _told(proposed: _Proposed) -> Iterator[str]:
    """Say what was read from where, what does not fit, how to fix it, and what plan says."""
    desired, because, found = proposed.plan.desired, proposed.imported.because, proposed.plan
    yield f"project   {desired.primary.project}: {because.project}"
    yield f"branch    {desired.primary.branch}: {because.branch}"
    yield f"timeline  {desired.timeline}: {because.restore}"
    if desired.hyperdrive is not None:
        hyperdrive = desired.hyperdrive
        yield f"database  {hyperdrive.database} as {hyperdrive.role}: {because.hyperdrive}"
        if hyperdrive.is_repointed:
            yield f'strategy  repoint: "{hyperdrive.name}" points to what was restored, which has no config of its own'
    for worker, reason in zip(desired.workers, because.workers, strict=True):
        yield f"worker    {worker.config}, {worker.binding}: {reason}"
    if desired.primary.hold is None:
        yield f"hold      forever: {because.hold}"
    if desired.branches:
        yield f"branches  {', '.join(each.name for each in desired.branches)}: by their annotations"
    yield from (f"note      {note}" for note in proposed.imported.notes)
    for refusal in found.refusals:
        yield f"refused   {refusal.rule}: {refusal.message}"
        yield f"          hint: {_name_of_old(proposed, refusal) or refusal.hint}"
    for message, hint in dict.fromkeys(_misfit(step, proposed.observed) for step in found.steps):
        yield f"differs   {message}"
        yield f"          hint: {hint}"
    yield f"plan: {_verdict(found)}"


def _verdict(found: Plan) -> str:
    if found.refusals:
        return f"refused ({', '.join(each.rule for each in found.refusals)})"
    return "in sync" if found.in_sync else f"not in sync, {counted(len(found.steps))}"


def _name_of_old(proposed: _Proposed, refusal: object) -> str:
    """Name the environment that the primary was restored as, if it is another one."""
    branches = proposed.observed.branches
    primary = None if isinstance(branches, Unknown) else named(branches, proposed.plan.desired.primary.branch)
    mark = primary.mark if primary else None
    if (
        not isinstance(refusal, ProvenanceUnknown)
        or mark is None
        or mark.environment == proposed.plan.desired.environment
    ):
        return ""
    return f"it was restored as {mark.environment}: reconciler import {mark.environment}"


def _misfit(step: Step, observed: Observed) -> tuple[str, str]:
    """Say what an unexpected step would repair, and how to repair it by hand."""
    match step:
        case SetDefaultBranch(branch=branch):
            return (
                f'"{branch}" is not the default branch of the project',
                f'make it so (neon branches set-default "{branch}"), which moves no traffic, or leave it to apply',
            )
        case UploadVersion(script=script) | SwitchTraffic(script=script):
            return (
                f"Worker {script} is deployed with {_bound(script, observed)}, and its file names another one",
                "deploy what the file says (wrangler deploy), or put the id that is deployed into the file",
            )
        case _:
            return f"{step.describe()}: {step.reason}", "repair it by hand, or leave this step to apply"


def _bound(script: str, observed: Observed) -> str:
    configs = {} if isinstance(observed.configs, Unknown) else {each.id: each.name for each in observed.configs}
    workers = [each for each in observed.workers if isinstance(each, ObservedWorker) and each.script == script]
    ids = [each.hyperdrive_id for worker in workers for each in worker.deployed if each.percentage]
    names = [f'Hyperdrive config "{configs.get(each, each)}"' if each else "no Hyperdrive config" for each in ids]
    return " and ".join(dict.fromkeys(names))
