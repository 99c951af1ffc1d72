"""A stage for drills without an account: a sandbox with its example project, and a repository as a team has one."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from reconciler.cli.demo import shop
from reconciler.cli.demo.repository import DemoRepository
from reconciler.cli.drill.run import Address
from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.cli.wiring import connected
from reconciler.core.model.observed import named
from reconciler.errors import InputError


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a drill on a sandbox takes place. `visited`: Workers really run."""

    file: EnvironmentFile
    environment: Mapping[str, str]
    address: Address
    visited: bool


@asynccontextmanager
async def staged(directory: Path, say: Callable[[str], None]) -> AsyncIterator[Stage]:
    """Start a sandbox, fill its database, and stop it at the end. Raises InputError where it can't be started."""
    try:
        from reconciler.sandbox.process import SANDBOX_ERRORS
        from reconciler.sandbox.server import Sandbox
        from reconciler.sandbox.workers import binary
    except ImportError as error:
        hint = "pip install 'reconciler[sandbox]'"
        raise InputError(f"the sandbox is not installed ({error.name} is missing)", hint=hint) from error
    sandbox = Sandbox()
    try:
        await sandbox.start()
    except SANDBOX_ERRORS as error:
        raise InputError(f"the sandbox cannot start: {error}", hint="see docs/sandbox.md") from error
    try:
        visited = binary.locate() is not None
        if not visited:
            say(f"no Worker is visited. {binary.HOW_TO_GET_IT}")
        repository = DemoRepository(directory, f"{await sandbox.worker_url('tech961-api')}/health" if visited else None)
        file = repository.file
        await _fill(file, sandbox.environment, repository)
        yield Stage(file, sandbox.environment, sandbox.worker_url, visited)
        repository.close()
    finally:
        await sandbox.stop()


async def _fill(file: EnvironmentFile, environment: Mapping[str, str], repository: DemoRepository) -> None:
    desired = file.read()
    async with connected(desired, file.root, environment) as ports:
        configs = await ports.cloudflare.configs()
        repository.begin(next(each.id for each in configs if each.name == "tech961"))
        project = desired.primary.project
        primary = named(await ports.neon.branches(project), desired.primary.branch)
        assert primary is not None  # the example has it
        await shop.fill(await ports.neon.origin(project, primary.id, "tech961", "app"))
