"""What a drill makes, may damage and takes away again, where there are no rows: all but the damage itself."""

import json
from datetime import timedelta

import pytest

from reconciler.cli.drill import site as drill_site
from reconciler.cli.drill.repository import DrillRepository
from reconciler.cli.drill.round import DrillOptions, DrillRound
from reconciler.cli.drill.site import DrillRefused, DrillTarget
from reconciler.cli.drill.sweep import Sweeper
from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.core.drill.names import DrillNames
from reconciler.core.file import jsonc
from reconciler.core.model.destruction import DestructionSpec
from reconciler.errors import InputError, NotConverged, ProviderError, ReconcilerError
from reconciler.ports import Rebinding


@pytest.fixture
def live(simulate, monkeypatch):
    """A production on origin; what a drill makes is in no history of it, and no invariant is about it."""
    simulation = simulate(primary={"restore": None})
    monkeypatch.setattr(simulation.world.histories, "note", lambda: None)
    monkeypatch.setattr(simulation.watch, "_look", lambda: ())
    return simulation


def target_of(simulation, desired, ports, say, *, later=timedelta()):
    names = DrillNames.of(desired, ports.clock.now().after(later))
    return DrillTarget(desired, EnvironmentFile(simulation.world.file, simulation.world.root), names, ports, None, say)


async def nothing(_plot, _branch):
    """Do nothing with what was made."""


@pytest.fixture
def drill(live, tmp_path):
    """Make what a drill makes, run `use(target, branch)`, and sweep; return what the drill has said.

    When a test has ended, all must be as it was before its first drill.
    """
    before = []

    def run(use=nothing, *, sweep=True):
        said, directory = [], tmp_path / str(len(before))
        directory.mkdir()
        before.append(there(live))

        async def do(desired, ports):
            target = target_of(live, desired, ports, said.append)
            repository = DrillRepository(directory, target.names.environment)
            try:
                await use(target, await drill_site.make(target, repository))
            finally:
                repository.close()
                if sweep:
                    await Sweeper(desired, ports, said.append).sweep(target.names)

        live.connected(do)
        return said

    yield run
    assert there(live) == before[0]


def there(simulation):
    """The branches, the configs, and which versions of each Worker serve."""
    workers = simulation.world.account.scripts
    return simulation.names(), simulation.configs(), {name: serving(simulation, name) for name in workers}


def serving(simulation, script):
    return simulation.world.account.scripts[script].deployments[0].split


def sweep(simulation):
    """Take away what any drill has left."""

    async def run(desired, ports):
        return await Sweeper(desired, ports, lambda _: None).everything()

    return simulation.connected(run)


def copy_worker(simulation, name):
    """Deploy a copy of the Worker under another name, which is no drill's."""

    async def copy(desired, ports):
        (worker,), script = desired.workers, simulation.script.name
        (serving,) = await ports.cloudflare.deployed(script, worker.binding)
        change = Rebinding(worker.binding, serving.hyperdrive_id, "ours", "ours")
        await ports.cloudflare.copy_worker(script, serving.id, name, change)

    simulation.connected(copy)


@pytest.fixture
def own_worker(live):
    """The team has a Worker for drills: a wrangler environment that is deployed."""
    path = live.world.wrangler_file(live.script.name)
    before, name = path.read_text(), f"{live.script.name}-rehearsal"
    environment = {"name": name, "hyperdrive": [{"binding": "HYPERDRIVE", "id": "0" * 32}]}
    path.write_text(json.dumps(jsonc.read(before).value | {"env": {"rehearsal": environment}}))
    live.change(drill={"worker": "rehearsal"})
    copy_worker(live, name)
    yield name
    path.write_text(before)


def test_what_a_drill_makes_is_its_own_and_goes(drill):
    found = []

    async def use(target, branch):
        await drill_site.refuse_unless_own(target, await drill_site.owner(target, branch))
        found.append((branch, await target.ports.cloudflare.uses()))

    said = drill(use)
    ((branch, uses),) = found
    assert branch.name.startswith("main.drill.")
    assert branch.mark.environment.startswith("production-drill-")
    assert (branch.default, branch.protected, branch.expires_at > branch.created_at) == (False, False, True)
    assert [each.script for each in uses if each.script.endswith("-drill")]
    assert len([each for each in said if each.startswith("deleted")]) == 3


def test_a_drill_does_without_an_expiry_that_neon_lacks(live, drill, monkeypatch):
    monkeypatch.setattr(live.world.sandbox.states[0].switches, "expires_at_available", False)
    found = []

    async def use(_, branch):
        found.append(branch.expires_at)

    drill(use)
    assert found == [None]


def test_lost_answers_make_nothing_twice(live, drill):
    for path in ("/branches$", "/hyperdrive/configs$"):
        live.fault("drop-after", "POST", path)
    found = []

    async def use(target, branch):
        found.extend(each for each in live.names() if ".drill." in each)
        assert found == [branch.name]

    drill(use)
    assert found


