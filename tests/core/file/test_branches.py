"""Declared branches in the file: read as they are meant, and what contradicts itself is told with its place."""

import json
from datetime import timedelta

import pytest

from reconciler.core.file.reading import DesiredStateError, read_desired_state
from reconciler.core.model.desired import FOREVER, DeclaredBranch
from reconciler.core.values.instant import Instant
from tests.core.file.malformed import HYPERDRIVE, PRIMARY

NOW = Instant.parse_strict("2026-11-22T10:00:00Z")


def read(branches, *others):
    text = "{" + ", ".join((PRIMARY, *others, f'"branches": {branches}')) + "}"
    return read_desired_state(text, file="production.jsonc", environment="production", now=NOW)


def told(branches, *others):
    with pytest.raises(DesiredStateError) as caught:
        read(branches, *others)
    return [str(problem) for problem in caught.value.problems]


def test_a_branch_is_read_as_it_is_declared():
    whole = (
        '[{"name": "staging", "parent": "base", "reset": {"id": "sprint-12"}, "expires": "36h", "compute": true, '
        '"database": "reports", "protected": false}, {"name": "base", "expires": "forever", "protected": true}, '
        '{"name": "shape", "schema_only": true, "expires": "2026-12-01T10:00:00+01:00"}, '
        '{"name": "w", "expires": "2w"}]'
    )
    assert read(whole, HYPERDRIVE).branches == (
        DeclaredBranch("staging", "base", "sprint-12", timedelta(hours=36), False, True, "reports"),
        DeclaredBranch("base", expires=FOREVER, protected=True),
        DeclaredBranch("shape", expires=Instant.parse_strict("2026-12-01T09:00:00Z"), schema_only=True),
        DeclaredBranch("w", expires=timedelta(days=14)),
    )


def test_no_branches_differ_from_no_list():
    assert read("[]").branches == ()
    assert read("null").branches is None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"name": "main"}, '"main" is the name of the primary'),
        ({"name": "main.held.x"}, "or one that is given to what is held"),
        ({"name": "a.before-reset.b"}, "or one that is given to what is held"),
        ({"name": "a", "parent": "a"}, "a is made from a"),
        ({"name": "a", "protected": True, "expires": "7d"}, "a protected branch does not expire"),
        ({"name": "a", "protected": True, "reset": {"id": "x"}}, "a protected branch is not reset"),
        ({"name": "a", "schema_only": True, "reset": {"id": "x"}}, "there is nothing to reset it to"),
        ({"name": "a", "schema_only": True, "compute": False}, "needs a compute"),
        ({"name": "a", "database": "d"}, "no role is named that could own the database"),
        ({"name": "a", "expires": "31d"}, "must be at most 30d"),
        ({"name": "a", "expires": "soon"}, 'must look like "7d"'),
        ({"name": "a", "expires": "2026-12-01T10:00:00"}, "has no time zone"),
        ({"name": "a", "reset": {"id": "No"}}, "must look like inc-42"),
        ({"name": "a", "size": 1}, 'unknown key "size"'),
        ({"parent": "a"}, "branches[0].name is missing"),
    ],
)
def test_each_contradiction_is_told(entry, said):
    (problem,) = told(json.dumps([entry]))
    assert problem.startswith("production.jsonc:1:")
    assert said in problem


def test_a_database_needs_a_compute():
    (problem,) = told('[{"name": "a", "database": "d", "compute": false}]', HYPERDRIVE)
    assert "a database is made by a compute" in problem
    assert read('[{"name": "a", "database": "d"}]', '"verify": {"role": "app"}').branches[0].database == "d"


def test_what_concerns_several_branches_is_told():
    assert 'two branches are named "a"' in told('[{"name": "a"}, {"name": "a"}]')[0]
    first, second = told('[{"name": "a", "parent": "b"}, {"name": "b", "parent": "a"}]')
    assert "a is made from b is made from a" in first
    assert "b is made from a is made from b" in second
    (problem,) = told('[{"name": "a", "expires": "7d"}, {"name": "b", "parent": "a"}]')
    assert "Neon makes none from a branch that expires" in problem
    assert "branches must be a list" in told('"a"')[0]
    assert told('["a"]')


def test_a_primary_that_is_no_object_is_named():
    text = '{"primary": 1, "branches": [{"name": "a"}]}'
    with pytest.raises(DesiredStateError, match="primary must be an object"):
        read_desired_state(text, file="production.jsonc", environment="production", now=NOW)
