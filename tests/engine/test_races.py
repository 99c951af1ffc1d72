"""The world changes between the look that a step was decided on and the call: a refusal or no harm, never a loss.

The change is made the moment that the step begins, by somebody who does not know of us.
"""

import asyncio

import pytest

from reconciler.cli.repository.environments import EnvironmentFile
from reconciler.cli.wiring import connected
from reconciler.core.plan.plan import plan
from reconciler.core.rules.context import concurrency
from reconciler.engine.events import StepDropped, StepStarted, StepUncertain
from reconciler.engine.loop import Apply
from reconciler.errors import ReconcilerError
from tests.support.database import DAMAGED, GOOD
from tests.support.production import Upload
from tests.support.shops import DATABASE, PRIMARY, ROLE


def apply_with(production, step, meddle):
    """Apply, and let `meddle` happen right before the first step of that name. Returns what ended it, by name."""
    left = [meddle]

    def report(event):
        production.events.append(event)
        if isinstance(event, StepStarted) and event.step.wire_name == step and left:
            left.pop()(production)

    async def run():
        desired = EnvironmentFile(production.file, production.root).read()
        async with connected(desired, production.root, production.environment) as ports:
            return await Apply(desired, ports, report).run()

    try:
        outcome = asyncio.run(run())
    except ReconcilerError as error:
        return type(error).__name__
    finally:
        assert left == [], f"no step {step} was begun"
    if outcome.converged:
        return "converged"
    return " ".join(each.rule for each in outcome.final.refusals)


def rename(old, new):
    def meddle(production):
        production.change_branch(production.branch(old), name=new)

    return meddle


def take_candidate_name(production):
    name = f"main.candidate.{production.timeline()}"
    production.sandbox.neon("POST", f"/projects/{production.project}/branches", json={"branch": {"name": name}})


def take_config_name(production):
    body = {"name": production.config_name(), "origin": _origin(production)}
    production.sandbox.cloudflare("POST", "/hyperdrive/configs", json=body)


def edit_config(production):
    config = production.config(production.config_name())
    body = {"name": config["name"], "origin": _origin(production)}
    production.sandbox.cloudflare("PUT", f"/hyperdrive/configs/{config['id']}", json=body)


def _origin(production):
    """How somebody would point a config to the branch that was live until now."""
    host, _, rest = production.uri(production.branch(PRIMARY)).partition("@")[2].partition("/")
    password = production.uri(production.branch(PRIMARY)).split("@")[0].rsplit(":", 1)[1]
    assert rest.startswith(DATABASE)
    name, _, port = host.partition(":")
    return {
        "scheme": "postgres", "host": name, "port": int(port or 5432), "database": DATABASE,
        "user": ROLE, "password": password,
    }  # fmt: skip


def unbind(production):
    path = production.wrangler_path(production.scripts[0])
    path.write_text(path.read_text().replace("HYPERDRIVE", "OTHER"))


def shorten_history(production):
    body = {"project": {"history_retention_seconds": 0}}
    production.sandbox.neon("PATCH", f"/projects/{production.project}", json=body)


RACES = [
    ("CreateBranch", take_candidate_name, "branch-name-taken"),
    ("CreateBranch", shorten_history, "ProviderError"),
    ("CreateHyperdrive", take_config_name, "hyperdrive-differs"),
    ("WriteBinding", unbind, "BindingAbsent"),
    ("SwitchTraffic", edit_config, "hyperdrive-differs"),
]


@pytest.mark.parametrize(("step", "meddle", "end"), RACES, ids=[f"{each[0]}: {each[2]}" for each in RACES])
def test_what_changes_right_before_a_step_ends_the_run_and_users_stay_where_they_were(production, step, meddle, end):
    production.ask(production.shop.good)
    before = {name: each["id"] for name, each in production.branches().items()}
    deployed = production.deployments(production.scripts[0])
    assert end == apply_with(production, step, meddle)
    assert before.items() <= {name: each["id"] for name, each in production.branches().items()}.items()
    assert deployed == production.deployments(production.scripts[0])
    assert production.rows() == DAMAGED


@pytest.mark.thorough
def test_code_that_is_deployed_right_before_the_switch_is_not_overwritten_but_gets_the_new_database(production):
    newer = Upload(bindings=({"type": "plain_text", "name": "CODE", "text": "newer"},))
    (script,) = production.scripts

    def deploy(production):
        production.put_script(script, production.config(production.name)["id"], newer)

    production.ask(production.shop.good)
    assert apply_with(production, "SwitchTraffic", deploy) == "converged"
    assert ["SwitchTraffic"] == [each.step.wire_name for each in production.events if isinstance(each, StepDropped)]
    production.check_live(GOOD)
    bindings = production.serving(script)["resources"]["bindings"]
    assert "newer" in [each.get("text") for each in bindings]


@pytest.mark.thorough
def test_a_primary_that_is_renamed_by_hand_right_before_it_would_be_held_is_left_alone(production):
    production.ask(production.shop.good)
    assert apply_with(production, "RenameBranch", rename(PRIMARY, "main-old")) == "primary-missing"
    assert {"main-old", f"main.candidate.{production.timeline()}"} == set(production.branches())
    assert production.rows_on("main-old") == DAMAGED


@pytest.mark.thorough
def test_a_branch_that_takes_the_primarys_name_between_the_two_renames_is_not_taken_for_the_primary(production):
    production.ask(production.shop.good)
    assert apply_with(production, "SetDefaultBranch", rename(PRIMARY, "main-elsewhere")) == "provenance-unknown"
    assert not production.branch("main-elsewhere")["default"]
    assert production.rows() == GOOD


# Operations that are not ours


def begin_operation(production, seconds):
    production.sandbox.latency({"OPERATION create_branch": int(seconds * 1000)})
    body = {"branch": {"name": "preview"}}
    production.sandbox.neon("POST", f"/projects/{production.project}/branches", json=body)
    production.sandbox.calm()


@pytest.mark.thorough
def test_an_operation_that_is_not_ours_is_warned_of_by_the_plan_and_its_end_is_waited_for(production):
    production.ask(production.shop.good)
    begin_operation(production, 1.5)
    found = plan(*production.observe())
    assert found.refusals == ()
    assert [each for each in found.warnings if "its end is waited for, 2 min at most" in each]
    production.sandbox.forget_requests()
    assert production.apply().converged
    assert next(each.why for each in production.events if isinstance(each, StepUncertain)).startswith("it waits while")
    assert 423 not in [each.status for each in production.sandbox.requests()]
    production.check_live(GOOD)


@pytest.mark.thorough
def test_an_operation_that_is_not_ours_and_does_not_end_is_a_refusal_and_nothing_is_written(production, monkeypatch):
    monkeypatch.setattr(concurrency, "PATIENCE", concurrency.timedelta(seconds=0.6))
    production.ask(production.shop.good)
    begin_operation(production, 3)
    production.sandbox.forget_requests()
    outcome = production.apply()
    assert [each.rule for each in outcome.final.refusals] == ["operation-running"]
    assert 'on branch "preview"' in outcome.final.refusals[0].message
    assert production.sandbox.writes() == []

    production.desired["lift"] = [{"guard": "operation-running", "reason": "Neon locks by itself"}]
    production.write()
    outcome = production.apply()
    assert outcome.converged
    assert 'guard operation-running is lifted, "Neon locks by itself"' in outcome.planned.warnings[0]
