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
from tests.engine.without_rows.stage import Stage


@pytest.fixture
def stage(worlds, monkeypatch):
    stage = Stage(worlds, "first restore, rebind")
    stage.asked["primary"]["restore"] = None
    stage.write()
    monkeypatch.setattr(stage.world.histories, "note", lambda: None)
    monkeypatch.setattr(stage.watch, "_look", lambda: ())
    return stage


def drilled(stage, directory, use, *, sweep=True):
    """Make what a drill makes, run `use(target, branch)`, and sweep; returns what the drill has said."""
    said = []

    async def run(desired, ports):
        root = stage.world.root
        file = EnvironmentFile(stage.world.file, root)
        names = DrillNames.of(desired, ports.clock.now())
        target = DrillTarget(desired, file, names, ports, None, said.append)
        repository = DrillRepository(directory, names.environment)
        try:
            await use(target, await drill_site.make(target, repository))
        finally:
            repository.close()
            if sweep:
                await Sweeper(desired, ports, said.append).sweep(names)

    stage.connected(run)
    return said


def there(stage):
    state = stage.world.sandbox.states[1]
    return stage.names(), sorted(each.name for each in state.configs.values()), sorted(state.scripts)


def test_what_a_drill_makes_is_named_expires_by_itself_and_is_taken_away(stage, tmp_path):
    before, found = there(stage), []

    async def use(target, branch):
        await drill_site.refuse_unless_own(target, await drill_site.owner(target, branch))
        found.append((branch, await target.ports.cloudflare.uses()))

    said = drilled(stage, tmp_path, use)
    ((branch, uses),) = found
    assert branch.name.startswith("main.drill.")
    assert (branch.default, branch.protected, branch.expires_at > branch.created_at) == (False, False, True)
    assert branch.mark.environment.startswith("production-drill-")
    assert [each.script for each in uses if each.script.endswith("-drill")]
    assert len([each for each in said if each.startswith("deleted")]) == 3
    assert there(stage) == before


def test_where_neon_lets_no_branch_expire_a_drill_does_without(stage, tmp_path):
    stage.world.sandbox.states[0].switches.expires_at_available = False
    found = []

    async def use(_, branch):
        found.append(branch.expires_at)

    drilled(stage, tmp_path, use)
    assert found == [None]


@pytest.mark.parametrize("method", ["POST"])
def test_lost_answers_make_nothing_twice(stage, tmp_path, method):
    before, found = there(stage), []
    for path in ("/branches$", "/hyperdrive/configs$"):
        stage.fault("drop-after", method, path)

    async def use(target, branch):
        found.extend(
            each.name for each in await target.ports.neon.branches(target.project) if target.names.has_branch(each)
        )
        assert found == [branch.name]

    drilled(stage, tmp_path, use)
    assert (len(found), there(stage)) == (1, before)


def test_a_config_that_leads_to_the_drills_branch_forbids_the_damage_and_keeps_the_branch(stage, tmp_path):
    """Somebody takes the branch for something else: it is damaged by nobody, and deleted by nobody."""
    before, seen = there(stage), []

    async def use(target, branch):
        origin = await target.ports.neon.origin(target.project, branch.id, *target.login)
        await target.ports.cloudflare.create_config("somebodys", origin)
        with pytest.raises(DrillRefused) as refused:
            await drill_site.refuse_unless_own(target, await drill_site.owner(target, branch))
        seen.append(refused.value.refusals[0])

    said = drilled(stage, tmp_path, use)
    assert seen[0].rule == "damage-forbidden"
    assert 'Hyperdrive config "somebodys" leads to it' in seen[0].message
    assert [each for each in said if 'stays: Hyperdrive config "somebodys" leads to it' in each]
    names, configs, _ = there(stage)
    assert (len(names), "somebodys" in configs) == (len(before[0]) + 1, True)

    async def forget(desired, ports):
        (config,) = [each for each in await ports.cloudflare.configs() if each.name == "somebodys"]
        await ports.cloudflare.delete_config(config.id)
        return await Sweeper(desired, ports, said.append).everything()

    swept = stage.connected(forget)
    assert (len(swept.gone), swept.left, there(stage)) == (1, (), before)


