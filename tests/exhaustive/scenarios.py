"""The scenarios: what production is like, and what is asked then."""

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from reconciler.errors import ReconcilerError
from tests.exhaustive.world import NAME, World


@dataclass(frozen=True)
class Scenario:
    """`begin` brings a new production to where it begins; the last thing that it does is to ask.

    `configs` are the Hyperdrive configs that there are when it has ended, as the indices of moments (None: origin).
    `fails`: what users get is no right answer once they are on the new timeline, so that the last check fails and what
    was live is put back, which is how it is to end. `may_keep` are configs that a run leaves where it can't tell who
    uses them. `varies`: it is another scenario, but for what the rules decide; what no rule gets to know of is left to
    that one.
    """

    name: str
    begin: Callable[[World], Awaitable[None]]
    configs: tuple[int | None, ...]
    options: dict[str, object] = field(default_factory=dict)
    fails: bool = False
    may_keep: tuple[int, ...] = ()
    varies: bool = False


async def _first(world):
    world.ask(world.moments[0])


async def _restored(world):
    world.ask(world.moments[0])
    assert (await world.apply()).converged
    world.loop.leapt += 60  # nobody restores twice in a second, which is what Neon's times are told in


async def _revert(world):
    await _restored(world)
    world.ask(None)


async def _hold_ended(world):
    """What an undo replaced is nothing's parent, and has been held for longer than a week."""
    await _revert(world)
    assert (await world.apply()).converged
    world.loop.leapt += 8 * 86_400


async def _protected_hold_ended(world):
    """The same of a primary that was protected, and so is what is held; the file says that this is no wish to keep."""
    await _hold_ended(world)
    world.desired["primary"]["unprotect_held"] = True
    world.write()


async def _expires(world):
    """What an undo replaced is nothing's parent, and is to get an expiry at Neon."""
    await _revert(world)
    assert (await world.apply()).converged
    world.desired["primary"]["expire_on_neon"] = True
    world.write()
    world.loop.leapt += 2 * 3_600


async def _second(world):
    await _restored(world)
    world.ask(world.moments[1], id="again", **{"from": "origin"})


async def _drift(world):
    """Somebody has deployed the old version by hand, edited wrangler.jsonc and moved the default flag."""
    await _restored(world)
    for script in world.scripts:
        oldest = world.script(script).versions[0].id
        body = {"strategy": "percentage", "versions": [{"version_id": oldest, "percentage": 100}]}
        await world.cloudflare("POST", f"/workers/scripts/{script}/deployments", json=body)
        file = world.wrangler_file(script)
        file.write_text(file.read_text().replace(world.wrangler_id(script), "0" * 32))
    held = next(each for each in world.project.branches.values() if each.name != "main")
    await world.neon("POST", f"/projects/{world.project_id}/branches/{held.id}/set_as_default")


async def _second_in_place(world):
    """The moment belongs to what was preserved, which is found without `from`."""
    await _restored(world)
    world.ask(world.moments[1], id="again")


async def _protected_late(world):
    """A run has prepared the restore and died, and somebody has protected the primary since."""
    world.ask(world.moments[0])

    def die(apply):
        if apply.taken:
            raise ReconcilerError("it was killed")

    with contextlib.suppress(ReconcilerError):
        await world.apply(die)
    await world.settle()
    path = f"/projects/{world.project_id}/branches/{world.primary().id}"
    await world.neon("PATCH", path, json={"branch": {"protected": True}})


async def _with_settings(world):
    """The primary's compute is larger than Neon's default, and the file begins to say what the project is like."""
    (endpoint,) = world.project.endpoints_of(world.primary().id)
    sizes = {"autoscaling_limit_min_cu": 0.5, "autoscaling_limit_max_cu": 2}
    await world.neon("PATCH", f"/projects/{world.project_id}/endpoints/{endpoint.id}", json={"endpoint": sizes})
    await world.settle()
    world.desired["primary"] |= {"history_retention": "2d", "protected": True, "compute": {"suspend": "never"}}
    await _first(world)


