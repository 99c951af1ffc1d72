"""What a restore does not rewind is named once each, with its retention and its own way of recovery."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.drill.not_restored import measured
from reconciler.core.drill.results import Stays
from reconciler.core.model.desired import FOREVER, Desired, Outside, Worker
from reconciler.core.model.observed import Observed, Unknown
from reconciler.core.model.worker_bindings import Binding, BindingKind
from reconciler.core.plan.not_restored import spelled, stays, unreached
from reconciler.core.plan.plan import plan
from tests.core.files import BY_BRANCH, DESIRED, asking, hours_ago, restores
from tests.core.plans import warnings
from tests.core.worlds import SEEN, WORLD

PHOTOS = Binding(BindingKind.R2, "tech961-photos", "PHOTOS")
SEARCHES = Binding(BindingKind.ANALYTICS_ENGINE, "tech961_searches", "SEARCHES")
OWN, REPORTS = (Binding(BindingKind.HYPERDRIVE, *each) for each in (("c0", "HYPERDRIVE"), ("c9", "REPORTS")))
AXIOM = Outside("Axiom Logpush archive", timedelta(days=30), "query it by _time")
BUCKET, DATASET = "R2 bucket tech961-photos", "Analytics Engine dataset tech961_searches"


def bound(*bindings: Binding, **changes: object) -> Observed:
    return replace(WORLD, workers=(replace(SEEN, bindings=bindings, **changes),))


def listing(*outside: Outside) -> Desired:
    return replace(DESIRED, outside=outside)


def binding(*workers: Worker) -> Desired:
    return replace(DESIRED, workers=workers)


BOTH = binding(*DESIRED.workers, Worker("wrangler.jsonc", "REPORTS"))
OF_STAGING = bound(OWN, environment="staging")
SECOND = replace(SEEN, script="jobs", bindings=(Binding(BindingKind.R2, "tech961-photos", "BUCKET"), SEARCHES))
NAMES = {
    "bindings, then the file": (listing(AXIOM), bound(OWN, PHOTOS, SEARCHES), [BUCKET, DATASET, AXIOM.name]),
    "known by an id": (DESIRED, bound(Binding(BindingKind.KV, "0f2ac74b", "CACHE")), ["KV namespace CACHE (0f2ac74b)"]),
    "known by its name": (DESIRED, bound(Binding(BindingKind.KV, "CACHE", "CACHE")), ["KV namespace CACHE"]),
    "another Hyperdrive binding": (DESIRED, bound(OWN, REPORTS), ["Hyperdrive config REPORTS (c9)"]),
    "both are switched": (BOTH, bound(OWN, REPORTS), []),
    "of another environment": (DESIRED, OF_STAGING, ["Hyperdrive config HYPERDRIVE (c0)"]),
    "of this environment": (binding(Worker("wrangler.jsonc", "HYPERDRIVE", "staging")), OF_STAGING, []),
    "shared by two Workers": (DESIRED, replace(WORLD, workers=(*bound(PHOTOS).workers, SECOND)), [BUCKET, DATASET]),
    "a Worker unread": (
        listing(AXIOM), replace(WORLD, workers=(Unknown("no such file"), *bound(PHOTOS).workers)), [BUCKET, AXIOM.name]
    ),
}  # fmt: skip


@pytest.mark.parametrize(("desired", "observed", "names"), NAMES.values(), ids=NAMES)
def test_what_is_not_restored_is_named(desired, observed, names):
    assert names == [each.name for each in stays(desired, observed)]


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
        (BindingKind.UNKNOWN, None, "unknown: check"),
    ],
)
def test_each_kind_has_its_documented_recovery(kind, retention, recovery):
    (found,) = stays(DESIRED, bound(Binding(kind, "x", "X")))
    assert (retention, True) == (found.retention, recovery in found.recovery)


@pytest.mark.parametrize("kind", BindingKind)
def test_every_kind_has_a_name_and_a_recovery(kind):
    (found,) = stays(DESIRED, bound(Binding(kind, "x", "X")))
    assert ("x" in found.name, bool(found.recovery)) == (True, True)


@pytest.mark.parametrize("name", ["tech961-photos", "R2 bucket tech961-photos", "r2 bucket TECH961-photos"])
def test_an_entry_of_the_file_replaces_its_binding(name):
    entry = Outside(name, timedelta(days=365), "copied to another account every night")
    assert (entry,) == stays(listing(entry), bound(PHOTOS))


@pytest.mark.parametrize("observed", [bound(PHOTOS), replace(bound(PHOTOS), configs=())], ids=["in sync", "adopted"])
def test_without_a_restore_nothing_is_named(observed):
    assert () == plan(listing(AXIOM), observed).outside


@given(restores)
def test_it_decides_nothing(restore):
    bare, full = plan(asking(restore), WORLD), plan(asking(restore, listing(AXIOM)), bound(PHOTOS, SEARCHES))
    assert (bare.digest, bare.waves, bare.refusals) == (full.digest, full.waves, full.refusals)
    changes = bool(full.steps) and full.live != full.desired.timeline
    assert (changes, ()) == (bool(full.outside), bare.outside)


@given(st.integers(1, 9_999), st.sampled_from([("h", 1), ("d", 24), ("w", 168)]))
def test_a_retention_is_spelled_as_in_the_file(count, unit):
    text = spelled(timedelta(hours=count * unit[1]))
    assert timedelta(hours=count * unit[1]) == timedelta(hours=int(text[:-1]) * {"h": 1, "d": 24}[text[-1]])


@pytest.mark.parametrize(
    ("retention", "text"),
    [
        (timedelta(hours=36), "36h"),
        (timedelta(days=30), "30d"),
        (timedelta(weeks=2), "14d"),
        (FOREVER, "forever"),
        (None, None),
    ],
)
def test_a_retention_has_the_largest_unit(retention, text):
    assert spelled(retention) == text


# Whether it reaches back to the moment

TARGET, TODAY = hours_ago(41 * 24), hours_ago(0)
ENTRIES = (AXIOM, Outside("photos", FOREVER), Outside("mail"))
SHORT_OF = "it keeps 30 d, and the target is 41 d old"


def test_a_drill_measures_each_entry():
    assert measured(ENTRIES, TARGET, TODAY) == (
        Stays(AXIOM.name, "30d", AXIOM.recovery, SHORT_OF),
        Stays("photos", "forever", "", ""),
        Stays("mail", "not stated", "", ""),
    )


@pytest.mark.parametrize(("age", "reaches"), [(30 * 24, True), (30 * 24 + 1, False)])
def test_what_is_kept_as_long_still_reaches(age, reaches):
    assert reaches == (unreached((AXIOM,), hours_ago(age), TODAY) == ())


def test_what_does_not_reach_is_said():
    assert unreached(ENTRIES, TARGET, TODAY) == (f"Axiom Logpush archive does not reach back that far: {SHORT_OF}",)
    assert unreached((AXIOM,), None, TODAY) == ()


SHORT = Outside("queue", timedelta(hours=12))


def test_a_plan_warns_and_decides_nothing_by_it():
    asked = asking(BY_BRANCH.primary.restore, listing(SHORT))
    assert warnings(asked, WORLD, "queue does not reach back that far: it keeps 12 h, and the target is 1 d old")
    assert plan(asked, WORLD).digest == plan(BY_BRANCH, WORLD).digest
    assert not warnings(listing(SHORT), WORLD, "reach back")
