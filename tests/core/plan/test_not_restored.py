"""What a restore does not rewind is named once each, with its retention and its own way of recovery."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.drill.not_restored import measured
from reconciler.core.drill.results import Stays
from reconciler.core.model.desired import FOREVER, Desired, Outside, Restore, Worker
from reconciler.core.model.observed import Observed, Unknown
from reconciler.core.model.worker_bindings import Binding, BindingKind
from reconciler.core.plan.not_restored import spelled, stays, unreached
from reconciler.core.plan.plan import plan
from tests.core.files import DESIRED, asking, hours_ago, restores
from tests.core.worlds import SEEN, WORLD

PHOTOS = Binding(BindingKind.R2, "tech961-photos", "PHOTOS")
SEARCHES = Binding(BindingKind.ANALYTICS_ENGINE, "tech961_searches", "SEARCHES")
OWN = Binding(BindingKind.HYPERDRIVE, "c0", "HYPERDRIVE")
AXIOM = Outside("Axiom Logpush archive", timedelta(days=30), "query it by _time")


def bound(*bindings: Binding) -> Observed:
    return replace(WORLD, workers=(replace(SEEN, bindings=bindings),))


def listing(*outside: Outside) -> Desired:
    return replace(DESIRED, outside=outside)


def names(desired: Desired, observed: Observed) -> list[str]:
    return [each.name for each in stays(desired, observed)]


def test_bindings_come_first_and_the_list_of_the_file_after_them():
    expected = ["R2 bucket tech961-photos", "Analytics Engine dataset tech961_searches", "Axiom Logpush archive"]
    assert expected == names(listing(AXIOM), bound(OWN, PHOTOS, SEARCHES))


@pytest.mark.parametrize(
    ("kind", "retention", "recovery"),
    [
        (BindingKind.ANALYTICS_ENGINE, timedelta(days=90), "none"),
        (BindingKind.R2, FOREVER, "no versions are kept"),
        (BindingKind.D1, FOREVER, "wrangler d1 time-travel restore"),
        (BindingKind.DURABLE_OBJECT_SQLITE, FOREVER, "point-in-time recovery for 30 days"),
        (BindingKind.DURABLE_OBJECT, FOREVER, "none where key-value-backed"),
        (BindingKind.QUEUE, timedelta(days=14), "4 days where not set"),
        (BindingKind.WORKFLOW, timedelta(days=30), "3 days on Workers Free"),
        (BindingKind.HYPERDRIVE, None, "not rebound"),
        (BindingKind.UNKNOWN, None, "not known here"),
    ],
)
def test_each_kind_has_the_retention_and_the_recovery_that_its_documentation_gives(kind, retention, recovery):
    (found,) = stays(DESIRED, bound(Binding(kind, "x", "X")))
    assert retention == found.retention
    assert recovery in found.recovery


@pytest.mark.parametrize("kind", BindingKind)
def test_every_kind_is_named_and_has_a_recovery(kind):
    (found,) = stays(DESIRED, bound(Binding(kind, "x", "X")))
    assert "x" in found.name
    assert found.recovery


def test_what_is_known_by_an_id_is_called_as_the_code_calls_it():
    assert ["KV namespace CACHE (0f2ac74b)"] == names(DESIRED, bound(Binding(BindingKind.KV, "0f2ac74b", "CACHE")))
    assert ["KV namespace CACHE"] == names(DESIRED, bound(Binding(BindingKind.KV, "CACHE", "CACHE")))


def test_the_binding_that_a_restore_changes_is_not_outside_and_any_other_hyperdrive_binding_is():
    other = Binding(BindingKind.HYPERDRIVE, "c9", "REPORTS")
    assert ["Hyperdrive config REPORTS (c9)"] == names(DESIRED, bound(OWN, other))
    both = replace(DESIRED, workers=(*DESIRED.workers, Worker("wrangler.jsonc", "REPORTS")))
    assert [] == names(both, bound(OWN, other))


def test_the_binding_of_one_environment_is_not_that_of_another():
    staging = replace(SEEN, environment="staging", bindings=(OWN,))
    assert ["Hyperdrive config HYPERDRIVE (c0)"] == names(DESIRED, replace(WORLD, workers=(staging,)))
    asked = replace(DESIRED, workers=(Worker("wrangler.jsonc", "HYPERDRIVE", "staging"),))
    assert [] == names(asked, replace(WORLD, workers=(staging,)))


def test_what_two_workers_share_is_named_once():
    second = replace(SEEN, script="jobs", bindings=(Binding(BindingKind.R2, "tech961-photos", "BUCKET"), SEARCHES))
    world = replace(WORLD, workers=(replace(SEEN, bindings=(PHOTOS,)), second))
    assert ["R2 bucket tech961-photos", "Analytics Engine dataset tech961_searches"] == names(DESIRED, world)


@pytest.mark.parametrize("name", ["tech961-photos", "R2 bucket tech961-photos", "r2 bucket TECH961-photos"])
def test_an_entry_of_the_file_stands_for_the_binding_that_it_names(name):
    entry = Outside(name, timedelta(days=365), "copied to another account every night")
    assert (entry,) == stays(listing(entry), bound(PHOTOS))


def test_a_worker_that_could_not_be_read_takes_nothing_else_away():
    world = replace(WORLD, workers=(Unknown("no such file"), replace(SEEN, bindings=(PHOTOS,))))
    assert ["R2 bucket tech961-photos", AXIOM.name] == names(listing(AXIOM), world)


def test_the_plan_names_it_only_where_another_timeline_becomes_live():
    world = bound(PHOTOS)
    assert () == plan(listing(AXIOM), world).outside
    adopted = replace(world, configs=())
    assert () == plan(listing(AXIOM), adopted).outside


@given(restores)
def test_it_decides_nothing_neither_the_steps_nor_the_digest(restore):
    bare, full = plan(asking(restore), WORLD), plan(asking(restore, listing(AXIOM)), bound(PHOTOS, SEARCHES))
    assert (bare.digest, bare.waves, bare.refusals) == (full.digest, full.waves, full.refusals)
    changes = bool(full.steps) and full.live != full.desired.timeline
    assert changes == bool(full.outside)
    assert () == bare.outside


@given(st.integers(1, 9_999), st.sampled_from([("h", 1), ("d", 24), ("w", 168)]))
def test_a_retention_is_spelled_in_the_form_of_the_file(count, unit):
    hours = timedelta(hours=count * unit[1])
    text = spelled(hours)
    assert text is not None
    assert hours == timedelta(hours=int(text[:-1]) * {"h": 1, "d": 24}[text[-1]])


def test_a_retention_is_spelled_in_the_largest_unit_that_fits_or_as_for_ever_or_not_at_all():
    told = [spelled(each) for each in (timedelta(hours=36), timedelta(days=30), timedelta(weeks=2), FOREVER, None)]
    assert told == ["36h", "30d", "14d", "forever", None]


def test_what_does_not_reach_back_to_the_target_is_told_with_both_numbers():
    entries = (AXIOM, Outside("photos", FOREVER), Outside("mail"))
    target, now = hours_ago(41 * 24), hours_ago(0)
    assert measured(entries, target, now) == (
        Stays(AXIOM.name, "30d", AXIOM.recovery, "it keeps 30 d, and the target is 41 d old"),
        Stays("photos", "forever", "", ""),
        Stays("mail", "not stated", "", ""),
    )
    assert unreached(entries, target, now) == (
        "Axiom Logpush archive does not reach back that far: it keeps 30 d, and the target is 41 d old",
    )


@pytest.mark.parametrize(("age", "reaches"), [(30 * 24, True), (30 * 24 + 1, False)])
def test_what_is_kept_exactly_as_long_as_the_target_is_old_still_reaches_it(age, reaches):
    assert reaches == (unreached((AXIOM,), hours_ago(age), hours_ago(0)) == ())


def test_without_a_moment_to_go_back_to_nothing_is_warned_of():
    assert unreached((AXIOM,), None, WORLD.at) == ()


def test_a_plan_warns_of_what_does_not_reach_back_to_its_moment_and_decides_nothing_by_it():
    short = Outside("queue", timedelta(hours=12))
    asked = asking(Restore(hours_ago(24)), listing(short))
    found = plan(asked, WORLD)
    assert "queue does not reach back that far: it keeps 12 h, and the target is 1 d old" in found.warnings
    assert found.digest == plan(asking(Restore(hours_ago(24))), WORLD).digest
    assert not [each for each in plan(listing(short), WORLD).warnings if "reach back" in each]
