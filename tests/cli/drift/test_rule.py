"""What can be accepted: an edit of the file that leaves no step to take in the world."""

import json
from dataclasses import replace

from hypothesis import given

from reconciler.cli.ci.acceptance import Acceptable, Unacceptable, acceptance
from reconciler.core.model.desired import Restore
from reconciler.core.model.observed import HyperdriveConfig
from reconciler.core.plan.plan import plan
from reconciler.core.steps.worker import WriteBinding
from tests.core.files import DESIRED, asking, hours_ago, primaries
from tests.core.plans import after
from tests.core.worlds import MAIN, SEEN, WORLD


@given(primaries, primaries)
def test_what_is_accepted_takes_no_step_in_the_world(one, other):
    asked, applied_before = replace(DESIRED, primary=one), replace(DESIRED, primary=other)
    world = after(applied_before, WORLD)
    found = acceptance(asked, world)
    if isinstance(found, Acceptable):
        left = plan(found.desired, world)
        assert not left.refusals
        assert all(isinstance(step, WriteBinding) for step in left.steps)
        assert found.desired.timeline == plan(asked, world).live


def test_each_of_the_three_edits_changes_its_own_values_of_the_text():
    text = json.dumps({
        "primary": {"project": MAIN.id, "branch": "main", "restore": None},
        "hyperdrive": {"name": "tech961", "database": "tech961", "role": "app"},
        "worker": {"config": "wrangler.jsonc", "binding": "HYPERDRIVE"},
    })  # fmt: skip
    other = HyperdriveConfig("c1", "by-hand", MAIN.endpoint.host, 5432, "shop", "owner")
    seen = replace(SEEN, deployed=(replace(SEEN.deployed[0], hyperdrive_id="c1"),))
    renamed = replace(WORLD.branches[0], name="prod")
    world = replace(WORLD, branches=(renamed,), configs=(*WORLD.configs, other), workers=(seen,))
    found = acceptance(DESIRED, world)
    assert isinstance(found, Acceptable)
    edited = json.loads(found.edit(text))
    assert edited["primary"]["branch"] == "prod"
    assert edited["hyperdrive"] == {"name": "by-hand", "database": "shop", "role": "owner"}
    assert len(found.changes) == 2
    assert found.corrected == ("wrangler.jsonc",)


def test_a_renamed_primary_whose_held_timelines_carry_the_old_name_cannot_be_accepted():
    undone = after(DESIRED, after(asking(Restore(hours_ago(24))), WORLD))
    branches = tuple(replace(each, name="prod") if each.name == "main" else each for each in undone.branches)
    found = acceptance(DESIRED, replace(undone, branches=branches))
    assert isinstance(found, Unacceptable)
    assert "held timelines carry the old name" in found.reason


def test_what_is_in_sync_needs_no_accepting():
    assert isinstance(acceptance(DESIRED, WORLD), Unacceptable)


def test_where_a_step_in_the_world_would_be_left_nothing_is_accepted_in_part():
    restored = asking(Restore(hours_ago(24)))
    world = after(restored, WORLD)
    stray = replace(world.workers[0], deployed=(replace(SEEN.deployed[0], hyperdrive_id="c0"),))
    found = acceptance(DESIRED, replace(world, workers=(stray,)))
    assert isinstance(found, Unacceptable)
    assert "it would still take a step in the world (switch Worker" in found.reason
