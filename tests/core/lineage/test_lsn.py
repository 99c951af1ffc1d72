"""A restore to a place in the log: named after it, made from the timeline that the file names, and nothing guessed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.file.edit import desired_timeline, with_restore
from reconciler.core.file.versions import Unreadable, Version, read_version
from reconciler.core.importing.primary import base_name, primary_of
from reconciler.core.lineage.hyperdrive import config_of, expected_config
from reconciler.core.model.desired import Method, Restore
from reconciler.core.model.observed import Annotation, Endpoint
from reconciler.core.plan.plan import plan
from reconciler.core.rules.restore.identity import check_identity
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import ORIGIN, HeldName, Timeline, candidate_name
from reconciler.errors import GateFailed, InputError
from tests.core.files import NOW, asking, hours_ago
from tests.core.plans import after, lineage_of, rules, step_of
from tests.core.worlds import MAIN, PROJECT, WORLD, with_project

PLACE = Lsn.parse_strict("0/1A2B3C8")
RESTORE = Restore(PLACE, "inc-42", source=ORIGIN)
ASKED = asking(RESTORE)
NAME = "lsn-0-1A2B3C8-inc-42"
CANDIDATE = replace(
    MAIN,
    id="br-candidate",
    name=candidate_name("main", ASKED.timeline),
    default=False,
    endpoint=Endpoint("ep-new", "ep-new.neon.tech"),
    parent_id=MAIN.id,
    resolved_at=hours_ago(24),
    lsn="0/1A2B3C8",
    mark=Annotation("production", ASKED.timeline),
)
FILE = '{"primary": {"project": "p", "branch": "main", "restore": null}}'
METHODS = pytest.mark.parametrize("method", Method)


@given(st.integers(1, 2**64 - 1), st.just("") | st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True))
def test_its_timeline_is_read_from_every_name(position, identity):
    timeline = Timeline(Lsn(position), identity)
    assert Timeline.parse(timeline.name) == timeline
    held = HeldName("main", timeline, ORIGIN, 3, in_place=True)
    assert HeldName.parse("main", held.name) == held
    assert base_name(f"tech961-{timeline}") == "tech961"


@pytest.mark.parametrize(
    ("text", "written"), [("0/01a2b3c8", "0/1A2B3C8"), ("0/1A2B3C8", "0/1A2B3C8"), ("00000010/0", "10/0")]
)
def test_an_lsn_is_written_in_one_way(text, written):
    assert written == str(Lsn.parse_strict(text))


def test_a_timeline_is_named_after_its_lsn():
    assert ASKED.timeline.name == NAME
    assert {None} == {Timeline.parse(name) for name in ("lsn-0-01A2B3C8", "lsn-0-1a2b3c8")}


@METHODS
def test_it_is_made_from_the_named_timeline(method):
    desired = asking(RESTORE, method=method)
    created = step_of(desired, WORLD, "CreateBranch")
    assert (created.source, created.at, str(created.timeline)) == ("main", PLACE, NAME)
    assert "origin has 0/1A2B3C8 in its log, the file says" in created.reason
    verified = next(each for each in plan(desired, WORLD).steps if each.wire_name == "VerifyBranch")
    assert (verified.tables_at, rules(desired, WORLD)) == (PLACE, [])


@METHODS
def test_it_can_be_undone_and_restored_again(method):
    asked, back = asking(RESTORE, method=method), asking(None, method=method)
    restored = after(asked, WORLD)
    undone = after(back, restored)
    again = after(asked, undone)
    assert [plan(asked, restored).in_sync, plan(asked, again).in_sync] == [True, True]
    assert [plan(back, undone).live, plan(asked, again).live] == [ORIGIN, asked.timeline]


def test_the_source_is_the_files():
    other = Restore(hours_ago(30), "first")
    created = step_of(ASKED, after(asking(other), WORLD), "CreateBranch")
    assert created.source == f"main.held.origin.before.{Timeline(other.to, other.id)}"


OLD = replace(CANDIDATE, resolved_at=NOW.before(PROJECT.history + timedelta(hours=1)))
REFUSED = {
    "its source is gone": (asking(Restore(PLACE, source=Timeline(hours_ago(30)))), WORLD, "source-not-held"),
    "no history": (ASKED, with_project(history=timedelta(0)), "history-disabled"),
    "its moment has left, unproved": (ASKED, replace(WORLD, branches=(MAIN, OLD)), "tables-unprovable"),
}


@pytest.mark.parametrize(("desired", "observed", "rule"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_where(desired, observed, rule):
    assert rules(desired, observed) == [rule]


def test_a_candidate_of_an_unknown_time_is_used():
    assert rules(ASKED, replace(WORLD, branches=(MAIN, replace(CANDIDATE, resolved_at=None)))) == []


BEGUN_LATER = replace(WORLD, branches=(replace(MAIN, lsn="0/2000000"),))


@pytest.mark.parametrize(
    ("desired", "observed", "rule", "words"),
    [
        (
            ASKED,
            BEGUN_LATER,
            "lsn-before-source",
            '0/1A2B3C8 is before branch "main" began (at 0/2000000 of its parent)',
        ),
        (asking(Restore(PLACE)), WORLD, "lsn-without-source", "0/1A2B3C8 is an LSN, and the file does not say"),
    ],
)
def test_an_lsn_that_belongs_nowhere_is_refused(desired, observed, rule, words):
    (refusal,) = plan(desired, observed).refusals
    assert (refusal.rule, words in refusal.message, "primary.restore" in refusal.hint) == (rule, True, True)


def test_of_two_branches_one_has_the_lsn():
    first = asking(Restore(hours_ago(30), "first"), method=Method.IN_PLACE)
    back = after(asking(None, method=Method.IN_PLACE), after(first, WORLD))
    branches = tuple(replace(each, lsn="0/2000000" if each.name == "main" else "") for each in back.branches)
    lineage = lineage_of(replace(back, branches=branches))
    assert lineage.source(RESTORE).branch.name == f"main.held.origin.before.{first.timeline}.in-place"
    assert lineage.source(replace(RESTORE, to=Lsn.parse_strict("0/3000000"))) == lineage.live


@pytest.mark.parametrize("changes", [{}, {"resolved_at": None}, {"lsn": "0/1A2B3C0"}])
def test_a_branch_of_that_place_passes(changes):
    made = replace(CANDIDATE, **changes)
    check_identity(ASKED, (MAIN, made), made)


@pytest.mark.parametrize(
    ("lsn", "said"), [("0/1A2B3D0", "it holds 0/1A2B3D0, later than 0/1A2B3C8"), ("", "Neon does not report")]
)
def test_a_branch_of_a_later_place_fails(lsn, said):
    candidate = replace(CANDIDATE, lsn=lsn)
    with pytest.raises(GateFailed, match=said):
        check_identity(ASKED, (MAIN, candidate), candidate)


def test_a_config_is_named_after_it():
    restored = after(ASKED, WORLD)
    found = config_of(ASKED, lineage_of(restored, ASKED).live, restored.configs)
    assert found.name == expected_config(ASKED, restored) == f"tech961-{NAME}"


def test_the_file_is_edited_and_read_back():
    text = with_restore(FILE, RESTORE)
    assert '"restore": { "to_lsn": "0/1A2B3C8", "id": "inc-42", "from": "origin" }' in text
    version = read_version(text)
    assert isinstance(version, Version)
    assert (desired_timeline(text), version.timeline, version.source) == (ASKED.timeline, ASKED.timeline, ORIGIN)
    assert isinstance(read_version(text.replace("0/1A2B3C8", "1A2B3C8")), Unreadable)


def test_an_lsn_of_no_timeline_is_not_written():
    with pytest.raises(InputError, match="0/1A2B3C8 belongs"):
        with_restore(FILE, Restore(PLACE))


def test_an_import_finds_its_timeline():
    found = primary_of("production", PROJECT.id, "main", after(ASKED, WORLD).branches)
    assert found.primary.restore == RESTORE
