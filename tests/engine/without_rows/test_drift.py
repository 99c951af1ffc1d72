"""What somebody changes by hand, row by row of docs/drift.md: what plan and status say of it, and what an apply does.

Whatever it is, nothing is restored again.
"""

import json
import re
from datetime import timedelta

import pytest

from reconciler.core.plan.drift import Answer
from reconciler.core.plan.plan import plan
from reconciler.errors import ReconcilerError
from reconciler.render import plan as plan_text
from reconciler.sandbox import timestamps
from tests.engine.without_rows.stage import Stage
from tests.support.drift_table import as_in_the_table, rows

HAPPENS = {}


def by_hand(row, scenario="first restore, rebind"):
    """Name the row of the table that a function does, to a production on which the scenario's restore was applied."""

    def note(act):
        HAPPENS[row] = (scenario, act)
        return act

    return note


def patch(stage, branch, **changes):
    path = f"/projects/{stage.world.project_id}/branches/{stage.branch(branch).id}"
    stage.do(stage.world.neon("PATCH", path, json={"branch": changes}))
    stage.do(stage.world.settle())


def held(stage):
    (found,) = [name for name in stage.names() if ".held." in name]
    return found


def config(stage):
    """The Hyperdrive config that the Worker is bound to."""
    return stage.world.account.configs[stage.world.wrangler_id(stage.world.scripts[0])]


@by_hand("renames the primary, which was made by a restore")
def rename_primary(stage):
    patch(stage, "main", name="main-old")


@by_hand("renames the primary, which was restored in place", "first restore, in place")
def rename_primary_in_place(stage):
    patch(stage, "main", name="main-old")


@by_hand("renames a held branch that has no annotations")
def rename_held(stage):
    patch(stage, held(stage), name="old")


@by_hand("renames what a restore in place preserved", "first restore, in place")
def rename_preserved(stage):
    patch(stage, held(stage), name="old")


@by_hand("deletes what a restore in place preserved", "first restore, in place")
def delete_preserved(stage):
    path = f"/projects/{stage.world.project_id}/branches/{stage.branch(held(stage)).id}"
    stage.do(stage.world.neon("DELETE", path))
    stage.do(stage.world.settle())


@by_hand("makes another branch the default")
def move_default(stage):
    path = f"/projects/{stage.world.project_id}/branches/{stage.branch(held(stage)).id}/set_as_default"
    stage.do(stage.world.neon("POST", path))
    stage.do(stage.world.settle())


@by_hand("takes protection from the primary, while what it replaced is protected")
def unprotect_primary(stage):
    stage.branch(held(stage)).protected = True


@by_hand("sets an expiry on the primary")
def let_primary_expire(stage):
    stage.branch("main").expires_at = timestamps.now() + timedelta(days=30)


@by_hand("sets an expiry on a held branch, sooner than `hold`")
def let_held_expire(stage):
    stage.branch(held(stage)).expires_at = timestamps.now() + timedelta(days=1)


@by_hand("deletes the primary's compute, which Neon refuses while it is the default")
def delete_compute(stage):
    identity = stage.branch("main").id
    (endpoint,) = [each for each in stage.world.project.endpoints.values() if each.branch_id == identity]
    del stage.world.project.endpoints[endpoint.id]


@by_hand("resets or restores the primary in the Console")
def reset_primary(stage):
    stage.branch("main").last_reset_at = timestamps.now() + timedelta(hours=1)


@by_hand("resets or restores in the Console a primary that no restore has touched", "origin")
def reset_origin(stage):
    stage.branch("main").last_reset_at = timestamps.now()


@by_hand("deletes the Hyperdrive config")
def delete_config(stage):
    del stage.world.account.configs[config(stage).id]


@by_hand("edits the Hyperdrive config's database")
def edit_database(stage):
    config(stage).origin["database"] = "other"


@by_hand("edits the Hyperdrive config's user")
def edit_user(stage):
    config(stage).origin["user"] = "other"


@by_hand("edits the Hyperdrive config's host")
def edit_host(stage):
    config(stage).origin["host"] = "elsewhere.example"


@by_hand("edits the host of the config that a restore in place left in use", "first restore, in place")
def edit_host_left_in_use(stage):
    edit_host(stage)


@by_hand("deploys another binding")
def deploy_another(stage):
    script = stage.world.scripts[0]
    body = {"strategy": "percentage", "versions": [{"version_id": stage.world.script(script).versions[0].id}]}
    body["versions"][0]["percentage"] = 100
    stage.do(stage.world.cloudflare("POST", f"/workers/scripts/{script}/deployments", json=body))


