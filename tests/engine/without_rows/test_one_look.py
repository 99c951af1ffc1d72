"""What one look finds, and a step that names what the look has not found: it does nothing, and says what is missing."""

import asyncio
import gc
from dataclasses import replace

import pytest

from reconciler.core.model.observed import Unbound, Unknown
from reconciler.engine.effects import carry_out
from reconciler.engine.observe import observe
from reconciler.errors import NotConverged
from tests.engine.without_rows.simulation import GATED, names

UNREADABLE = {
    "project": "/projects/[^/]+$",
    "branches": "/branches$",
    "operations": "/operations$",
    "configs": "/configs$",
    "workers": "/deployments$",
}


@pytest.fixture
def gated(simulate):
    return simulate(GATED)


@pytest.mark.parametrize("part", UNREADABLE)
def test_what_cannot_be_read_is_unknown_and_the_rest_known(gated, part):
    gated.fault("status", "GET", UNREADABLE[part], 403, times=10)
    _, observed = gated.observe()
    parts = {name: getattr(observed, name) for name in UNREADABLE} | {"workers": observed.workers[0]}
    assert [name for name, value in parts.items() if isinstance(value, Unknown)] == [part]
    assert "403" in parts[part].reason
    gated.world.calm()
    assert gated.plan().refusals == ()


def test_unlistable_versions_make_a_worker_to_switch_unknown(gated):
    gated.converge()
    gated.deploy_by_hand((gated.script.versions[0], 100))
    gated.fault("status", "GET", "/versions$", 403, times=10)
    (worker,) = gated.observe()[1].workers
    assert isinstance(worker, Unknown)
    assert "403" in worker.reason
    gated.watch.violations.clear()  # users were put back by hand


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [('"HYPERDRIVE"', '"OTHER"', Unbound), ('"hyperdrive":', '"hyperdrive" ', Unknown)],
    ids=["no such binding", "no JSONC"],
)
def test_a_bad_wrangler_file_makes_its_worker_unknown(gated, old, new, kind):
    file = gated.world.wrangler_file(gated.script.name)
    file.write_text(file.read_text().replace(old, new))
    (worker,) = gated.observe()[1].workers
    assert type(worker) is kind
    assert "wrangler.jsonc" in worker.reason


@pytest.mark.parametrize("turns", range(4))
def test_a_cancelled_look_leaves_nothing_behind(gated, turns):
    async def give_up(desired, ports):
        look = asyncio.create_task(observe(desired, ports))
        for _ in range(turns):
            await asyncio.sleep(0)
        look.cancel()
        with pytest.raises(asyncio.CancelledError):
            await look

    gated.connected(give_up)
    gc.collect()  # a coroutine that was never awaited warns when it is gone, and a warning fails this test


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


@pytest.mark.parametrize(("kind", "look", "said"), MISSING, ids=[kind for kind, *_ in MISSING])
def test_a_step_for_what_is_missing_says_so(gated, kind, look, said):
    _, observed = gated.observe()
    (step,) = [each for each in gated.plan().steps if names([each]) == [kind]]

    async def take(desired, ports):
        await carry_out(step, desired, look(observed, step), ports)

    with pytest.raises(NotConverged) as failure:
        gated.connected(take)
    assert failure.value.message.startswith(said)
    assert gated.writes() == []
