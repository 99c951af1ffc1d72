"""A guard that is lifted by its name lets through what it alone would refuse, and says so; nothing else changes."""

from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.file.model import LiftModel
from reconciler.core.file.reading import DesiredStateError, read_desired_state
from reconciler.core.model.desired import Lift, Liftable, Restore
from reconciler.core.model.observed import Operation
from reconciler.core.plan.plan import plan
from tests.core.files import DESIRED, NOW, asked, asking, hours_ago, restores
from tests.core.rules.test_guards import with_config, with_configs, with_project
from tests.core.rules.test_role_changes import YOUNG, account, knowing, listed
from tests.core.rules.test_table_verification import LATE
from tests.core.worlds import WORLD, world_for

RESTORE = Restore(hours_ago(24), "inc-42")
NAMES = {each.value for each in Liftable}


def lifting(desired, *guards):
    return replace(desired, lift=tuple(Lift(guard, f"because of {guard.value}") for guard in guards))


CASES = [
    (Liftable.BRANCH_LIMIT, asking(RESTORE), with_project(branches_limit=1)),
    (Liftable.CONFIG_LIMIT, asking(RESTORE), with_configs(25)),
    (
        Liftable.OPERATION_RUNNING,
        asking(RESTORE),
        replace(WORLD, operations=(Operation("import_data", "br-main", hours_ago(1)),)),
    ),
    (Liftable.TABLES_UNPROVABLE, asking(RESTORE), LATE),
    (Liftable.LOGIN_TOO_YOUNG, asking(RESTORE), knowing(listed("br-main", (account("app", YOUNG),)))),
    (Liftable.POOLED_ORIGIN, DESIRED, with_config(host="ep-main-pooler.neon.tech")),
]


@pytest.mark.parametrize(("guard", "desired", "observed"), CASES, ids=[each[0].value for each in CASES])
def test_a_lifted_guard_refuses_no_more_and_is_told_with_its_reason_and_with_what_it_would_have_refused(
    guard, desired, observed
):
    (refusal,) = plan(desired, observed).refusals
    assert refusal.rule == guard.value
    found = plan(lifting(desired, guard), observed)
    assert found.refusals == ()
    said = f'guard {guard.value} is lifted, "because of {guard.value}": {refusal.message}'
    assert ((said,), said) == (found.lifted, found.warnings[0])
    assert plan(lifting(desired, *(set(Liftable) - {guard})), observed).refusals == (refusal,)


def test_a_lifted_guard_that_refuses_nothing_is_told_all_the_same():
    found = plan(lifting(DESIRED, Liftable.BRANCH_LIMIT), WORLD)
    assert found.in_sync
    assert found.warnings == ('guard branch-limit is lifted, "because of branch-limit": it would refuse nothing here',)


def test_a_pooled_origin_of_another_branch_is_refused_also_where_pooled_origins_are_not():
    observed = with_config(host="ep-other-pooler.neon.tech")
    (refusal,) = plan(lifting(DESIRED, Liftable.POOLED_ORIGIN), observed).refusals
    assert refusal.rule == "hyperdrive-differs"


def test_a_lift_is_part_of_what_was_approved():
    lifted = lifting(asking(RESTORE), Liftable.BRANCH_LIMIT)
    assert plan(lifted, WORLD).digest != plan(asking(RESTORE), WORLD).digest


@st.composite
def troubled(draw):
    """An environment, and a world in which many guards have something to say."""
    desired = asking(draw(restores), draw(asked()))
    observed = world_for(desired, protected=draw(st.booleans()))
    main = replace(
        observed.branches[0],
        last_reset_at=draw(st.sampled_from([None, hours_ago(2)])),
        expires_at=draw(st.sampled_from([None, None, hours_ago(-2)])),
    )
    project = replace(
        observed.project,
        branches_limit=draw(st.sampled_from([None, 1])),
        history=timedelta(hours=draw(st.sampled_from([0, 1, 168]))),
    )
    host = draw(st.sampled_from(["ep-main", "ep-main-pooler", "ep-other-pooler"]))
    configs = tuple(replace(each, host=f"{host}.neon.tech") for each in observed.configs)
    if configs and draw(st.booleans()):
        configs += tuple(replace(each, id=f"x{each.id}") for each in with_configs(25).configs[1:])
    operations = (Operation("import_data", "br-main", hours_ago(1)),) if draw(st.booleans()) else ()
    return desired, replace(observed, branches=(main,), project=project, configs=configs, operations=operations)


@given(troubled(), st.sets(st.sampled_from(Liftable)))
def test_no_lifted_guard_ever_permits_what_another_one_forbids(trouble, guards):
    desired, observed = trouble
    strict, lifted = plan(desired, observed), plan(lifting(desired, *guards), observed)
    if not lifted.refusals:
        assert {each.rule for each in strict.refusals} <= {each.value for each in guards}
    if not strict.refusals:
        assert strict.waves == lifted.waves
    assert not {each.rule for each in lifted.refusals} & {each.value for each in guards}
    assert {each.rule for each in strict.refusals} - NAMES <= {each.rule for each in lifted.refusals}


# The file


def text(lift):
    return f'{{"primary": {{"project": "p", "branch": "main", "restore": null}}, "lift": {lift}}}'


def problems(lift):
    with pytest.raises(DesiredStateError) as caught:
        read_desired_state(text(lift), file="production.jsonc", environment="production", now=NOW)
    return "\n".join(map(str, caught.value.problems))


def test_a_guard_is_lifted_by_its_name_with_a_reason():
    lift = '[{"guard": "config-limit", "reason": "raised to 100"}]'
    desired = read_desired_state(text(lift), file="production.jsonc", environment="production", now=NOW)
    assert desired.lift == (Lift(Liftable.CONFIG_LIMIT, "raised to 100"),)


@pytest.mark.parametrize("name", ["*", "all", "provenance-unknown", "outside-history-window", "same-worker-twice"])
def test_what_is_no_guard_or_can_never_be_lifted_is_a_mistake_with_its_place(name):
    said = problems(f'[{{"guard": "{name}", "reason": "because"}}]')
    assert said.startswith("production.jsonc:1:")
    assert "lift[0].guard is not a guard that can be lifted; those are branch-limit, root-branch-limit" in said


@pytest.mark.parametrize("lift", ['[{"guard": "branch-limit"}]', '[{"guard": "branch-limit", "reason": ""}]'])
def test_a_guard_is_not_lifted_without_a_reason(lift):
    assert "lift[0].reason" in problems(lift)


@pytest.mark.parametrize("lift", ["true", '"all"', '["branch-limit"]', '[{"guard": ["branch-limit"], "reason": "x"}]'])
def test_there_is_no_other_way_to_lift_guards(lift):
    assert "production.jsonc:1:" in problems(lift)


def test_a_guard_that_is_lifted_twice_is_a_mistake():
    one = '{"guard": "branch-limit", "reason": "because"}'
    assert 'two entries of lift are named "branch-limit"' in problems(f"[{one}, {one}]")


def test_the_schema_knows_the_same_names():
    literal = get_args(LiftModel.model_fields["guard"].annotation)
    assert set(literal) == NAMES
