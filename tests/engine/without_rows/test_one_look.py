"""What one look finds, and a step that names what the look has not found: it does nothing, and says what is missing."""

import asyncio
import gc
from dataclasses import replace

import pytest

from reconciler.core.model.observed import Unbound, Unknown
from reconciler.core.plan.plan import plan
from reconciler.engine.effects import carry_out
from reconciler.engine.observe import observe
from reconciler.errors import NotConverged
from tests.engine.without_rows.stage import Stage

GATED = "HTTP gate at 0 %"


@pytest.fixture
def stage(worlds):
    return Stage(worlds, GATED)


UNREADABLE = {
    "project": "/projects/[^/]+$",
    "branches": "/branches$",
    "operations": "/operations$",
    "configs": "/configs$",
    "workers": "/deployments$",
}


@pytest.mark.parametrize("part", UNREADABLE)
def test_what_a_provider_does_not_tell_is_unknown_with_its_reason_and_the_rest_is_known(stage, part):
    stage.fault("status", "GET", UNREADABLE[part], 403, times=10)
    _, observed = stage.observe()
    parts = {name: getattr(observed, name) for name in UNREADABLE} | {"workers": observed.workers[0]}
    assert [name for name, value in parts.items() if isinstance(value, Unknown)] == [part]
    assert "403" in parts[part].reason
    stage.world.calm()
    assert plan(*stage.observe()).refusals == ()


def test_versions_that_cannot_be_listed_make_the_worker_unknown_where_there_is_something_to_switch(stage):
    assert stage.apply().converged
    script = stage.world.scripts[0]
    oldest = stage.world.script(script).versions[0].id
    body = {"strategy": "percentage", "versions": [{"version_id": oldest, "percentage": 100}]}
    stage.do(stage.world.cloudflare("POST", f"/workers/scripts/{script}/deployments", json=body))
    stage.fault("status", "GET", "/versions$", 403, times=10)
    (worker,) = stage.observe()[1].workers
    assert isinstance(worker, Unknown)
    assert "403" in worker.reason


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [('"HYPERDRIVE"', '"OTHER"', Unbound), ('"hyperdrive":', '"hyperdrive" ', Unknown)],
    ids=["no such binding", "no JSONC"],
)
def test_a_wrangler_file_that_cannot_be_trusted_makes_its_worker_unknown(stage, old, new, kind):
    file = stage.world.wrangler_file(stage.world.scripts[0])
    file.write_text(file.read_text().replace(old, new))
    (worker,) = stage.observe()[1].workers
    assert type(worker) is kind
    assert "wrangler.jsonc" in worker.reason


@pytest.mark.parametrize("steps", range(4))
def test_a_look_that_is_cancelled_before_it_has_asked_anybody_leaves_nothing_behind(stage, steps):
    async def give_up(desired, ports):
        look = asyncio.create_task(observe(desired, ports))
        for _ in range(steps):
            await asyncio.sleep(0)
        look.cancel()
        with pytest.raises(asyncio.CancelledError):
            await look

    stage.connected(give_up)
    gc.collect()  # a coroutine that nobody has awaited warns when it is gone, and a warning fails this test


def nothing(observed, step):
    return replace(observed, branches=(), configs=(), workers=())


def no_version(observed, step):
    """The config is there, and no version of the Worker is bound to it."""
    config = replace(observed.configs[0], id="other", name=step.hyperdrive)
    return replace(observed, configs=(*observed.configs, config))


MISSING = [
    ("CreateBranch", nothing, 'there is no branch "main"'),
    ("CreateHyperdrive", nothing, 'there is no branch "main.candidate.'),
    ("WriteBinding", nothing, 'there is no Hyperdrive config "shop-r-'),
    ("UploadVersion", nothing, 'there is no Worker "shop-api"'),
    ("VerifyWorker", no_version, 'Worker "shop-api" has no staged version that is bound to shop-r-'),
]


@pytest.mark.parametrize(("kind", "look", "said"), MISSING, ids=[each[0] for each in MISSING])
def test_a_step_for_what_the_look_has_not_found_is_not_taken_and_says_what_is_missing(stage, kind, look, said):
    desired, observed = stage.observe()
    (step,) = [each for each in plan(desired, observed).steps if each.wire_name == kind]

    async def take(desired, ports):
        await carry_out(step, desired, look(observed, step), ports)

    with pytest.raises(NotConverged) as failure:
        stage.connected(take)
    assert failure.value.message.startswith(said)
    assert stage.writes() == []
