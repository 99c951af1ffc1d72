"""What desired-state files may ask for, and when it is."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st

from reconciler.core.model.desired import (
    DeployDriver,
    Desired,
    HttpGate,
    Hyperdrive,
    Method,
    Primary,
    Restore,
    SqlGate,
    Verify,
    Worker,
)
from reconciler.core.model.hyperdrive import Strategy
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import Timeline

PROJECT_ID = "aged-wildflower-123456"
NOW = Instant.parse_strict("2026-11-22T10:00:00Z")
CREATED = NOW.before(timedelta(days=5))
WORKER = Worker("wrangler.jsonc", "HYPERDRIVE")
DESIRED = Desired(
    environment="production",
    primary=Primary(PROJECT_ID, "main"),
    hyperdrive=Hyperdrive("tech961", "tech961", "app"),
    workers=(WORKER,),
    verify=Verify((SqlGate("listings", "select true"),), (), "tech961", "app"),
)
HEALTH = HttpGate("health", "https://961tech.example/health")


def hours_ago(hours: float) -> Instant:
    return NOW.before(timedelta(hours=hours))


def primary(desired: Desired = DESIRED, **changes: object) -> Desired:
    """The file with other values in its primary."""
    return replace(desired, primary=replace(desired.primary, **changes))


def asking(restore: Restore | None, desired: Desired = DESIRED, method: Method | None = None) -> Desired:
    return primary(desired, restore=restore, method=method or desired.primary.method)


def gated(desired: Desired) -> Desired:
    """The file with an HTTP gate."""
    return replace(desired, verify=replace(desired.verify, http=(HEALTH,)))


RESTORE = Restore(hours_ago(24), "inc-42")
RESTORED = Timeline(RESTORE.to, RESTORE.id)
OTHER = Restore(hours_ago(30), "other")
BY_BRANCH = asking(RESTORE)
IN_PLACE = asking(None, method=Method.IN_PLACE)
ASKED_IN_PLACE = asking(RESTORE, IN_PLACE)
CANDIDATE, PROVED = f"main.candidate.{RESTORED}", f"main.proved.{RESTORED}"
HELD = f"main.held.origin.before.{RESTORED}"
HELD_IN_PLACE = f"{HELD}.in-place"
restores = st.one_of(
    st.none(),
    st.builds(
        Restore,
        to=st.integers(min_value=1, max_value=110 * 3_600_000).map(lambda ms: Instant(NOW.milliseconds - 3_000 - ms)),
        id=st.sampled_from(["", "inc-42", "a"]),
    ),
)


@st.composite
def asked(draw: st.DrawFn) -> Desired:
    """What a file may ask for, apart from the restore."""
    repointed = replace(DESIRED.hyperdrive, strategy=Strategy.REPOINT)
    hyperdrive = draw(st.sampled_from([DESIRED.hyperdrive, repointed, None]))
    workers: tuple[Worker, ...] = ()
    if hyperdrive is not None:
        count = draw(st.integers(0, 2))
        drivers = draw(st.lists(st.sampled_from(DeployDriver), min_size=count, max_size=count))
        workers = tuple(Worker(f"w{n}/wrangler.jsonc", "HYPERDRIVE", None, d) for n, d in enumerate(drivers))
    gates = (HttpGate("health", "https://961tech.example/health"),) if workers and draw(st.booleans()) else ()
    return replace(
        DESIRED,
        hyperdrive=hyperdrive,
        workers=workers,
        verify=replace(DESIRED.verify, http=gates),
        primary=draw(primaries),
    )


primaries = st.builds(lambda restore: Primary(PROJECT_ID, "main", restore), restores)