@by_hand("splits the traffic with a version of another binding")
def split_traffic(stage):
    script = stage.world.scripts[0]
    ids = [stage.world.script(script).versions[0].id, stage.world.script(script).versions[-1].id]
    body = {"strategy": "percentage", "versions": [{"version_id": each, "percentage": 50} for each in ids]}
    stage.do(stage.world.cloudflare("POST", f"/workers/scripts/{script}/deployments", json=body))


@by_hand("edits the id in wrangler.jsonc")
def edit_file(stage):
    file = stage.world.wrangler_file(stage.world.scripts[0])
    file.write_text(re.sub(r'"id": "[^"]*"', f'"id": "{"0" * 32}"', file.read_text()))


def applied(worlds, scenario):
    """A production on which a restore was applied; or none, so that it is on origin."""
    if scenario == "origin":
        stage = Stage(worlds, "first restore, rebind")
        stage.asked["primary"]["restore"] = None
        stage.write()
    else:
        stage = Stage(worlds, scenario)
        assert stage.apply().converged
    stage.world.loop.leapt += 600
    found = plan(*stage.observe())
    assert found.in_sync
    assert found.drift == ()
    return stage


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.what)
def test_what_is_changed_by_hand_is_named_and_answered_as_the_table_says_and_nothing_is_restored_again(worlds, row):
    scenario, act = HAPPENS[row.what]
    stage = applied(worlds, scenario)
    act(stage)
    stage.events.clear()
    desired, observed = stage.observe()
    found = plan(desired, observed)
    assert row.said in [as_in_the_table(each.what) for each in found.drift]
    assert f"  ~ {found.drift[0]}" in plan_text.as_text(found, observed).splitlines()
    before = len(stage.watch.requests)
    check_answer(stage, row, found)
    later = [f"{method} {path.rsplit('/', 1)[1]}" for method, path, _ in stage.watch.requests[before:]]
    assert {"POST branches", "POST restore"}.isdisjoint(later), "it was restored again"


def check_answer(stage, row, found):
    """What the table says is what the plan says, and what an apply does."""
    if row.answer == "repaired":
        assert {each.answer for each in found.drift} == {Answer.REPAIRED}
        assert stage.apply().converged
        assert plan(*stage.observe()).drift == ()
    elif row.answer == "left alone":
        assert {each.answer for each in found.drift} == {Answer.LEFT}
        assert stage.apply().taken == ()
    else:
        rule = row.answer.removeprefix("refused: ").strip("`")
        assert [each.rule for each in found.refusals] == [rule]
        assert {each.answer for each in found.drift} == {Answer.REFUSED}
        assert stage.apply().taken == ()


def test_every_row_of_the_table_happens_here_and_nothing_else_does():
    assert sorted(row.what for row in rows()) == sorted(HAPPENS)


def test_a_candidate_that_is_deleted_before_it_ever_served_is_made_again(worlds):
    stage = Stage(worlds, "first restore, rebind")
    stage.fault("status", "GET", "/schema$", 400)
    with pytest.raises(ReconcilerError):
        stage.apply()
    (name,) = [name for name in stage.names() if ".candidate." in name]
    stage.do(stage.world.neon("DELETE", f"/projects/{stage.world.project_id}/branches/{stage.branch(name).id}"))
    stage.do(stage.world.settle())
    stage.world.calm()
    found = plan(*stage.observe())
    assert (found.steps[0].wire_name, found.drift) == ("CreateBranch", ())
    assert stage.apply().converged


def test_a_candidate_that_is_renamed_is_refused_with_the_name_that_it_had(worlds):
    stage = Stage(worlds, "first restore, rebind")
    stage.fault("status", "GET", "/schema$", 400)
    with pytest.raises(ReconcilerError):
        stage.apply()
    (name,) = [name for name in stage.names() if ".candidate." in name]
    patch(stage, name, name="mine")
    found = plan(*stage.observe())
    assert [each.rule for each in found.refusals] == ["provenance-unknown"]
    assert [each.what for each in found.drift if f'would be "{name}"' in each.what]


def test_the_json_of_a_plan_has_what_was_changed_and_what_is_done_about_it(worlds):
    stage = applied(worlds, "first restore, rebind")
    move_default(stage)
    facts = json.loads(plan_text.as_json(plan(*stage.observe())))
    (each,) = facts["drift"]
    assert (each["answer"], each["what"]) == ("repaired", f'the default branch is "{held(stage)}", not "main"')
