"""Each guard forbids its step, says the numbers, and names a way out."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.model.desired import Restore, Verify
from reconciler.core.model.observed import Annotation, Branch, Observed, Unbound, Unknown
from reconciler.core.plan.plan import plan
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN, Timeline
from tests.core.files import ASKED_IN_PLACE as IN_PLACE
from tests.core.files import BY_BRANCH, CREATED, DESIRED, NOW, RESTORE, RESTORED, asking, hours_ago
from tests.core.plans import planned, rules, warnings
from tests.core.worlds import CONFIG, MADE, MAIN, SEEN, WORLD, with_configs, with_main, with_project

CANDIDATE = replace(MADE, lsn="", resolved_at=None, created_at=CREATED, endpoint=MAIN.endpoint)
NEW_CONFIG = f"tech961-{RESTORED}"
GONE = Restore(hours_ago(24), "gone")


def with_branch(**changes: object) -> Observed:
    return replace(WORLD, branches=(MAIN, replace(CANDIDATE, **changes)))


def many_configs(count: int) -> Observed:
    more = (replace(CONFIG, id=f"c{number}", name=f"other {number}") for number in range(1, count))
    return replace(WORLD, configs=(CONFIG, *more))


def others(count: int) -> tuple[Branch, ...]:
    return tuple(Branch(f"br-{number}", f"other {number}", CREATED) for number in range(count))


def moment(hours: float, **more: object):
    return asking(Restore(hours_ago(hours), **more))


HELD_ELSEWHERE = moment(24, id="inc-42", source=Timeline(hours_ago(1)))
TWICE = replace(DESIRED, workers=DESIRED.workers * 2)
CLAIMED = with_main(mark=Annotation("production", Timeline(GONE.to, GONE.id)))
UNREAD_WORKER = replace(WORLD, workers=(Unknown("wrangler.jsonc:3:1: no such binding"),))
UNBOUND = replace(WORLD, workers=(Unbound("w.jsonc:3:1: has none", "add one"),))
ELSEWHERE = replace(many_configs(25), configs=many_configs(25).configs[1:] * 2)
CASES = [
    ("in-the-future", moment(-1), WORLD, "1 h in the future"),
    ("too-recent", asking(Restore(Instant(NOW.milliseconds - 500))), WORLD, "only 0.5 s ago"),
    ("history-disabled", BY_BRANCH, with_project(history=timedelta(0)), "keeps no history"),
    ("outside-history-window", BY_BRANCH, with_project(history=timedelta(hours=6)), "18 h older than"),
    ("before-source-existed", moment(24 * 6), WORLD, "was created"),
    ("before-source-existed", moment(24 * 6, source=ORIGIN), WORLD, f'before branch "main" was created ({CREATED})'),
    ("before-source-reset", BY_BRANCH, with_main(last_reset_at=hours_ago(2)), "last reset or restored"),
    ("source-expires", BY_BRANCH, with_main(expires_at=hours_ago(-2)), "no child of a branch"),
    ("branch-limit", BY_BRANCH, with_project(branches_limit=1), "1 branches, its limit is 1"),
    ("branch-name-taken", BY_BRANCH, with_branch(mark=None), "not those of a candidate"),
    ("source-not-held", HELD_ELSEWHERE, WORLD, "no branch carries it"),
    ("source-not-held", HELD_ELSEWHERE, with_branch(), "names timeline"),
    ("restore-restricted", IN_PLACE, with_main(unrestorable="a snapshot is being restored"), "a snapshot is being"),
    ("timeline-not-held", DESIRED, CLAIMED, '"origin" is neither live nor held'),
    ("candidate-differs", BY_BRANCH, with_branch(parent_id="br-other"), "its parent is br-other"),
    ("candidate-differs", BY_BRANCH, with_branch(resolved_at=hours_ago(23)), "later than"),
    ("hyperdrive-differs", DESIRED, with_configs(host="elsewhere.neon.tech"), "elsewhere.neon.tech:5432, not"),
    ("hyperdrive-differs", DESIRED, with_configs(user="other", database="x"), "database is x, not tech961; user is"),
    ("hyperdrive-differs", DESIRED, with_main(endpoint=None), "(host of main)"),
    ("pooled-origin", DESIRED, with_configs(host="ep-main-pooler.neon.tech"), "pooled host"),
    ("worker-not-deployed", DESIRED, replace(WORLD, workers=(replace(SEEN, deployed=()),)), "no deployment"),
    ("same-worker-twice", TWICE, replace(WORLD, workers=(SEEN, SEEN)), "two entries"),
    ("unreadable", DESIRED, replace(WORLD, configs=Unknown("403 10000: no right")), "403 10000"),
    ("unreadable", DESIRED, UNREAD_WORKER, "no such"),
    ("unreadable", BY_BRANCH, replace(WORLD, project=Unknown("404")), "404"),
    ("unreadable", DESIRED, replace(WORLD, operations=Unknown("404")), "404"),
    ("binding-missing", DESIRED, UNBOUND, "has none"),
    ("hyperdrive-name-taken", BY_BRANCH, with_configs(name=NEW_CONFIG, id="c7"), "exists already (c7, "),
    ("config-limit", BY_BRANCH, many_configs(25), "25 Hyperdrive configs, and Workers Paid allows 25"),
    ("config-limit", DESIRED, ELSEWHERE, "no room"),
]


@pytest.mark.parametrize(("rule", "desired", "observed", "words"), CASES, ids=[f"{c[0]}: {c[3]}" for c in CASES])
def test_a_guard_refuses_with_numbers(rule, desired, observed, words):
    found = plan(desired, observed)
    assert ([rule], (), False) == (rules(desired, observed), found.steps, found.in_sync)
    assert words in found.refusals[0].message
    assert found.refusals[0].hint


@pytest.mark.parametrize(("host", "may_lag"), [("ep-new.neon.tech", True), ("ep-main.neon.tech", False)])
def test_a_config_of_an_unlisted_branch_may_lag(host, may_lag):
    (refusal,) = plan(BY_BRANCH, with_configs(name=NEW_CONFIG, host=host)).refusals
    assert ("hyperdrive-name-taken", may_lag) == (refusal.rule, refusal.may_lag)


def test_all_reasons_against_a_restore_come_at_once():
    observed = with_project(history=timedelta(hours=6), branches_limit=1)
    assert ["branch-limit", "outside-history-window"] == rules(IN_PLACE, observed)


def test_a_candidate_outlives_the_history_window():
    observed = with_project(with_branch(), history=timedelta(hours=1))
    assert ("CreateBranch" in planned(BY_BRANCH, observed), rules(BY_BRANCH, observed)) == (False, [])


def test_a_live_restore_outlives_the_history_window():
    live = replace(WORLD, branches=(replace(MAIN, mark=CANDIDATE.mark),), configs=(replace(CONFIG, name=NEW_CONFIG),))
    assert plan(BY_BRANCH, with_project(live, history=timedelta(hours=1))).in_sync


STAGING = Branch("br-staging", "staging", CREATED, parent_id=MAIN.id)
NO_WORKER = replace(BY_BRANCH, workers=())
NO_CONFIG = replace(NO_WORKER, hyperdrive=None, verify=Verify())
CHILD = with_main(protected=True, parent_id="br-root")
WARNED = [
    (BY_BRANCH, CHILD, "new password"),
    (BY_BRANCH, CHILD, "not a root branch"),
    (BY_BRANCH, CHILD, "no restore in place on a child"),
    (BY_BRANCH, CHILD, "keeps origin whole"),
    (BY_BRANCH, with_project(history=timedelta(hours=25)), f"{RESTORE.to} leaves the history window in 1 h"),
    (NO_WORKER, replace(WORLD, workers=()), "no worker in the file: "),
    (NO_CONFIG, replace(WORLD, workers=(), configs=()), "no hyperdrive in the file: the connection string changes"),
    (NO_CONFIG, replace(WORLD, workers=(), configs=()), "no SQL gate in the file"),
    (NO_CONFIG, replace(WORLD, workers=(), configs=()), "neither hyperdrive nor verify.role names a role"),
    (BY_BRANCH, many_configs(10), "has 10 Hyperdrive configs"),
    (
        IN_PLACE, replace(WORLD, branches=(MAIN, STAGING, *others(1))),
        f'children of "main" become children of "main.held.origin.before.{RESTORED}.in-place": "staging"',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("desired", "observed", "words"), WARNED, ids=[each[2] for each in WARNED])
def test_a_plan_warns_of(desired, observed, words):
    assert warnings(desired, observed, words)


@pytest.mark.parametrize(
    ("observed", "words"), [(WORLD, "leaves the history window"), (many_configs(9), "Workers Free")]
)
def test_a_plan_does_not_warn_of(observed, words):
    assert not warnings(BY_BRANCH, observed, words)


def test_24_configs_leave_room():
    assert rules(BY_BRANCH, many_configs(24)) == []


def test_a_moment_outside_the_window_names_its_edge():
    (refusal,) = plan(BY_BRANCH, with_project(history=timedelta(hours=6))).refusals
    assert f"18 h older than the history window (6 h, from {hours_ago(6)})" in refusal.message
    assert refusal.message.endswith(f"it left the window at {hours_ago(18)}")


FULL = replace(with_project(plan="free_v3"), branches=(MAIN, *others(2)))


def test_in_place_needs_room_for_a_root():
    (refusal,) = plan(IN_PLACE, FULL).refusals
    assert refusal.rule == "root-branch-limit"
    assert 'has 3 root branches, Neon\'s plan "free_v3" allows 3' in refusal.message
    assert '"method": "branch"' in refusal.hint


@pytest.mark.parametrize(
    ("desired", "observed"), [(BY_BRANCH, FULL), (IN_PLACE, replace(FULL, branches=(MAIN, *others(1))))]
)
def test_enough_room_for_a_root(desired, observed):
    assert rules(desired, observed) == []


@pytest.mark.parametrize(("hours", "refused"), [(1, ["candidate-differs"]), (3, [])])
def test_a_candidate_made_after_a_reset_is_refused(hours, refused):
    source = replace(MAIN, last_reset_at=hours_ago(2))
    observed = replace(WORLD, branches=(source, replace(CANDIDATE, created_at=hours_ago(hours))))
    assert rules(BY_BRANCH, observed) == refused


def test_unknown_provenance_points_to_adoption():
    (refusal,) = plan(DESIRED, with_main(mark=Annotation("staging", Timeline(GONE.to)))).refusals
    assert ("provenance-unknown", True) == (refusal.rule, "reconciler adopt" in refusal.hint)


def test_a_new_environment_may_adopt_a_branch():
    anew = replace(DESIRED, environment="production-2", primary=replace(DESIRED.primary, branch="adopted"))
    adopted = replace(MAIN, id="br-adopted", name="adopted", parent_id="br-main", default=True)
    old = replace(MAIN, mark=CANDIDATE.mark, default=False)
    assert plan(anew, replace(WORLD, branches=(old, adopted))).in_sync
