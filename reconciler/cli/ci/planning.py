"""Plans the environments of an unreviewed tree: one section for each, whatever the result."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reconciler.cli.ci.concerned import read
from reconciler.cli.repository import suspension as suspending
from reconciler.cli.repository.environments import DIRECTORY, EnvironmentFile
from reconciler.cli.wiring import connected
from reconciler.core.file.reading import DesiredStateError
from reconciler.core.model.observed import Observed, ObservedWorker, Unknown
from reconciler.core.plan.plan import plan
from reconciler.engine.observe import observe
from reconciler.errors import ReconcilerError
from reconciler.render.comment import Mistaken, Planned, Section, Unplanned

_FORK = Unplanned(
    "",
    "this pull request comes from a fork, and GitHub gives its jobs no secrets: Neon and Cloudflare could not be read. "
    "The file was checked, and has no mistakes",
    "push the branch to this repository, and open the pull request from there",
)


async def sections(
    files: Sequence[EnvironmentFile], environment: Mapping[str, str], *, from_fork: bool
) -> tuple[Section, ...]:
    """Plan every file, concurrently."""
    return tuple(await asyncio.gather(*(_section(file, environment, from_fork=from_fork) for file in files)))


async def _section(file: EnvironmentFile, environment: Mapping[str, str], *, from_fork: bool) -> Section:
    try:
        desired = read(file)
        if from_fork and not environment.get("NEON_API_KEY"):
            return replace(_FORK, environment=file.name)
        async with connected(desired, file.root, environment) as ports:
            observed = _named_from(file.root, await observe(desired, ports))
    except DesiredStateError as error:
        shown = f"{DIRECTORY}/{file.path.name}"
        return Mistaken(file.name, tuple(replace(problem, file=shown) for problem in error.problems))
    except ReconcilerError as error:
        return Unplanned(file.name, error.message, error.hint)
    seen = await asyncio.to_thread(suspending.look, file, environment)
    return Planned(suspending.shown_in(plan(desired, observed), seen), observed)


def _named_from(root: Path, observed: Observed) -> Observed:
    """Make paths in messages relative to the tree's root."""
    prefix = f"{root}/"

    def named(worker: ObservedWorker | Unknown) -> ObservedWorker | Unknown:
        if isinstance(worker, ObservedWorker):
            return worker
        return replace(worker, reason=worker.reason.replace(prefix, ""), hint=worker.hint.replace(prefix, ""))

    return replace(observed, workers=tuple(named(each) for each in observed.workers))
