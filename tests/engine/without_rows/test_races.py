"""The world changes between the look that a step was decided on and its call: a refusal or no harm, never a loss."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.engine.events import StepDropped, StepUncertain
from reconciler.errors import ReconcilerError
from reconciler.sandbox import timestamps
from reconciler.sandbox.neon.state import Operation, Status
from tests.engine.without_rows.simulation import names, rules

# What is done by hand, right before a step.


def take_candidate_name(simulation):
    simulation.add_branch("main", f"main.candidate.{simulation.timeline}")


def shorten_history(simulation):
    simulation.world.project.history_retention_seconds = 0


def take_config_name(simulation):
    twin = replace(simulation.config("shop"), id="0" * 32, name=f"shop-{simulation.timeline}")
    simulation.world.account.configs[twin.id] = twin


def unbind(simulation):
    path = simulation.world.wrangler_file(simulation.script.name)
    path.write_text(path.read_text().replace("HYPERDRIVE", "OTHER"))


def edit_config(simulation):
    config = simulation.config(f"shop-{simulation.timeline}")
    config.origin = config.origin | {"port": simulation.config("shop").origin["port"]}


def rename_primary(simulation):
    simulation.branch("main").name = "main-by-hand"


RACES = [
    ("CreateBranch", take_candidate_name, "branch-name-taken"),
    ("CreateBranch", shorten_history, "ProviderError"),
    ("CreateHyperdrive", take_config_name, "hyperdrive-differs"),
    ("WriteBinding", unbind, "BindingAbsent"),
    ("SwitchTraffic", edit_config, "hyperdrive-differs"),
    ("RenameBranch", rename_primary, "primary-missing"),
    ("SetDefaultBranch", rename_primary, "provenance-unknown"),
]


@pytest.mark.parametrize(("step", "act", "end"), RACES, ids=[f"{step}: {end}" for step, _, end in RACES])
def test_a_change_right_before_a_step_ends_the_run(first, step, act, end):
    before, deployed = set(first.world.project.branches), len(first.script.deployments)
    try:
        found = rules(first.apply(**{step: lambda: act(first)}))
    except ReconcilerError as error:
        found = [type(error).__name__]
    assert found == [end]
    assert before <= set(first.world.project.branches)
    assert len(first.script.deployments) == deployed + (step in {"RenameBranch", "SetDefaultBranch"})


def test_a_primary_renamed_by_hand_is_not_held(first):
    first.apply(RenameBranch=lambda: rename_primary(first))
    assert first.names() == ["main-by-hand", first.candidate.name]


def test_what_takes_the_primarys_name_is_not_made_the_default(first):
    first.apply(SetDefaultBranch=lambda: rename_primary(first))
    assert not first.branch("main-by-hand").default


def test_code_deployed_right_before_the_switch_is_kept(first):
    def deploy():
        live, deployment = first.script.live, first.script.deployments[0]
        code = {"type": "plain_text", "name": "CODE", "text": "newer"}
        newer = replace(live, id="newer", number=len(first.script.versions) + 1, bindings=[*live.bindings, code])
        first.script.versions.append(newer)
        now = timestamps.now()
        first.script.deployments.insert(0, replace(deployment, id="by-hand", created_on=now, split=(("newer", 100),)))

    first.converge(SwitchTraffic=deploy)
    assert names(each.step for each in first.reported(StepDropped)) == ["SwitchTraffic"]
    assert "newer" in [each.get("text") for each in first.script.live.bindings]


def test_a_step_that_others_take_first_is_not_reported(first):
    def make_default():
        for branch in first.world.project.branches.values():
            branch.default = branch.name == "main"

    assert "SetDefaultBranch" not in first.converge(SetDefaultBranch=make_default)
    assert "POST set_as_default" not in first.writes()


# Operations that are not ours


def begin_operation(simulation, seconds):
    simulation.slow("OPERATION create_branch", seconds)
    path = f"/projects/{simulation.world.project_id}/branches"
    simulation.do(simulation.world.neon("POST", path, json={"branch": {"name": "preview"}}))


def test_the_plan_warns_of_an_operation_of_others(first):
    begin_operation(first, 60)
    found = first.plan()
    assert found.refusals == ()
    assert [each for each in found.warnings if "apply waits 2 min at most for its end" in each]


def test_the_end_of_an_operation_of_others_is_awaited(first):
    begin_operation(first, 60)
    outcome = first.apply()
    assert outcome.converged
    assert outcome.seconds > 50
    assert 423 not in [status for _, _, status in first.watch.requests]
    (reported,) = [each.why for each in first.reported(StepUncertain) if "not ours" in each.why]
    assert "(create_branch)" in reported


def test_an_operation_of_others_that_lasts_is_a_refusal(first):
    begin_operation(first, 600)
    outcome = first.apply()
    assert rules(outcome) == ["operation-running"]
    assert 'on branch "preview"' in outcome.final.refusals[0].message
    assert 120 <= outcome.seconds < 200
    assert first.writes() == ["POST branches"], "that is the other one"


def test_the_wait_for_an_operation_of_others_can_be_lifted(first):
    first.change(lift=[{"guard": "operation-running", "reason": "Neon locks by itself"}])
    begin_operation(first, 30)
    outcome = first.apply()
    assert outcome.converged
    assert [each for each in outcome.planned.warnings if '"Neon locks by itself"' in each]


def test_an_operation_of_a_run_that_died_is_ours(simulate):
    simulation = simulate(primary={"method": "in-place"})
    simulation.change_branch("main", protected=True)
    simulation.kill_after("POST", "/restore$")
    simulation.do(simulation.world.settle())
    now = timestamps.now()
    last = Operation(
        id="5f0c7a52-0000-4000-8000-000000000001",
        project_id=simulation.world.project_id,
        branch_id=simulation.branch("main").id,
        endpoint_id=None,
        action="start_compute",
        status=Status.RUNNING,
        created_at=now - timedelta(minutes=10),
        updated_at=now,
    )
    simulation.world.project.operations[last.id] = last
    simulation.converge(ProtectBranch=lambda: setattr(last, "status", Status.FINISHED))
    assert simulation.writes().count("POST restore") == 1
