"""One login to a branch, as Hyperdrive logs in: tried again for so long while the compute wakes."""

import psycopg
import stamina

from reconciler.errors import GateFailed, Unreachable
from reconciler.ports import Origin
from reconciler.providers.postgres.gates import connect, first_line, may_pass


async def log_in(origin: Origin, seconds: float) -> None:
    """Log in and run no query. Raises GateFailed where the role is rejected, Unreachable without an answer."""
    what = f"role {origin.role}, database {origin.database} at {origin.host}:{origin.port}"
    try:
        async for attempt in stamina.retry_context(on=may_pass, timeout=seconds, attempts=10, wait_initial=0.2):
            with attempt:
                async with await connect(origin) as connection:
                    await connection.execute("select 1")
    except psycopg.Error as error:
        if may_pass(error):
            raise Unreachable(f"{what}: login is not possible ({first_line(error)})") from None
        hint = "compare hyperdrive.role and hyperdrive.database with the branch's roles and databases in Neon"
        raise GateFailed(f"{what}: it is not let in ({first_line(error)})", gate="login", hint=hint) from None