def test_the_login_of_production_is_never_damaged(stage, tmp_path):
    async def use(target, _):
        primary = next(each for each in await target.ports.neon.branches(target.project) if each.name == "main")
        with pytest.raises(DrillRefused, match="the login leads to"):
            await drill_site.refuse_unless_own(target, await drill_site.owner(target, primary))

    drilled(stage, tmp_path, use)


def test_a_worker_that_is_not_a_drills_is_neither_replaced_nor_deleted(stage, tmp_path):
    script = there(stage)[2][0]
    mine = f"{script}-drill"

    async def occupy(desired, ports):
        (worker,) = desired.workers
        (live,) = await ports.cloudflare.deployed(script, worker.binding)
        change = Rebinding(worker.binding, live.hyperdrive_id, "mine", "mine")
        await ports.cloudflare.copy_worker(script, live.id, mine, change)

    stage.connected(occupy)
    before = there(stage)
    with pytest.raises(InputError, match=f"there is a Worker {mine} already"):
        drilled(stage, tmp_path, None)
    assert there(stage) == before
    assert mine in before[2]


def test_what_a_sweep_could_not_do_the_next_one_does(stage, tmp_path):
    before = there(stage)

    async def use(target, branch):
        pass

    drilled(stage, tmp_path, use, sweep=False)
    assert there(stage) != before
    stage.fault("status", "DELETE", "/branches/", 403)

    async def sweep(desired, ports):
        return await Sweeper(desired, ports, lambda _: None).everything()

    with pytest.raises(ProviderError):
        stage.connected(sweep)
    assert (len(stage.connected(sweep).gone), there(stage)) == (1, before)


def second_of_two(stage, directories, is_borrowed):
    """Begin a drill while another one is under way; return the Worker's versions that serve, before it and after."""
    seen = []

    async def meanwhile(desired, ports):
        names = DrillNames.of(desired, ports.clock.now().after(timedelta(seconds=1)))
        target = DrillTarget(
            desired, EnvironmentFile(stage.world.file, stage.world.root), names, ports, None, lambda _: None
        )
        repository = DrillRepository(directories[1], names.environment)
        try:
            with pytest.raises(InputError, match="is still borrowed" if is_borrowed else "there is a Worker"):
                await drill_site.make(target, repository)
        finally:
            repository.close()
            await Sweeper(desired, ports, lambda _: None).sweep(names)

    async def use(target, _):
        script = target.script(target.production.workers[0])
        seen.append((there(stage), serving(stage, script)))
        await meanwhile(target.production, target.ports)
        seen.append((there(stage), serving(stage, script) if script in there(stage)[2] else None))

    drilled(stage, directories[0], use)
    return seen


def two(directory):
    places = (directory / "first", directory / "second")
    for each in places:
        each.mkdir()
    return places


def test_of_two_drills_at_once_the_second_gives_up_and_takes_nothing_of_the_first(stage, tmp_path):
    before = there(stage)
    first, then = second_of_two(stage, two(tmp_path), is_borrowed=False)
    assert (then, there(stage)) == (first, before)


def test_a_sweep_that_fails_hides_neither_why_the_drill_failed_nor_what_is_to_be_done(stage):
    said = []

    async def run(desired, ports):
        file = EnvironmentFile(stage.world.file, stage.world.root)
        target = DrillTarget(desired, file, DrillNames.of(desired, ports.clock.now()), ports, None, said.append)
        await DrillRound(target, DrillOptions(20), {}).run(DestructionSpec.parse("truncate"))

    stage.fault("status", "POST", "/hyperdrive/configs$", 403)
    stage.fault("status", "DELETE", "/branches/", 403)
    with pytest.raises(ProviderError, match="configs"):
        stage.connected(run)
    assert "reconciler drill production --clean takes away the rest" in said[-1]


