"""A guard that is lifted by its name lets through what it alone would refuse, and says so; nothing else changes."""

from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.file.model import WaiverModel
from reconciler.core.file.reading import DesiredStateError, read_desired_state
from reconciler.core.model.desired import Waivable, Waiver
from reconciler.core.model.observed import Operation
from reconciler.core.plan.plan import plan
from tests.core.files import BY_BRANCH, DESIRED, NOW, asked, asking, hours_ago, restores
from tests.core.plans import rules
from tests.core.rules.test_guards import FULL, IN_PLACE, many_configs
from tests.core.rules.test_role_changes import YOUNG, account, knowing, listed
from tests.core.rules.test_table_verification import LATE
from tests.core.worlds import WORLD, with_configs, with_project, world_for

NAMES = {each.value for each in Waivable}


def lifting(desired, *guards):
    return replace(desired, waivers=tuple(Waiver(guard, f"because of {guard.value}") for guard in guards))


IMPORT = replace(WORLD, operations=(Operation("import_data", "br-main", hours_ago(1)),))
CASES = [
    (Waivable.BRANCH_LIMIT, BY_BRANCH, with_project(branches_limit=1)),
    (Waivable.ROOT_BRANCH_LIMIT, IN_PLACE, FULL),
    (Waivable.CONFIG_LIMIT, BY_BRANCH, many_configs(25)),
    (Waivable.OPERATION_RUNNING, BY_BRANCH, IMPORT),
    (Waivable.TABLES_UNPROVABLE, BY_BRANCH, LATE),
    (Waivable.LOGIN_TOO_YOUNG, BY_BRANCH, knowing(listed("br-main", (account("app", YOUNG),)))),
    (Waivable.POOLED_ORIGIN, DESIRED, with_configs(host="ep-main-pooler.neon.tech")),
]


@pytest.mark.parametrize(("guard", "desired", "observed"), CASES, ids=[each[0].value for each in CASES])
def test_a_waived_guard_says_what_it_would_refuse(guard, desired, observed):
    (refusal,) = plan(desired, observed).refusals
    assert refusal.rule == guard.value
    found = plan(lifting(desired, guard), observed)
    said = found.waived[0]
    assert (found.refusals, found.waived, found.warnings[0]) == ((), (said,), said)
    assert f'"because of {guard.value}": {refusal.message}' in said
    assert plan(lifting(desired, *(set(Waivable) - {guard})), observed).refusals == (refusal,)


def test_every_waiver_has_a_case():
    assert {guard for guard, *_ in CASES} == set(Waivable), "add a new one to CASES"


def test_a_waiver_without_effect_is_said():
    found = plan(lifting(DESIRED, Waivable.BRANCH_LIMIT), WORLD)
    assert found.in_sync
    (said,) = found.warnings
    assert said.endswith('"because of branch-limit": it would refuse nothing here')


def test_a_pooled_host_of_another_branch_stays_refused():
    observed = with_configs(host="ep-other-pooler.neon.tech")
    assert rules(lifting(DESIRED, Waivable.POOLED_ORIGIN), observed) == ["hyperdrive-differs"]


def test_a_waiver_is_part_of_what_was_approved():
    assert plan(lifting(BY_BRANCH, Waivable.BRANCH_LIMIT), WORLD).digest != plan(BY_BRANCH, WORLD).digest


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
    history = timedelta(hours=draw(st.sampled_from([0, 1, 168])))
    observed = with_project(observed, branches_limit=draw(st.sampled_from([None, 1])), history=history)
    host = draw(st.sampled_from(["ep-main", "ep-main-pooler", "ep-other-pooler"]))
    observed = with_configs(observed, host=f"{host}.neon.tech")
    if observed.configs and draw(st.booleans()):
        more = tuple(replace(each, id=f"x{each.id}") for each in many_configs(25).configs[1:])
        observed = replace(observed, configs=(*observed.configs, *more))
    return desired, replace(observed, branches=(main,), operations=IMPORT.operations if draw(st.booleans()) else ())


@given(troubled(), st.sets(st.sampled_from(Waivable)))
def test_a_waiver_permits_nothing_that_others_forbid(trouble, guards):
    desired, observed = trouble
    strict, lifted = plan(desired, observed), plan(lifting(desired, *guards), observed)
    before, now = ({each.rule for each in found.refusals} for found in (strict, lifted))
    assert now or before <= {each.value for each in guards}
    assert before or strict.waves == lifted.waves
    assert not now & {each.value for each in guards}
    assert before - NAMES <= now


# The file


def read(entries, key="waive"):
    text = f'{{"primary": {{"project": "p", "branch": "main", "restore": null}}, "{key}": {entries}}}'
    return read_desired_state(text, file="production.jsonc", environment="production", now=NOW)


def test_a_waiver_has_a_name_and_a_reason():
    desired = read('[{"guard": "config-limit", "reason": "raised to 100"}]')
    assert desired.waivers == (Waiver(Waivable.CONFIG_LIMIT, "raised to 100"),)


ONE = '{"guard": "branch-limit", "reason": "because"}'
NO_GUARD = "waive[0].guard is not a guard that can be waived; those are branch-limit, root-branch-limit"
MISTAKES = {
    **{
        f'[{{"guard": "{name}", "reason": "because"}}]': NO_GUARD
        for name in ("*", "all", "provenance-unknown", "outside-history-window", "same-worker-twice")
    },
    '[{"guard": "branch-limit"}]': "waive[0].reason",
    '[{"guard": "branch-limit", "reason": ""}]': "waive[0].reason",
    "true": "waive",
    '"all"': "waive",
    '["branch-limit"]': "waive[0]",
    '[{"guard": ["branch-limit"], "reason": "x"}]': "waive[0].guard",
    f"[{ONE}, {ONE}]": 'two entries of waive are named "branch-limit"',
}


@pytest.mark.parametrize(("entries", "said"), MISTAKES.items())
def test_other_waivers_are_mistakes_with_their_place(entries, said):
    with pytest.raises(DesiredStateError) as caught:
        read(entries)
    (problem,) = map(str, caught.value.problems)
    assert problem.startswith("production.jsonc:1:")
    assert said in problem


def test_the_schema_knows_the_same_names():
    assert set(get_args(WaiverModel.model_fields["guard"].annotation)) == NAMES


def test_the_former_key_is_read_with_a_notice():
    former, today = (read(f"[{ONE}]", key) for key in ("lift", "waive"))
    assert former == today
    assert (len(former.notices), today.notices) == (1, ())


def test_both_keys_at_once_are_a_mistake():
    with pytest.raises(DesiredStateError, match="move its entries to waive"):
        read(f'[{ONE}], "lift": [{ONE}]')
