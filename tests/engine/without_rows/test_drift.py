"""What is changed by hand, row by row of docs/drift.md: what plan and status say of it, and what an apply does.

Whatever it is, nothing is restored again.
"""

import json
import re
from datetime import timedelta

import pytest

from reconciler.core.plan.drift import Answer
from reconciler.errors import ReconcilerError
from reconciler.render import plan as plan_text
from reconciler.sandbox import timestamps
from tests.engine.without_rows.simulation import FIRST, names, rules
from tests.support.drift_table import as_in_the_table, rows

IN_PLACE = "first restore, in place"


def rename(simulation, branch, to):
    simulation.change_branch(branch, name=to)


def make_held_default(simulation):
    simulation.neon("POST", f"/branches/{simulation.branch(simulation.held).id}/set_as_default")


def expire(simulation, branch, days):
    simulation.branch(branch).expires_at = timestamps.now() + timedelta(days=days)


def reset_primary(simulation, hours):
    simulation.branch("main").last_reset_at = timestamps.now() + timedelta(hours=hours)


def serving_config(simulation):
    return simulation.world.account.configs[simulation.world.wrangler_id(simulation.script.name)]


def edit_config(simulation, **changes):
    serving_config(simulation).origin.update(changes)


def edit_file(simulation):
    file = simulation.world.wrangler_file(simulation.script.name)
    file.write_text(re.sub(r'"id": "[^"]*"', f'"id": "{"0" * 32}"', file.read_text()))


def edit_host(simulation):
    edit_config(simulation, host="elsewhere.example")


BY_HAND = {
    "renames the primary, which was made by a restore": lambda it: rename(it, "main", "main-old"),
    "renames the primary, which was restored in place": lambda it: rename(it, "main", "main-old"),
    "renames a held branch that has no annotations": lambda it: rename(it, it.held, "old"),
    "renames what a restore in place preserved": lambda it: rename(it, it.held, "old"),
    "deletes what a restore in place preserved": lambda it: it.delete_branch(it.held),
    "makes another branch the default": make_held_default,
    "takes protection from the primary, while what it replaced is protected": (
        lambda it: setattr(it.branch(it.held), "protected", True)
    ),
    "sets an expiry on the primary": lambda it: expire(it, "main", 30),
    "sets an expiry on a held branch, sooner than `hold`": lambda it: expire(it, it.held, 1),
    "deletes the primary's compute, which Neon refuses while it is the default": (
        lambda it: it.world.project.endpoints.pop(it.compute().id)
    ),
    "resets or restores the primary in the Console": lambda it: reset_primary(it, 1),
    "resets or restores in the Console a primary that no restore has touched": lambda it: reset_primary(it, 0),
    "deletes the Hyperdrive config": lambda it: it.world.account.configs.pop(serving_config(it).id),
    "edits the Hyperdrive config's database": lambda it: edit_config(it, database="other"),
    "edits the Hyperdrive config's user": lambda it: edit_config(it, user="other"),
    "edits the Hyperdrive config's host": edit_host,
    "edits the host of the config that a restore in place left in use": edit_host,
    "deploys another binding": lambda it: it.deploy_by_hand((it.script.versions[0], 100)),
    "splits the traffic with a version of another binding": (
        lambda it: it.deploy_by_hand((it.script.versions[0], 50), (it.script.versions[-1], 50))
    ),
    "edits the id in wrangler.jsonc": edit_file,
}


@pytest.fixture
def applied(simulate):
    """Apply a scenario's restore, ten minutes ago; or none, so that origin is live."""

    def apply(scenario=FIRST):
        simulation = simulate(FIRST, primary={"restore": None}) if scenario == "origin" else simulate(scenario)
        simulation.converge()
        simulation.leap(600)
        assert simulation.plan().in_sync
        assert simulation.plan().drift == ()
        return simulation

    return apply


def scenario_of(row):
    if "no restore has touched" in row.what:
        return "origin"
    return IN_PLACE if "in place" in row.what else FIRST


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.what)
def test_a_change_by_hand_is_answered_as_the_table_says(applied, row):
    simulation = applied(scenario_of(row))
    BY_HAND[row.what](simulation)
    simulation.watch.requests.clear()
    _, observed = simulation.observe()
    found = simulation.plan()
    assert row.said in [as_in_the_table(each.what) for each in found.drift]
    assert f"  ~ {found.drift[0]}" in plan_text.as_text(found, observed).splitlines()
    answer, _, rule = row.answer.partition(": ")
    outcome = simulation.apply()
    assert {each.answer for each in found.drift} == {
        {"repaired": Answer.REPAIRED, "left alone": Answer.LEFT, "refused": Answer.REFUSED}[answer]
    }
    assert rules(found) == ([rule.strip("`")] if rule else [])
    if answer == "repaired":
        assert outcome.converged
        assert simulation.plan().drift == ()
    else:
        assert outcome.taken == ()
    assert {"POST branches", "POST restore"}.isdisjoint(simulation.writes()), "it was restored again"
    simulation.watch.violations.clear()  # what was done by hand may violate them


def test_every_row_of_the_table_is_tested():
    assert sorted(row.what for row in rows()) == sorted(BY_HAND)


@pytest.fixture
def prepared(first):
    """A production with a candidate that never served."""
    first.fault("status", "GET", "/schema$", 400)
    with pytest.raises(ReconcilerError):
        first.apply()
    first.world.calm()
    return first


def test_a_deleted_candidate_is_made_again(prepared):
    prepared.delete_branch(prepared.candidate.name)
    found = prepared.plan()
    assert names(found.steps)[0] == "CreateBranch"
    assert found.drift == ()
    prepared.converge()
    prepared.watch.violations.clear()  # it was made twice


def test_a_renamed_candidate_is_refused_with_its_old_name(prepared):
    name = prepared.candidate.name
    rename(prepared, name, "mine")
    found = prepared.plan()
    assert rules(found) == ["provenance-unknown"]
    assert [each.what for each in found.drift if f'would be "{name}"' in each.what]


def test_the_json_of_a_plan_has_the_drift(applied):
    simulation = applied()
    make_held_default(simulation)
    (each,) = json.loads(plan_text.as_json(simulation.plan()))["drift"]
    assert (each["answer"], each["what"]) == ("repaired", f'the default branch is "{simulation.held}", not "main"')