@pytest.fixture
def own_worker(stage):
    """The team has a Worker for drills: a wrangler environment that is deployed."""
    (path,) = stage.world.root.glob("wrangler.jsonc")
    before = path.read_text()
    script = there(stage)[2][0]
    mine = f"{script}-rehearsal"
    environment = {"name": mine, "hyperdrive": [{"binding": "HYPERDRIVE", "id": "0" * 32}]}
    content = jsonc.read(before).value | {"env": {"rehearsal": environment}}
    path.write_text(json.dumps(content))
    stage.asked["drill"] = {"worker": "rehearsal"}
    stage.write()

    async def deploy(desired, ports):
        (worker,) = desired.workers
        (live,) = await ports.cloudflare.deployed(script, worker.binding)
        change = Rebinding(worker.binding, live.hyperdrive_id, "theirs", "theirs")
        await ports.cloudflare.copy_worker(script, live.id, mine, change)

    stage.connected(deploy)
    yield mine
    path.write_text(before)


def serving(stage, script):
    return stage.world.sandbox.states[1].scripts[script].deployments[0].split


@pytest.mark.parametrize("what", ["worker", "login"])
def test_what_the_files_get_wrong_is_said_before_anything_is_made(stage, tmp_path, what):
    if what == "worker":
        stage.asked["drill"] = {"worker": "rehearsal"}
    else:
        for key in ("hyperdrive", "worker"):
            del stage.asked[key]
        stage.asked["verify"] = {}
    stage.write()
    before, asked = there(stage), len(stage.writes())
    with pytest.raises(ReconcilerError):
        drilled(stage, tmp_path, None, sweep=False)
    assert (there(stage), len(stage.writes())) == (before, asked)


def test_a_borrowed_worker_is_not_given_back_by_a_second_drill(stage, own_worker, tmp_path):
    split = serving(stage, own_worker)
    first, then = second_of_two(stage, two(tmp_path), is_borrowed=True)
    assert (then, serving(stage, own_worker)) == (first, split)


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_worker_of_the_teams_own_is_borrowed_and_given_back(stage, own_worker, tmp_path, is_killed):
    before, split, seen = there(stage), serving(stage, own_worker), []

    async def use(target, _):
        seen.append(target.script(target.production.workers[0]))

    drilled(stage, tmp_path, use, sweep=not is_killed)
    assert (seen, serving(stage, own_worker) == split) == ([own_worker], not is_killed)
    if is_killed:
        (tmp_path / "again").mkdir()
        with pytest.raises(InputError, match="is still borrowed by a drill that was killed"):
            drilled(stage, tmp_path / "again", use, sweep=False)

        async def sweep(desired, ports):
            return await Sweeper(desired, ports, lambda _: None).everything()

        assert stage.connected(sweep).left == ()
    assert (there(stage), serving(stage, own_worker)) == (before, split)


def test_a_list_that_lags_behind_is_told_in_a_sentence_and_what_was_made_is_taken_away(stage, own_worker, tmp_path):
    before = there(stage)
    stage.fault("stale", "GET", "-rehearsal/versions$", nth=2)
    with pytest.raises(NotConverged, match="was uploaded, and is not there"):
        drilled(stage, tmp_path, None)
    assert there(stage) == before


@pytest.mark.parametrize("kind", ["status", "status-after"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/branches$"),
        ("POST", "/hyperdrive/configs$"),
        ("PUT", "/scripts/"),
        ("POST", "/subdomain$"),
        ("POST", "-rehearsal/versions"),
        ("POST", "-rehearsal/deployments"),
    ],
)
def test_wherever_a_drill_dies_before_the_damage_a_sweep_finds_what_it_left(
    stage, own_worker, tmp_path, method, path, kind
):
    """Right before each of its requests is done, and right after it."""
    if "rehearsal" not in path:
        del stage.asked["drill"]
        stage.write()
    before, split = there(stage), serving(stage, own_worker)
    # A branch that may not expire is asked for once more.
    stage.fault(kind, method, path, 403, times=2 if path == "/branches$" else 1)
    with pytest.raises(ProviderError):
        drilled(stage, tmp_path, None, sweep=False)

    async def sweep(desired, ports):
        return await Sweeper(desired, ports, lambda _: None).everything()

    assert stage.connected(sweep).left == ()
    assert (there(stage), serving(stage, own_worker)) == (before, split)
