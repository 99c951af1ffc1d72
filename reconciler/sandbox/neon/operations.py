"""Operations: the work that writes schedule. They run in the background, in order, and lock the project."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from reconciler.sandbox import timestamps
from reconciler.sandbox.neon.state import NeonState, Operation, Project, Status
from reconciler.sandbox.storage import StorageError

Work = Callable[[], Awaitable[None]]
Pause = Callable[[str, str], float]
"""Returns by how many seconds (`OPERATION`, action) is delayed."""
_RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class Job:
    """An operation to schedule: its action, branch and compute, and the work (None: nothing to do)."""

    action: str
    branch_id: str
    endpoint_id: str | None = None
    work: Work | None = None


class Operations:
    """Runs the operations of every project, one after another within a project.

    `failures` collects unexpected exceptions of the work.
    """

    def __init__(self, state: NeonState, pause: Pause, failures: list[BaseException]) -> None:
        self._state = state
        self._pause = pause
        self._failures = failures
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def schedule(
        self, project: Project, jobs: Sequence[Job], *, fails: Status | None = None, undo: Work | None = None
    ) -> list[Operation]:
        """Register operations and start to run them; the first is `running` at once.

        With `fails` the first one ends with that status and does nothing. `undo` runs after a failure.
        """
        operations = [self._register(project, job) for job in jobs]
        if operations:
            operations[0].status = Status.RUNNING
            run = self._run(list(zip(operations, jobs, strict=True)), fails=fails, undo=undo)
            self._tasks[project.id] = asyncio.create_task(run)
        return operations

    async def settled(self, project: Project, branch_id: str | None = None) -> None:
        """Wait until no operation of the project (of the branch, if given) is unfinished."""
        while any(
            operation.unfinished and branch_id in (None, operation.branch_id)
            for operation in project.operations.values()
        ):
            task = self._tasks.get(project.id)
            if task is None or task.done():
                return
            await asyncio.wait({task})

    async def close(self) -> None:
        """Abandon running operations and wait for their end."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._tasks.clear()

    def _register(self, project: Project, job: Job) -> Operation:
        # lists are sorted by time and their cursor is a time, so no two operations may have the same time
        newest = max((other.created_at for other in project.operations.values()), default=None)
        created_at = timestamps.now()
        if newest is not None and created_at <= newest:
            created_at = newest + timedelta(microseconds=1)
        operation = Operation(
            id=str(uuid.uuid4()),
            project_id=project.id,
            branch_id=job.branch_id,
            endpoint_id=job.endpoint_id,
            action=job.action,
            status=Status.SCHEDULING,
            created_at=created_at,
            updated_at=created_at,
        )
        project.operations[operation.id] = operation
        return operation

    async def _run(self, jobs: list[tuple[Operation, Job]], *, fails: Status | None, undo: Work | None) -> None:
        for position, (operation, job) in enumerate(jobs):
            begun = timestamps.now()
            _move(operation, Status.RUNNING)
            error = await self._fail(operation, fails) if fails and position == 0 else await self._work(job)
            if operation.retry_at is not None:
                error = await self._retry(operation, job)
            operation.total_duration_ms = round((timestamps.now() - begun).total_seconds() * 1000)
            if error is None:
                _move(operation, Status.FINISHED)
                continue
            if undo:
                await undo()
            operation.error, operation.failures_count = error, 1
            _move(operation, fails or Status.FAILED)
            for later, _ in jobs[position + 1 :]:
                _move(later, Status.CANCELLED)
            return

    async def _fail(self, operation: Operation, status: Status) -> str:
        error = "failure injected by a fault"
        if status is Status.FAILED and self._state.switches.failed_operation_recovers:
            operation.error, operation.failures_count = error, 1
            operation.retry_at = timestamps.now() + timedelta(seconds=_RETRY_SECONDS)
            _move(operation, Status.FAILED)
        return error

    async def _retry(self, operation: Operation, job: Job) -> str | None:
        await asyncio.sleep(_RETRY_SECONDS)
        operation.retry_at = operation.error = None
        _move(operation, Status.RUNNING)
        return await self._work(job)

    async def _work(self, job: Job) -> str | None:
        """Do the work; return the text of its failure, or None."""
        await asyncio.sleep(self._pause("OPERATION", job.action))
        try:
            if job.work:
                await job.work()
        except StorageError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - a defect of the sandbox must not leave the project locked
            self._failures.append(error)
            return "internal error"
        return None


def _move(operation: Operation, status: Status) -> None:
    operation.status = status
    operation.updated_at = timestamps.now()
