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
from reconciler.core.lineage.infer import infer_lineage
from reconciler.core.model.desired import Method, Restore
from reconciler.core.model.observed import Annotation, Endpoint
from reconciler.core.plan.plan import plan
from reconciler.core.rules.restore.identity import check_identity
from reconciler.core.steps.branch import CreateBranch, VerifyBranch
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import ORIGIN, HeldName, Timeline, candidate_name
from reconciler.errors import GateFailed, InputError
from tests.core.files import DESIRED, NOW, asking, hours_ago
from tests.core.plans import after
from tests.core.worlds import MAIN, PROJECT, WORLD

PLACE = Lsn.parse_strict("0/1A2B3C8")
ASKED = asking(Restore(PLACE, "inc-42", source=ORIGIN))
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


def rules(desired, observed):
    return [each.rule for each in plan(desired, observed).refusals]


@given(st.integers(1, 2**64 - 1), st.just("") | st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True))
def test_a_timeline_that_began_at_an_lsn_is_told_by_its_name_wherever_that_stands(position, identity):
    timeline = Timeline(Lsn(position), identity)
    assert Timeline.parse(timeline.name) == timeline
    held = HeldName("main", timeline, ORIGIN, 3, in_place=True)
    assert HeldName.parse("main", held.name) == held
    assert base_name(f"tech961-{timeline}") == "tech961"


def test_an_lsn_is_written_in_one_way_however_it_was_asked_for():
    assert [str(Lsn.parse_strict(text)) for text in ("0/01a2b3c8", "0/1A2B3C8", "00000010/0")] == ["0/1A2B3C8"] * 2 + [
        "10/0"
    ]
    assert Timeline(PLACE, "inc-42").name == "lsn-0-1A2B3C8-inc-42"
    assert Timeline.parse("lsn-0-01A2B3C8") is None
    assert Timeline.parse("lsn-0-1a2b3c8") is None


@pytest.mark.parametrize("method", Method)
def test_it_is_made_from_the_timeline_that_the_file_names_at_that_place_and_its_tables_are_those_of_that_place(method):
    planned = plan(asking(ASKED.primary.restore, method=method), WORLD)
    (created,) = (step for step in planned.steps if isinstance(step, CreateBranch))
    assert (created.source, created.at, str(created.timeline)) == ("main", PLACE, "lsn-0-1A2B3C8-inc-42")
    assert created.reason == "no branch carries lsn-0-1A2B3C8-inc-42, and origin has 0/1A2B3C8 in its log, by the file"
    proved = next(step for step in planned.steps if isinstance(step, VerifyBranch))
    assert proved.tables_at == PLACE
    assert planned.refusals == ()


@pytest.mark.parametrize("method", Method)
def test_it_is_live_afterwards_and_its_undo_and_the_undo_of_that_find_what_is_held(method):
    asked = asking(ASKED.primary.restore, method=method)
    restored = after(asked, WORLD)
    assert plan(asked, restored).in_sync
    undone = after(asking(None, method=method), restored)
    assert plan(asking(None, method=method), undone).live == ORIGIN
    again = after(asked, undone)
    assert plan(asked, again).live == asked.timeline
    assert plan(asked, again).in_sync


def test_the_same_file_means_the_same_timeline_whatever_is_live():
    other = Restore(hours_ago(30), "first")
    restored = after(asking(other), WORLD)
    (created,) = (step for step in plan(ASKED, restored).steps if isinstance(step, CreateBranch))
    assert created.source == f"main.held.origin.before.{Timeline(other.to, other.id)}"


def test_a_timeline_that_no_branch_carries_is_refused_as_its_source():
    gone = Restore(PLACE, source=Timeline(hours_ago(30)))
    assert rules(asking(gone), WORLD) == ["source-not-held"]


def test_a_place_before_its_source_began_is_refused_with_where_it_began():
    began = replace(WORLD, branches=(replace(MAIN, lsn="0/2000000"),))
    (refusal,) = plan(ASKED, began).refusals
    assert refusal.rule == "lsn-before-source"
    assert refusal.message == '0/1A2B3C8 is before branch "main" began (at 0/2000000 of its parent)'
    assert refusal.hint == "name the timeline whose log the LSN is from in primary.restore.from"


