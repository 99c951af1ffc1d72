"""The port `Fences`. PostgreSQL's client is imported when a fence is closed or opened: few runs need it."""

from reconciler.ports import Origin


class RealFences:
    """Fences in PostgreSQL (see postgres.fences)."""

    async def close(self, owner: Origin, user: Origin) -> None:
        """Have every new session read-only, and end those that began before. Can be repeated."""
        from reconciler.providers.postgres import fences  # noqa: PLC0415  a fifth of a start

        await fences.close(owner, user)

    async def open(self, owner: Origin, user: Origin) -> None:
        """Let new sessions write again, and end those that began before and can't. Can be repeated."""
        from reconciler.providers.postgres import fences  # noqa: PLC0415  a fifth of a start

        await fences.reopen(owner, user)
