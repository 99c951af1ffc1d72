"""Hyperdrive configs of ours whose branch is gone: listed, kept for as long as a hold, and then deleted if unused."""

from dataclasses import replace

import pytest

from reconciler.core.model.observed import Endpoint, Observed, Unknown, UploadedVersion, Use, named
from reconciler.core.plan.plan import plan
from reconciler.core.rules.context.limits import BranchLimitReached, ConfigLimitReached
from reconciler.core.rules.retention.orphans import Orphan, orphans
from reconciler.core.steps.hyperdrive import DeleteHyperdrive
from reconciler.render.status import as_text, facts_of
from tests.core.files import BY_BRANCH, DESIRED, asking, primary
from tests.core.plans import after, lineage_of, planned
from tests.core.rules.test_retention import (
    DAY,
    ENDED,
    LATER,
    LEAF,
    LEAF_CONFIG,
    RECENT,
    UNDONE,
    later,
    refused_for_room,
    with_worker,
)
from tests.core.worlds import changed, names, with_configs, with_project, without


def with_config(observed: Observed, **changes: object) -> Observed:
    configs = tuple(replace(each, **changes) if each.name == LEAF_CONFIG else each for each in observed.configs)
    return replace(observed, configs=configs)


def orphaned(observed: Observed) -> Observed:
    """The held branch was deleted by hand; its config was made when the restore was."""
    return with_config(without(observed, LEAF), modified_at=UNDONE.at)


GONE = orphaned(ENDED)
IDENTITY = named(GONE.configs, LEAF_CONFIG).id
YOUNG = later(orphaned(UNDONE), 6 * DAY)
FOREIGN = "it is for database reports and role app, which the file does not name"


def orphan(observed: Observed, desired=DESIRED) -> Orphan:
    (found,) = orphans(desired, observed, lineage_of(observed, desired))
    return found


def test_an_unused_one_is_deleted_after_a_hold():
    (step,) = plan(DESIRED, GONE).steps
    assert step == DeleteHyperdrive(name=LEAF_CONFIG, branch="", reason="")
    assert step.describe() == f'delete Hyperdrive config "{LEAF_CONFIG}", which points to no branch'
    assert [each.name for each in after(DESIRED, GONE).configs] == ["tech961"]


def test_a_young_one_is_kept():
    assert plan(DESIRED, YOUNG).in_sync


def worker(**changes: object) -> Observed:
    return replace(GONE, workers=with_worker(**changes).workers)


BOUND = f'Worker {{}} is bound to Hyperdrive config "{LEAF_CONFIG}"'
KEPT = {
    "another Worker": (replace(GONE, uses=(Use("other", IDENTITY),)), BOUND.format("other")),
    "an upload": (worker(uploaded=(UploadedVersion("v9", "label", IDENTITY),)), BOUND.format("tech961-api")),
    "a wrangler.jsonc": (
        worker(file_hyperdrive_id=IDENTITY), f'wrangler.jsonc names Hyperdrive config "{LEAF_CONFIG}"'
    ),
    "another database": (with_config(GONE, database="reports"), FOREIGN),
    "an unknown age": (with_config(GONE, modified_at=None), "Cloudflare does not report when it was last changed"),
    "a branch without a compute": (
        with_config(changed(ENDED, LEAF, endpoint=None), modified_at=UNDONE.at),
        f'"{LEAF}" still carries its timeline',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("world", "reason"), KEPT.values(), ids=KEPT)
def test_it_is_kept_by(world, reason):
    assert "DeleteHyperdrive" not in planned(DESIRED, world)[:1]
    assert orphan(world).stays == (reason,)
    assert orphan(world).fate(world.at) == f"kept: {reason}"


@pytest.mark.parametrize(
    ("desired", "observed", "fate"),
    [
        (DESIRED, GONE, "an apply deletes it"),
        (DESIRED, YOUNG, f"kept until {UNDONE.at.after(7 * DAY)} (1 d left)"),
        (primary(hold=None), GONE, "kept: primary.hold is for ever"),
        (DESIRED, with_config(YOUNG, database="reports"), f"left), and then: {FOREIGN}"),
    ],
    ids=["ended", "young", "held for ever", "young and kept"],
)
def test_its_fate_is(desired, observed, fate):
    assert orphan(observed, desired).fate(observed.at).endswith(fate)


def test_the_config_of_what_is_asked_stays():
    assert "the file asks for its timeline" in orphan(GONE, BY_BRANCH).stays


HOSTED = changed(ENDED, LEAF, endpoint=Endpoint("r", "ep-r.neon.tech"))
NONE = {
    "a pooled host of a branch": (DESIRED, with_config(HOSTED, host="ep-r-pooler.neon.tech")),
    "another name": (DESIRED, with_configs(GONE, name="other")),
    "configs unread": (DESIRED, replace(GONE, configs=Unknown("no answer"))),
    "branches unread": (DESIRED, replace(GONE, branches=Unknown("no answer"))),
    "no hyperdrive in the file": (replace(DESIRED, hyperdrive=None), GONE),
}  # fmt: skip


@pytest.mark.parametrize(("desired", "observed"), NONE.values(), ids=NONE)
def test_no_orphan_is(desired, observed):
    assert orphans(desired, observed, lineage_of(ENDED)) == ()


def test_unknown_users_keep_it():
    assert plan(DESIRED, replace(GONE, uses=Unknown("no answer"))).in_sync


def test_a_missing_config_slot_deletes_it():
    names_taken = tuple(replace(GONE.configs[0], id=f"x{n}", name=f"x{n}") for n in range(23))
    steps = planned(asking(LATER), replace(GONE, configs=(*GONE.configs, *names_taken)))
    assert steps[:2] == ["CreateBranch", "VerifyBranch"]
    assert steps[steps.index("DeleteHyperdrive") + 1] == "CreateHyperdrive"


def test_a_missing_branch_slot_leaves_it():
    roomless = with_project(GONE, branches_limit=1)
    assert (planned(asking(LATER), roomless), names(roomless)) == ([], ["main"])


def test_a_refusal_for_room_says_when_it_goes():
    configs, branches = refused_for_room(orphaned(RECENT), ConfigLimitReached(25, 25, "x"), BranchLimitReached(2, 2, 1))
    assert f'; the time of "{LEAF_CONFIG}" ends at {UNDONE.at.after(7 * DAY)}' in configs
    assert LEAF_CONFIG not in branches


def test_status_names_it_with_its_fate():
    facts = facts_of(plan(DESIRED, GONE), GONE) | {"lease": None}
    (told,) = facts["orphans"]
    assert (told["hyperdrive"], told["id"], told["kept_by"]) == (LEAF_CONFIG, IDENTITY, [])
    assert f'  orphan     Hyperdrive config "{LEAF_CONFIG}" points to no branch ({told["host"]}): an apply' in (
        as_text(facts, "")
    )