def test_of_two_branches_of_a_timeline_the_one_whose_log_can_have_the_place_is_taken():
    first = asking(Restore(hours_ago(30), "first"), method=Method.IN_PLACE)
    back = after(asking(None, method=Method.IN_PLACE), after(first, WORLD))
    branches = tuple(replace(each, lsn="0/2000000" if each.name == "main" else "") for each in back.branches)
    lineage = infer_lineage(asking(None), branches)
    source = lineage.source(ASKED.primary.restore)
    assert source.branch.name == f"main.held.origin.before.{first.timeline}.in-place"
    assert lineage.source(replace(ASKED.primary.restore, to=Lsn.parse_strict("0/3000000"))) == lineage.live


def test_where_neon_keeps_no_history_it_is_refused_as_any_restore():
    assert rules(ASKED, replace(WORLD, project=replace(PROJECT, history=timedelta(0)))) == ["history-disabled"]


def test_an_lsn_of_no_timeline_is_refused_where_nothing_says_which():
    (refusal,) = plan(asking(Restore(PLACE)), WORLD).refusals
    assert refusal.rule == "lsn-without-source"
    assert refusal.message == "0/1A2B3C8 is an LSN, and the file does not say which timeline it belongs to"
    assert refusal.hint == "add that timeline to primary.restore as from"


def test_what_neon_made_at_that_place_passes_whether_or_not_it_tells_a_time():
    for told in (CANDIDATE, replace(CANDIDATE, resolved_at=None), replace(CANDIDATE, lsn="0/1A2B3C0")):
        check_identity(ASKED, (MAIN, told), told)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"lsn": "0/1A2B3D0"}, "it holds 0/1A2B3D0, later than 0/1A2B3C8"), ({"lsn": ""}, "Neon does not tell")],
)
def test_what_neon_made_at_a_later_place_or_at_none_that_it_tells_gets_no_users(changes, said):
    candidate = replace(CANDIDATE, **changes)
    with pytest.raises(GateFailed, match=said):
        check_identity(ASKED, (MAIN, candidate), candidate)


def test_a_candidate_whose_place_left_the_history_before_it_was_proved_is_kept_and_refused():
    old = replace(CANDIDATE, resolved_at=NOW.before(PROJECT.history + timedelta(hours=1)))
    assert rules(ASKED, replace(WORLD, branches=(MAIN, old))) == ["tables-unprovable"]
    unknown = replace(WORLD, branches=(MAIN, replace(CANDIDATE, resolved_at=None)))
    assert rules(ASKED, unknown) == []


def test_a_config_that_is_named_after_it_is_one_of_this_environment():
    restored = after(ASKED, WORLD)
    found = config_of(ASKED, infer_lineage(ASKED, restored.branches).live, restored.configs)
    assert found is not None
    assert found.name == expected_config(ASKED, restored) == "tech961-lsn-0-1A2B3C8-inc-42"


def test_the_file_is_edited_and_read_again_with_its_timeline():
    text = with_restore(FILE, ASKED.primary.restore)
    assert '"restore": { "to_lsn": "0/1A2B3C8", "id": "inc-42", "from": "origin" }' in text
    assert desired_timeline(text) == ASKED.timeline
    version = read_version(text)
    assert isinstance(version, Version)
    assert (version.timeline, version.source) == (ASKED.timeline, ORIGIN)
    assert isinstance(read_version(text.replace("0/1A2B3C8", "1A2B3C8")), Unreadable)
    with pytest.raises(InputError, match="does not tell to which other one 0/1A2B3C8 belongs"):
        with_restore(FILE, Restore(PLACE))


def test_an_environment_that_lost_its_file_gets_the_timeline_that_its_place_belongs_to():
    restored = after(ASKED, WORLD)
    found = primary_of("production", PROJECT.id, "main", restored.branches)
    assert found.primary.restore == Restore(PLACE, "inc-42", source=ORIGIN)
    assert DESIRED.primary.restore is None
