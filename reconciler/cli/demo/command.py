"""`reconciler demo`: damage a sandbox's data, restore it, undo it, and prove it."""

import asyncio
import tempfile
import time
from pathlib import Path

import click

from reconciler.errors import InputError

_START_HINT = (
    "as root PostgreSQL runs as another user: set TMPDIR to a directory that every user can enter, or unset it"
)


@click.command(name="demo")
@click.option("--worker", is_flag=True, help="Run the Worker too, in workerd, and visit it while it is switched.")
def command(*, worker: bool) -> int:
    """Damage a sandbox's data, restore it by a commit, undo that by git revert, and prove each.

    Needs no account and touches nothing outside: Neon and Cloudflare are a sandbox on real PostgreSQL, on this
    machine, which is gone when the demo ends. The code is the one that production uses.

    Exit status: 0 everything was proved, 1 something was not.
    """
    return asyncio.run(_tell(worker=worker))


async def _tell(*, worker: bool) -> int:
    try:
        from reconciler.sandbox.process import SANDBOX_ERRORS
        from reconciler.sandbox.server import Sandbox
    except ImportError as error:
        raise InputError(
            f"the sandbox is not installed ({error.name} is missing)", hint="pip install 'reconciler[sandbox]'"
        ) from error
    from reconciler.cli.demo.repository import DemoRepository
    from reconciler.cli.demo.story import Story
    from reconciler.cli.wiring import connected

    begun = time.monotonic()
    sandbox = Sandbox()
    try:
        await sandbox.start()
    except SANDBOX_ERRORS as error:
        raise InputError(f"the sandbox cannot start: {error}", hint=_START_HINT) from error
    try:
        click.echo(f"A Neon and a Cloudflare on real PostgreSQL, on this machine ({time.monotonic() - begun:.1f} s)")
        with tempfile.TemporaryDirectory(prefix="reconciler-demo-") as directory:
            address = await sandbox.worker_url("tech961-api") if worker else None
            repository = DemoRepository(Path(directory), f"{address}/health" if address else None)
            desired = repository.file.read()
            async with connected(desired, repository.root, sandbox.environment) as ports:
                story = Story(ports, repository, click.echo, address)
                await story.run()
            repository.close()
    finally:
        await sandbox.stop()
    took = time.monotonic() - begun
    click.echo(f"\n{'everything was proved' if not story.failed else f'{story.failed} proofs FAILED'}, in {took:.1f} s")
    return 1 if story.failed else 0
