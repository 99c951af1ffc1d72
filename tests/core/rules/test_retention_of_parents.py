"""The holding pen beside declared branches: what these need stays, and where one is refused the rest goes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.model.desired import DeclaredBranch, Desired
from reconciler.core.model.observed import Claim, Unknown
from reconciler.core.plan.plan import plan
from tests.core.in_place_worlds import changed, kinds, rules
from tests.core.rules.test_retention import ENDED, LEAF, RECENT, of_leaf
from tests.core.worlds import DESIRED, WORLD, after


def declaring(*children: DeclaredBranch) -> Desired:
    return replace(DESIRED, branches=children)


COPY = DeclaredBranch("copy", parent=LEAF)


def test_what_a_declared_branch_is_to_be_made_from_stays_until_it_is_made_and_then_as_its_parent():
    full = replace(ENDED, project=replace(WORLD.project, branches_limit=2))
    assert rules(declaring(COPY), full) == ["child-limit"]
    assert plan(declaring(COPY), full).steps == ()
    assert of_leaf(full, declaring(COPY)).stays == ("the file makes copy from it",)
    assert kinds(plan(declaring(COPY), ENDED).steps) == ["CreateChild"]
    assert of_leaf(after(declaring(COPY), ENDED), declaring(COPY)).stays == ("copy was made from it",)


def test_what_the_schema_was_taken_from_goes_then_and_stays_where_it_is_to_be_reset_to():
    schema = replace(COPY, schema_only=True)
    assert kinds(plan(declaring(schema), ENDED).steps) == ["CreateChild", "DeleteHyperdrive", "DeleteBranch"]
    made = after(declaring(DeclaredBranch("copy")), replace(ENDED, uses=Unknown("not now")))
    assert of_leaf(made, declaring(COPY)).stays == ()
    assert of_leaf(made, declaring(replace(COPY, reset="sprint-12"))).stays == ("the file makes copy from it",)


def test_a_branch_that_is_not_made_any_more_needs_no_parent():
    lapsed = declaring(replace(COPY, expires=ENDED.at))
    assert of_leaf(ENDED, lapsed).stays == ()


def test_an_expiry_of_what_a_declared_branch_is_made_from_is_taken_away_first():
    expiring = changed(RECENT, LEAF, expires_at=RECENT.at.after(timedelta(days=14)))
    desired = declaring(COPY)
    desired = replace(desired, primary=replace(desired.primary, expire_on_neon=True))
    assert kinds(plan(desired, expiring).steps) == ["ClearExpiry", "CreateChild"]


def test_what_is_held_too_long_goes_also_where_a_declared_branch_is_refused():
    desired = declaring(DeclaredBranch("mine", parent="nowhere"))
    found = plan(desired, ENDED)
    assert (kinds(found.steps), rules(desired, ENDED)) == (["DeleteHyperdrive", "DeleteBranch"], ["child-parent"])
    done = after(desired, ENDED)
    assert (kinds(plan(desired, done).steps), rules(desired, done)) == ([], ["child-parent"])


@pytest.mark.parametrize(
    "world",
    [
        replace(ENDED, configs=tuple(replace(each, database="x") for each in ENDED.configs)),
        replace(ENDED, claims=(Claim("staging", DESIRED.primary.project, "main"),)),
        changed(ENDED, "main", last_reset_at=WORLD.at),
    ],
    ids=["the config that serves differs", "two files claim it", "what is live is not known"],
)
def test_where_anything_is_refused_of_the_primary_nothing_is_deleted(world):
    found = plan(DESIRED, world)
    assert found.refusals
    assert found.steps == ()
