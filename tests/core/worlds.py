"""Worlds to plan in: an environment as it may be found, and what may be asked of it."""

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
from reconciler.core.model.observed import (
    Branch,
    DeployedVersion,
    Endpoint,
    HyperdriveConfig,
    Observed,
    ObservedWorker,
    Project,
)
from reconciler.core.plan.plan import plan
from reconciler.core.values.instant import Instant

NOW = Instant.parse_strict("2026-11-22T10:00:00Z")
CREATED = NOW.before(timedelta(days=5))
PROJECT = Project("aged-wildflower-123456", "961tech", timedelta(days=7), "scale", 25)
MAIN = Branch("br-main", "main", CREATED, default=True, endpoint=Endpoint("ep-main", "ep-main.neon.tech"))
CONFIG = HyperdriveConfig("c0", "tech961", "ep-main.neon.tech", 5432, "tech961", "app")
WORKER = Worker("wrangler.jsonc", "HYPERDRIVE")
SEEN = ObservedWorker("wrangler.jsonc", None, "tech961-api", "c0", (DeployedVersion("v0", 100, "c0"),))
WORLD = Observed(NOW, PROJECT, (MAIN,), (CONFIG,), (SEEN,))
DESIRED = Desired(
    environment="production",
    primary=Primary(PROJECT.id, "main"),
    hyperdrive=Hyperdrive("tech961", "tech961", "app"),
    workers=(WORKER,),
    verify=Verify((SqlGate("listings", "select true"),), (), "tech961", "app"),
)


def hours_ago(hours: float) -> Instant:
    return NOW.before(timedelta(hours=hours))


def asking(restore: Restore | None, desired: Desired = DESIRED, method: Method | None = None) -> Desired:
    method = method or desired.primary.method
    return replace(desired, primary=replace(desired.primary, restore=restore, method=method))


def with_main(**changes: object) -> Observed:
    return replace(WORLD, branches=(replace(MAIN, **changes),))


def after(desired: Desired, observed: Observed) -> Observed:
    """The world once the whole plan has been carried out, by a run that has ended since."""
    for step in plan(desired, observed).steps:
        observed = step.predict(observed)
    return ended(observed)


def ended(observed: Observed) -> Observed:
    """What the next run sees: gates are not remembered, and the next look is later."""
    return replace(observed, passed=frozenset(), failed=frozenset(), at=Instant(observed.at.milliseconds + 60_000))


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


primaries = st.builds(lambda restore: Primary(PROJECT.id, "main", restore), restores)


def world_for(desired: Desired, *, protected: bool) -> Observed:
    """An environment that has just been taken over: everything there, nothing restored yet."""
    workers = tuple(
        ObservedWorker(each.config, None, f"worker-{n}", "c0", (DeployedVersion(f"v{n}", 100, "c0"),))
        for n, each in enumerate(desired.workers)
    )
    return replace(
        WORLD,
        branches=(replace(MAIN, protected=protected),),
        workers=workers,
        configs=(CONFIG,) if desired.hyperdrive else (),
        commit="0123456789abcdef0123456789abcdef01234567",
    )