async def _children(world):
    """One branch is to be made, one that has a child to be reset, and one to be deleted."""
    world.desired["branches"] = [{"name": "staging"}, {"name": "old"}]
    world.write()
    assert (await world.apply()).converged
    staging = next(each for each in world.project.branches.values() if each.name == "staging")
    body = {"branch": {"name": "somebodys", "parent_id": staging.id}}
    await world.neon("POST", f"/projects/{world.project_id}/branches", json=body)
    await world.settle()
    world.loop.leapt += 60
    world.desired["branches"] = [{"name": "staging", "reset": {"id": "first"}}, {"name": "new", "database": "reports"}]
    world.write()


async def _everything_at_once(world):
    """A hold has ended, settings begin to be declared, one branch is to be reset and another one to be made."""
    world.desired["branches"] = [{"name": "staging"}]
    await _hold_ended(world)
    world.desired["primary"] |= {"history_retention": "2d", "protected": True, "compute": {"suspend": "never"}}
    world.desired["branches"] = [{"name": "staging", "reset": {"id": "first"}}, {"name": "new", "database": "reports"}]
    world.write()


_IN_PLACE = {"method": "in-place"}
_REPOINT = {"strategy": "repoint", "fence": True}
_PROTECTED = {"protected": True}
_FAILS_IN_PLACE = {**_IN_PLACE, "http": True}

SCENARIOS = {
    each.name: each
    for each in (
        Scenario("first restore, rebind", _first, (None, 0)),
        Scenario("first restore, wrangler", _first, (None, 0), {"wrangler": True}),
        Scenario("revert", _revert, (None, 0)),
        Scenario("second restore", _second, (None, 0, 1)),
        Scenario("two Workers", _first, (None, 0), {"workers": 2}, varies=True),
        Scenario("HTTP gate at 0 %", _first, (None, 0), {"http": True}, varies=True),
        Scenario("first restore, fenced", _first, (None, 0), {"fence": True}, varies=True),
        Scenario("revert, fenced", _revert, (None, 0), {"fence": True}, varies=True),
        Scenario("undo with HTTP gate", _revert, (None, 0), {"http": True}, varies=True),
        Scenario("last check fails", _first, (None, 0), {"http": True}, fails=True, varies=True),
        Scenario("first restore, settings", _with_settings, (None, 0), varies=True),
        Scenario("first restore, in place", _first, (None,), _IN_PLACE),
        Scenario("revert, in place", _revert, (None,), _IN_PLACE),
        Scenario("second restore, in place", _second_in_place, (None,), _IN_PLACE),
        Scenario("in place, protected", _first, (None,), {**_IN_PLACE, "protected": True}, varies=True),
        Scenario("protected in the middle", _protected_late, (None,), _IN_PLACE, varies=True),
        Scenario("last check fails, in place", _first, (None,), _FAILS_IN_PLACE, fails=True, varies=True),
        Scenario("repoint, first restore and undo", _revert, (None,), _REPOINT, varies=True),
        Scenario("nothing to do", _restored, (None, 0)),
        Scenario("drift repaired", _drift, (None, 0)),
        Scenario("hold ended", _hold_ended, (None,), may_keep=(0,), varies=True),
        Scenario("hold ended, protected", _protected_hold_ended, (None,), _PROTECTED, may_keep=(0,), varies=True),
        Scenario("held expires", _expires, (None, 0), varies=True),
        Scenario("children", _children, (None,), varies=True),
        Scenario("everything at once", _everything_at_once, (None,), {**_REPOINT, "http": True}, varies=True),
    )
}


def config_names(scenario, world, indices=None):
    """The names of the configs that there are at the end, or of those with these indices."""
    names = set()
    for index in scenario.configs if indices is None else indices:
        if index is None:
            names.add(NAME)
            continue
        moment = world.moments[index]
        timeline = moment.strftime("r-%Y%m%dT%H%M%S000Z") + ("-again" if index == 1 else "")
        names.add(f"{NAME}-{timeline}")
    return names
