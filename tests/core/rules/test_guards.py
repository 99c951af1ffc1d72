"""Each guard forbids its step, says the numbers, and names a way out."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.model.desired import Method, Restore, Verify
from reconciler.core.model.observed import Annotation, Branch, Observed, Unbound, Unknown
from reconciler.core.plan.plan import plan
from reconciler.core.steps.branch import CreateBranch
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN, Timeline
from tests.core.files import CREATED, DESIRED, NOW, asking, hours_ago
from tests.core.worlds import CONFIG, MAIN, PROJECT, SEEN, WORLD, with_main

RESTORE = Restore(hours_ago(24), "inc-42")
CANDIDATE = replace(
    MAIN,
    id="br-candidate",
    name=f"main.candidate.{Timeline(RESTORE.to, RESTORE.id)}",
    default=False,
    parent_id="br-main",
    mark=Annotation("production", Timeline(RESTORE.to, RESTORE.id)),
)
IN_PLACE = replace(asking(RESTORE), primary=replace(asking(RESTORE).primary, method=Method.IN_PLACE))


def with_project(**changes: object) -> Observed:
    return replace(WORLD, project=replace(PROJECT, **changes))


def with_branch(**changes: object) -> Observed:
    return replace(WORLD, branches=(MAIN, replace(CANDIDATE, **changes)))


def with_config(**changes: object) -> Observed:
    return replace(WORLD, configs=(replace(CONFIG, **changes),))


def with_configs(count: int) -> Observed:
    more = (replace(CONFIG, id=f"c{number}", name=f"other {number}") for number in range(1, count))
    return replace(WORLD, configs=(CONFIG, *more))


GONE = Restore(hours_ago(24), "gone")
CASES = [
    ("in-the-future", asking(Restore(hours_ago(-1))), WORLD, "1 h in the future"),
    ("too-recent", asking(Restore(Instant(NOW.milliseconds - 500))), WORLD, "only 0.5 s ago"),
    ("history-disabled", asking(RESTORE), with_project(history=timedelta(0)), "keeps no history"),
    ("outside-history-window", asking(RESTORE), with_project(history=timedelta(hours=6)), "18 h older than"),
    ("before-source-existed", asking(Restore(hours_ago(24 * 6))), WORLD, "was created"),
    (
        "before-source-existed",
        asking(Restore(hours_ago(24 * 6), source=ORIGIN)),
        WORLD,
        f'lies before branch "main" was created ({CREATED})',
    ),
    ("before-source-reset", asking(RESTORE), with_main(last_reset_at=hours_ago(2)), "last reset or restored"),
    ("source-expires", asking(RESTORE), with_main(expires_at=hours_ago(-2)), "no children"),
    ("branch-limit", asking(RESTORE), with_project(branches_limit=1), "1 branches, and its limit is 1"),
    ("branch-name-taken", asking(RESTORE), with_branch(mark=None), "not those of a candidate"),
    ("source-not-held", asking(replace(RESTORE, source=Timeline(hours_ago(1)))), WORLD, "no branch carries it"),
    ("source-not-held", asking(replace(RESTORE, source=Timeline(hours_ago(1)))), with_branch(), "names timeline"),
    ("restore-restricted", IN_PLACE, with_main(unrestorable="a snapshot is being restored"), "a snapshot is being"),
    (
        "timeline-not-held",
        DESIRED,
        with_main(mark=Annotation("production", Timeline(GONE.to, GONE.id))),
        '"origin" is not held any more',
    ),
    ("candidate-differs", asking(RESTORE), with_branch(parent_id="br-other"), "its parent is br-other"),
    ("candidate-differs", asking(RESTORE), with_branch(resolved_at=hours_ago(23)), "later than"),
    ("hyperdrive-differs", DESIRED, with_config(host="elsewhere.neon.tech"), "elsewhere.neon.tech:5432, not"),
    ("hyperdrive-differs", DESIRED, with_config(user="other", database="x"), "database is x, not tech961; user is"),
    ("pooled-origin", DESIRED, with_config(host="ep-main-pooler.neon.tech"), "pooled host"),
    ("worker-not-deployed", DESIRED, replace(WORLD, workers=(replace(SEEN, deployed=()),)), "no deployment"),
    (
        "same-worker-twice",
        replace(DESIRED, workers=DESIRED.workers * 2),
        replace(WORLD, workers=(SEEN, SEEN)),
        "two entries",
    ),
    ("unreadable", DESIRED, replace(WORLD, configs=Unknown("403 10000: no right")), "403 10000"),
    ("unreadable", DESIRED, replace(WORLD, workers=(Unknown("wrangler.jsonc:3:1: no such binding"),)), "no such"),
    ("unreadable", asking(RESTORE), replace(WORLD, project=Unknown("404")), "404"),
    ("unreadable", DESIRED, replace(WORLD, operations=Unknown("404")), "404"),
    ("binding-missing", DESIRED, replace(WORLD, workers=(Unbound("w.jsonc:3:1: has none", "add one"),)), "has none"),
    (
        "hyperdrive-name-taken",
        asking(RESTORE),
        with_config(name=f"tech961-{Timeline(RESTORE.to, RESTORE.id)}", id="c7"),
        "exists (c7, it leads to ep-main.neon.tech)",
    ),
    ("config-limit", asking(RESTORE), with_configs(25), "25 Hyperdrive configs, and a paid one gets 25"),
    ("config-limit", DESIRED, replace(with_configs(25), configs=with_configs(25).configs[1:] * 2), "there is no room"),
]


@pytest.mark.parametrize(("rule", "desired", "observed", "words"), CASES, ids=[f"{c[0]}: {c[3]}" for c in CASES])
def test_a_guard_refuses_the_whole_plan_with_numbers_and_a_way_out(rule, desired, observed, words):
    found = plan(desired, observed)
    assert [rule] == [refusal.rule for refusal in found.refusals]
    assert ((), False) == (found.steps, found.in_sync)
    assert words in found.refusals[0].message
    assert found.refusals[0].hint


def test_only_a_config_that_leads_to_no_branch_may_be_that_of_one_which_is_not_listed_yet():
    name = f"tech961-{Timeline(RESTORE.to, RESTORE.id)}"
    for host, may_lag in (("ep-new.neon.tech", True), ("ep-main.neon.tech", False)):
        (refusal,) = plan(asking(RESTORE), with_config(name=name, host=host)).refusals
        assert ("hyperdrive-name-taken", may_lag) == (refusal.rule, refusal.may_lag)


def test_every_reason_against_a_restore_is_told_at_once():
    observed = replace(with_project(history=timedelta(hours=6), branches_limit=1), branches=(MAIN,))
    found = plan(replace(IN_PLACE), observed)
    assert ["branch-limit", "outside-history-window"] == [each.rule for each in found.refusals]


def test_a_candidate_that_is_already_there_is_used_whatever_the_history_window_says_by_now():
    observed = replace(with_branch(), project=replace(PROJECT, history=timedelta(hours=1)))
    assert not any(isinstance(step, CreateBranch) for step in plan(asking(RESTORE), observed).steps)
    assert plan(asking(RESTORE), observed).refusals == ()


def test_a_restore_that_is_live_is_in_sync_when_its_moment_has_left_the_window():
    live = replace(MAIN, mark=CANDIDATE.mark)
    config = replace(CONFIG, name=f"tech961-{Timeline(RESTORE.to, RESTORE.id)}")
    observed = replace(WORLD, branches=(live,), configs=(config,), project=replace(PROJECT, history=timedelta(hours=1)))
    assert plan(asking(RESTORE), observed).in_sync


def test_what_is_warned_of_names_what_it_costs():
    found = plan(asking(RESTORE), with_main(protected=True, parent_id="br-root"))
    told = " ".join(found.warnings)
    for words in ("new password", "not a root branch", "no restore in place on a child", "keeps origin whole"):
        assert words in told


def test_a_moment_that_soon_leaves_the_window_is_warned_of_with_the_time_that_is_left():
    told = plan(asking(RESTORE), with_project(history=timedelta(hours=25))).warnings
    assert f"{RESTORE.to} leaves the history window in 1 h: apply before then" in told
    assert not [each for each in plan(asking(RESTORE), WORLD).warnings if "leaves the history window" in each]


def test_what_the_file_leaves_out_is_left_to_people_and_the_plan_says_so():
    without = replace(DESIRED, workers=())
    told = plan(asking(RESTORE, without), replace(WORLD, workers=())).warnings
    assert "no worker in the file: binding the new Hyperdrive config to whatever uses it is yours" in told

    without = replace(without, hyperdrive=None, verify=Verify())
    told = plan(asking(RESTORE, without), replace(WORLD, workers=(), configs=())).warnings
    assert "no hyperdrive in the file: the connection string changes, and putting it where it is used is yours" in told
    assert [each for each in told if each.startswith("no SQL gate in the file")]
    assert [each for each in told if each.startswith("neither hyperdrive nor verify.role names a role")]


def test_what_is_outside_the_window_is_told_with_the_edge_and_when_it_left():
    (refusal,) = plan(asking(RESTORE), with_project(history=timedelta(hours=6))).refusals
    assert f"18 h older than the history window (6 h, from {hours_ago(6)})" in refusal.message
    assert refusal.message.endswith(f"it left the window at {hours_ago(18)}")


def test_root_branches_are_counted_in_place_only_where_the_replaced_history_becomes_one():
    full = replace(with_project(plan="free_v3"), branches=(MAIN, *others(2)))
    assert ["root-branch-limit"] == [each.rule for each in plan(IN_PLACE, full).refusals]
    assert 'has 3 root branches, and Neon\'s plan "free_v3" allows 3' in plan(IN_PLACE, full).refusals[0].message
    assert 'or set "method": "branch"' in plan(IN_PLACE, full).refusals[0].hint
    assert plan(asking(RESTORE), full).refusals == ()
    roomy = replace(full, branches=(MAIN, *others(1)))
    assert [] == [each.rule for each in plan(IN_PLACE, roomy).refusals]


def others(count: int) -> tuple[Branch, ...]:
    return tuple(Branch(f"br-{number}", f"other {number}", CREATED) for number in range(count))


def test_what_was_made_from_the_primary_and_follows_what_is_kept_of_it_is_named():
    staging = Branch("br-staging", "staging", CREATED, parent_id=MAIN.id)
    told = plan(IN_PLACE, replace(WORLD, branches=(MAIN, staging, *others(1)))).warnings
    kept = f"main.held.origin.before.{IN_PLACE.timeline}.in-place"
    said = f'what was made from "main" is a child of "{kept}" after that: "staging"'
    assert [each for each in told if each.startswith('what was made from "main"')] == [said]


def test_from_ten_configs_on_the_plan_warns_that_a_free_account_is_full():
    assert not [each for each in plan(asking(RESTORE), with_configs(9)).warnings if "Workers Free" in each]
    assert [each for each in plan(asking(RESTORE), with_configs(10)).warnings if "has 10 Hyperdrive configs" in each]
    assert plan(asking(RESTORE), with_configs(24)).refusals == ()


def test_a_candidate_made_after_its_source_was_reset_is_not_what_was_asked():
    source = replace(MAIN, last_reset_at=hours_ago(2))
    observed = replace(WORLD, branches=(source, replace(CANDIDATE, created_at=hours_ago(1))))
    (refusal,) = plan(asking(RESTORE), observed).refusals
    assert ("candidate-differs", True) == (refusal.rule, "was reset at" in refusal.message)
    before = replace(observed, branches=(source, replace(CANDIDATE, created_at=hours_ago(3))))
    assert plan(asking(RESTORE), before).refusals == ()


def test_unknown_provenance_says_how_to_adopt_what_serves():
    observed = with_main(mark=Annotation("staging", Timeline(GONE.to)))
    (refusal,) = plan(DESIRED, observed).refusals
    assert ("provenance-unknown", True) == (refusal.rule, "To adopt what serves now" in refusal.hint)
    anew = replace(DESIRED, environment="production-2", primary=replace(DESIRED.primary, branch="adopted"))
    adopted = replace(MAIN, id="br-adopted", name="adopted", parent_id="br-main", default=True)
    observed = replace(observed, branches=(replace(MAIN, mark=CANDIDATE.mark, default=False), adopted))
    assert plan(anew, observed).in_sync
