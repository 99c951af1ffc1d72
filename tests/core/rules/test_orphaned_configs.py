"""Hyperdrive configs of ours whose branch is gone: listed, kept for as long as a hold, and then deleted if unused."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.model.observed import Endpoint, Observed, Unknown, UploadedVersion, Use, named
from reconciler.core.plan.plan import plan
from reconciler.core.rules.context.limits import BranchLimitReached, ConfigLimitReached
from reconciler.core.rules.retention.orphans import Orphan, orphans
from reconciler.core.steps.hyperdrive import DeleteHyperdrive
from reconciler.render.status import as_text, facts_of
from tests.core.in_place_worlds import BY_BRANCH, RESTORED, changed, lineage_of, names, without
from tests.core.rules.test_retention import ENDED, LATER, LEAF, LEAF_CONFIG, RECENT, UNDONE, later, refused_for_room
from tests.core.worlds import DESIRED, after, asking

DAY = timedelta(days=1)


def with_config(observed: Observed, **changes: object) -> Observed:
    return replace(
        observed,
        configs=tuple(replace(each, **changes) if each.name == LEAF_CONFIG else each for each in observed.configs),
    )


def orphaned(observed: Observed) -> Observed:
    """Somebody has deleted the held branch by hand; its config was made when the restore was."""
    return with_config(without(observed, LEAF), modified_at=UNDONE.at)


GONE = orphaned(ENDED)
IDENTITY = named(GONE.configs, LEAF_CONFIG).id


def orphan(observed: Observed, desired=DESIRED) -> Orphan:
    (found,) = orphans(desired, observed, lineage_of(observed, desired))
    return found


def test_a_config_whose_branch_is_gone_is_deleted_once_it_is_as_old_as_a_hold_and_nothing_uses_it():
    (step,) = plan(DESIRED, GONE).steps
    assert step == DeleteHyperdrive(name=LEAF_CONFIG, branch="", reason="")
    assert step.describe() == f'delete Hyperdrive config "{LEAF_CONFIG}", which points to no branch'
    assert [each.name for each in after(DESIRED, GONE).configs] == ["tech961"]
    assert orphan(GONE).fate(GONE.at) == "an apply deletes it"


def test_until_then_it_is_kept_and_the_end_is_told():
    young = later(orphaned(UNDONE), 6 * DAY)
    assert plan(DESIRED, young).in_sync
    assert orphan(young).fate(young.at) == f"kept until {UNDONE.at.after(7 * DAY)} (1 d left)"


def in_another_database(observed: Observed) -> Observed:
    return with_config(observed, database="reports")


KEPT = {
    "another Worker": (
        replace(GONE, uses=(Use("other", IDENTITY),)),
        f'Worker other is bound to Hyperdrive config "{LEAF_CONFIG}"',
    ),
    "an upload": (
        replace(GONE, workers=(replace(GONE.workers[0], uploaded=(UploadedVersion("v9", "label", IDENTITY),)),)),
        f'Worker tech961-api is bound to Hyperdrive config "{LEAF_CONFIG}"',
    ),
    "a wrangler.jsonc": (
        replace(GONE, workers=(replace(GONE.workers[0], file_hyperdrive_id=IDENTITY),)),
        f'wrangler.jsonc names Hyperdrive config "{LEAF_CONFIG}"',
    ),
    "another database": (
        with_config(GONE, database="reports"),
        "it is for database reports and role app, which the file does not name",
    ),
    "when is not told": (with_config(GONE, modified_at=None), "Cloudflare does not tell when it was last changed"),
    "a branch without a compute": (
        with_config(changed(ENDED, LEAF, endpoint=None), modified_at=UNDONE.at),
        f'"{LEAF}" still carries its timeline',
    ),
}


@pytest.mark.parametrize(("world", "reason"), KEPT.values(), ids=KEPT)
def test_what_is_used_or_not_known_to_be_an_orphan_stays_and_says_why(world, reason):
    first = next(iter(plan(DESIRED, world).steps), None)
    assert not isinstance(first, DeleteHyperdrive)
    assert orphan(world).stays == (reason,)
    assert orphan(world).fate(world.at) == f"kept: {reason}"


def test_a_hold_for_ever_keeps_it_and_one_that_has_not_ended_says_what_keeps_it_then():
    ever = replace(DESIRED, primary=replace(DESIRED.primary, hold=None))
    assert orphan(GONE, ever).fate(GONE.at) == "kept: primary.hold is for ever"
    young = in_another_database(later(orphaned(UNDONE), DAY))
    assert (
        orphan(young)
        .fate(young.at)
        .endswith("left), and then: it is for database reports and role app, which the file does not name")
    )


def test_the_config_of_the_timeline_that_the_file_asks_for_is_none_to_delete():
    assert "the file asks for its timeline" in orphan(GONE, BY_BRANCH).stays


def test_a_pooled_host_of_a_branch_and_configs_of_other_names_are_no_orphans():
    world = changed(ENDED, LEAF, endpoint=Endpoint("ep-r", "ep-r.neon.tech"))
    pooled = with_config(world, host="ep-r-pooler.neon.tech")
    others = replace(GONE, configs=tuple(replace(each, name=f"x{each.name}") for each in GONE.configs))
    for observed in (pooled, others):
        assert orphans(DESIRED, observed, lineage_of(observed)) == ()
    unread = (replace(GONE, configs=Unknown("no answer")), replace(GONE, branches=Unknown("no answer")))
    assert [orphans(DESIRED, each, lineage_of(GONE)) for each in unread] == [(), ()]
    assert orphans(replace(DESIRED, hyperdrive=None), GONE, lineage_of(GONE)) == ()


def test_who_uses_it_is_not_known_so_it_stays():
    assert plan(DESIRED, replace(GONE, uses=Unknown("no answer"))).in_sync


def test_a_restore_that_lacks_a_config_gets_its_room_first_and_one_that_lacks_a_branch_leaves_it():
    names_taken = tuple(replace(GONE.configs[0], id=f"x{n}", name=f"x{n}") for n in range(23))
    full = replace(GONE, configs=(*GONE.configs, *names_taken))
    steps = plan(asking(LATER), full).steps
    assert [each.wire_name for each in steps][:2] == ["CreateBranch", "VerifyBranch"]
    deleted = next(n for n, each in enumerate(steps) if isinstance(each, DeleteHyperdrive))
    assert steps[deleted + 1].wire_name == "CreateHyperdrive"
    roomless = replace(GONE, project=replace(GONE.project, branches_limit=1))
    assert (plan(asking(LATER), roomless).steps, names(roomless)) == ((), ["main"])


def test_a_refusal_for_room_says_when_it_goes():
    young = orphaned(RECENT)
    configs, branches = refused_for_room(young, ConfigLimitReached(25, 25, "x"), BranchLimitReached(2, 2, 1))
    assert f'; the time of "{LEAF_CONFIG}" ends at {UNDONE.at.after(7 * DAY)}' in configs
    assert LEAF_CONFIG not in branches


def test_status_names_it_with_where_it_led_and_what_becomes_of_it():
    facts = facts_of(plan(DESIRED, GONE), GONE) | {"lease": None}
    (told,) = facts["orphans"]
    assert (told["hyperdrive"], told["id"], told["kept_by"]) == (LEAF_CONFIG, IDENTITY, [])
    assert f'  orphan     Hyperdrive config "{LEAF_CONFIG}" leads to no branch any more ({told["host"]}): an apply' in (
        as_text(facts, "")
    )
    assert str(RESTORED) in told["hyperdrive"]