def test_a_foreign_config_forbids_damage_and_deletion(live, drill):
    refused = []

    async def use(target, branch):
        origin = await target.ports.neon.origin(target.project, branch.id, *target.login)
        await target.ports.cloudflare.create_config("theirs", origin)
        with pytest.raises(DrillRefused) as error:
            await drill_site.refuse_unless_own(target, await drill_site.owner(target, branch))
        refused.extend(error.value.refusals)

    said = drill(use)
    assert [each.rule for each in refused] == ["damage-forbidden"]
    assert '"theirs"' in refused[0].message
    assert [each for each in said if "stays" in each and '"theirs"' in each]
    assert len(live.names()) == 2
    del live.world.account.configs[live.config("theirs").id]
    swept = sweep(live)
    assert (len(swept.gone), swept.left) == (1, ())


def test_production_itself_is_never_damaged(drill):
    async def use(target, _):
        primary = next(each for each in await target.ports.neon.branches(target.project) if each.name == "main")
        with pytest.raises(DrillRefused, match="the login"):
            await drill_site.refuse_unless_own(target, await drill_site.owner(target, primary))

    drill(use)


def test_a_worker_of_that_name_is_neither_replaced_nor_deleted(live, drill):
    copy_worker(live, f"{live.script.name}-drill")
    with pytest.raises(InputError, match=f"there is a Worker {live.script.name}-drill already"):
        drill()


def test_the_next_sweep_does_what_one_could_not(live, drill):
    drill(sweep=False)
    live.fault("status", "DELETE", "/branches/", 403)
    with pytest.raises(ProviderError):
        sweep(live)
    assert len(sweep(live).gone) == 1


def test_a_failed_sweep_hides_neither_cause_nor_remedy(live):
    said = []

    async def run(desired, ports):
        options, target = DrillOptions(20), target_of(live, desired, ports, said.append)
        await DrillRound(target, options, {}).run(DestructionSpec.parse("truncate"))

    live.fault("status", "POST", "/hyperdrive/configs$", 403)
    live.fault("status", "DELETE", "/branches/", 403)
    with pytest.raises(ProviderError, match="configs"):
        live.connected(run)
    assert "reconciler drill production --clean" in said[-1]


@pytest.mark.parametrize("is_borrowed", [False, True])
def test_a_second_drill_at_once_takes_nothing_of_the_first(live, drill, tmp_path, request, is_borrowed):
    if is_borrowed:
        request.getfixturevalue("own_worker")
    seen = []

    async def use(first, _):
        seen.append(there(live))
        target = target_of(live, first.production, first.ports, lambda _: None, later=timedelta(seconds=1))
        repository = DrillRepository(tmp_path, target.names.environment)
        with pytest.raises(InputError, match="is still borrowed" if is_borrowed else "there is a Worker"):
            await drill_site.make(target, repository)
        repository.close()
        await Sweeper(first.production, first.ports, lambda _: None).sweep(target.names)
        seen.append(there(live))

    drill(use)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("lacks", ["worker", "login"])
def test_what_the_file_lacks_is_said_before_anything_is_made(live, drill, lacks):
    if lacks == "worker":
        live.change(drill={"worker": "rehearsal"})
    else:
        live.leave_out("hyperdrive", "worker", "verify")
    with pytest.raises(ReconcilerError):
        drill(sweep=False)
    assert live.writes() == []


def test_a_borrowed_worker_is_given_back(drill, own_worker):
    borrowed = []

    async def use(target, _):
        borrowed.append(target.script(target.production.workers[0]))

    drill(use)
    assert borrowed == [own_worker]


def test_a_sweep_gives_back_what_a_killed_drill_borrowed(live, drill, own_worker):
    before = serving(live, own_worker)
    drill(sweep=False)
    assert serving(live, own_worker) != before
    with pytest.raises(InputError, match="is still borrowed by a killed drill"):
        drill(sweep=False)
    assert sweep(live).left == ()


def test_a_stale_list_ends_a_drill_that_is_swept(live, drill, own_worker):
    live.fault("stale", "GET", "-rehearsal/versions$", nth=2)
    with pytest.raises(NotConverged, match="was uploaded, and is not there"):
        drill()


REQUESTS = [
    ("POST", "/branches$"),
    ("POST", "/hyperdrive/configs$"),
    ("PUT", "/scripts/"),
    ("POST", "/subdomain$"),
    ("POST", "-rehearsal/versions"),
    ("POST", "-rehearsal/deployments"),
]


@pytest.mark.parametrize("kind", ["status", "status-after"])
@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_a_sweep_finds_what_a_drill_left_wherever_it_died(live, drill, own_worker, method, path, kind):
    """Right before each of its requests is done, and right after it."""
    if "rehearsal" not in path:
        live.leave_out("drill")
    # A branch that may not expire is asked for once more.
    live.fault(kind, method, path, 403, times=2 if path == "/branches$" else 1)
    with pytest.raises(ProviderError):
        drill(sweep=False)
    assert sweep(live).left == ()
