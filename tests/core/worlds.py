"""Environments as they may be found."""

from dataclasses import replace
from datetime import timedelta

from reconciler.core.model.desired import Desired
from reconciler.core.model.observed import (
    Annotation,
    Branch,
    DeployedVersion,
    Endpoint,
    HyperdriveConfig,
    Observed,
    ObservedWorker,
    Project,
    named,
)
from tests.core.files import CANDIDATE, CREATED, NOW, PROJECT_ID, RESTORE, RESTORED, hours_ago

PROJECT = Project(PROJECT_ID, "961tech", timedelta(days=7), "scale", 25)
MAIN = Branch("br-main", "main", CREATED, default=True, endpoint=Endpoint("ep-main", "ep-main.neon.tech"))
CONFIG = HyperdriveConfig("c0", "tech961", "ep-main.neon.tech", 5432, "tech961", "app")
SEEN = ObservedWorker("wrangler.jsonc", None, "tech961-api", "c0", (DeployedVersion("v0", 100, "c0"),))
WORLD = Observed(NOW, PROJECT, (MAIN,), (CONFIG,), (SEEN,))
MADE = Branch(
    "br-candidate", CANDIDATE, hours_ago(20), MAIN.id, resolved_at=RESTORE.to, lsn="0/1",
    endpoint=Endpoint("ep-candidate", "ep-candidate.neon.tech"), mark=Annotation("production", RESTORED),
)  # fmt: skip


def with_main(**changes: object) -> Observed:
    return replace(WORLD, branches=(replace(MAIN, **changes),))


def with_project(observed: Observed = WORLD, **changes: object) -> Observed:
    return replace(observed, project=replace(observed.project, **changes))


def with_configs(observed: Observed = WORLD, **changes: object) -> Observed:
    """The world with something else about every Hyperdrive config."""
    return replace(observed, configs=tuple(replace(each, **changes) for each in observed.configs))


def changed(observed: Observed, name: str, /, **changes: object) -> Observed:
    """The world with something else about a branch, which there is."""
    assert named(observed.branches, name), names(observed)
    branches = tuple(replace(each, **changes) if each.name == name else each for each in observed.branches)
    return replace(observed, branches=branches)


def without(observed: Observed, name: str) -> Observed:
    assert named(observed.branches, name)
    return replace(observed, branches=tuple(each for each in observed.branches if each.name != name))


def names(observed: Observed) -> list[str]:
    return sorted(branch.name for branch in observed.branches)


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
