"""Drills: what may be damaged and how, whose a thing is, which phase a moment belongs to, and what is proved."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.drill.checks import Seen, checks, diff, table_proofs
from reconciler.core.drill.destruction import Column, Table, identifier, possible
from reconciler.core.drill.file import drill_file
from reconciler.core.drill.guard import Place, damage
from reconciler.core.drill.history import done
from reconciler.core.drill.leftovers import branch_stays, config_stays, is_another_drills, to_serve_again, worker_stays
from reconciler.core.drill.marks import Annotation as Moment
from reconciler.core.drill.marks import measured, phase_of
from reconciler.core.drill.names import DrillNames, drill_environment, drill_script, is_of_a_drill, lending
from reconciler.core.drill.results import Drill, Measured, Phase, Promise, Round, Stretch
from reconciler.core.file.reading import DesiredStateError, read_desired_state
from reconciler.core.model.compute import UNSAID
from reconciler.core.model.desired import DrillSettings, Hyperdrive, Restore, RtoSource
from reconciler.core.model.destruction import ALL, DestructionSpec, Kind
from reconciler.core.model.observed import (
    Annotation,
    Branch,
    DeployedVersion,
    Endpoint,
    HyperdriveConfig,
    UploadedVersion,
    Use,
)
from reconciler.core.plan.plan import plan
from reconciler.core.rules.next_steps import next_steps
from reconciler.core.snapshot.manifest import Contents
from reconciler.core.snapshot.manifest import Table as Counted
from reconciler.core.steps.branch import AddCompute, VerifyBranch
from reconciler.core.steps.hyperdrive import CreateHyperdrive
from reconciler.core.steps.primary import RenameBranch, SetDefaultBranch
from reconciler.core.steps.worker import SwitchTraffic
from reconciler.core.values.timeline import ORIGIN, Timeline
from reconciler.errors import InputError
from tests.core.drill.drills import once
from tests.core.files import DESIRED, NOW, asking, hours_ago
from tests.core.worlds import CONFIG, MAIN, WORLD, with_main

NAMES = DrillNames.of(DESIRED, NOW)
BRANCH = Branch(
    "br-drill",
    "main.drill.20261122T100000000Z",
    NOW,
    parent_id="br-main",
    mark=Annotation("production-drill-20261122t100000000z", ORIGIN),
    endpoint=Endpoint("ep-drill", "ep-drill.neon.tech"),
)
DRILLED = HyperdriveConfig("cd", "tech961-drill-20261122T100000000Z", "ep-drill.neon.tech", 5432, "tech961", "app")
PLACE = Place("ep-drill.neon.tech", 5432)
LISTING = Table(
    'public."Listing"', "Listing", 5,
    (Column("id", "N", key=True), Column("price", "N", key=False), Column('a "b"', "S", key=False)),
)  # fmt: skip
CLICK = Table('public."Click"', "Click", 12, (Column("id", "N", key=True), Column("spot", "G", key=False)))
EMPTY = Table("public.empty", "empty", 0, (Column("text", "S", key=False),))
TABLES = (EMPTY, LISTING, CLICK, Table("public._prisma_migrations", "_prisma_migrations", 99, ()),
          Table("reconciler_drill.canary", "canary", 1, ()))  # fmt: skip


# What is destroyed.

CORRUPTION = (
    "update only public.\"Listing\" set @ = overlay(@ placing case when left(@, 1) = '#' then '?' else '#' end "
    "from 1 for 1) where @ is not null"
).replace("@", '"a ""b"""')


@pytest.mark.parametrize(
    ("wish", "first", "sql"),
    [
        ("drop-table", 'drop table public."Click"', 'drop table public."Click" cascade'),
        ("drop-table:empty", "drop table public.empty", "drop table public.empty cascade"),
        ("truncate:public.\"Listing\"", 'truncate public."Listing"', 'truncate public."Listing" cascade'),
        (
            "delete-half",
            'delete 6 of 12 rows of public."Click"',
            'delete from only public."Click" where ctid in (select ctid from only public."Click" limit 6)',
        ),
        (
            "corrupt-column",
            'corrupt column "a ""b""" of public."Listing"',
            CORRUPTION,
        ),
        ("migration:bad.sql", "bad migration bad.sql", "drop schema public"),
        (
            "drop-role",
            'drop role "reconciler_drill_role"',
            'drop owned by "reconciler_drill_role"; drop role "reconciler_drill_role"',
        ),
        ('drop-role:x"y', 'drop role "x""y"', 'drop owned by "x""y"; drop role "x""y"'),
    ],
)  # fmt: skip
def test_a_destruction_is_chosen_from_what_there_is_the_most_rows_first_and_every_name_is_quoted(wish, first, sql):
    found = possible(DestructionSpec.parse(wish), TABLES, "drop schema public")
    assert (found[0].what, found[0].sql) == (first, sql)
    assert str(DestructionSpec.parse(wish)) == wish


def test_what_one_table_does_not_let_be_done_is_tried_with_the_next_and_never_with_a_tools_own():
    every = [
        each.what for kind in Kind for each in possible(DestructionSpec(kind, "x" * (kind is Kind.MIGRATION)), TABLES)
    ]
    assert [each for each in every if "_prisma" in each or "canary" in each] == []
    dropped = [each.what for each in possible(DestructionSpec(Kind.DROP_TABLE), TABLES)]
    assert dropped == ['drop table public."Click"', 'drop table public."Listing"', "drop table public.empty"]
    corrupted = [each.what for each in possible(DestructionSpec(Kind.CORRUPT_COLUMN), TABLES)]
    assert corrupted == [
        'corrupt column "a ""b""" of public."Listing"', 'corrupt column "price" of public."Listing"',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ("truncate:empty", 'truncate can\'t be done to table "empty"'),
        ("drop-table:gone", 'drop-table can\'t be done to table "gone"'),
    ],
)
def test_what_can_not_be_destroyed_is_an_error_that_lists_the_tables(wish, said):
    with pytest.raises(InputError, match=said) as error:
        possible(DestructionSpec.parse(wish), TABLES)
    assert 'public."Listing"' in error.value.hint


def test_where_there_is_no_table_that_is_said():
    with pytest.raises(InputError, match="truncate can't be done to any table") as error:
        possible(DestructionSpec(Kind.TRUNCATE), ())
    assert error.value.hint == "there is: no table at all"


@pytest.mark.parametrize(
    ("text", "said"), [("explode", '"explode" is no destruction'), ("migration", "a migration is read from a file")]
)
def test_what_is_no_destruction_is_an_error_that_says_what_is(text, said):
    with pytest.raises(InputError, match=said) as error:
        DestructionSpec.parse(text)
    assert error.value.hint


def test_all_are_those_that_need_no_file():
    assert {each.kind for each in ALL} == set(Kind) - {Kind.MIGRATION}


@given(st.text(min_size=1))
def test_a_quoted_name_is_one_identifier_whatever_is_in_it(name):
    quoted = identifier(name)
    assert quoted[0] == quoted[-1] == '"'
    assert quoted[1:-1].replace('""', "").count('"') == 0


# Whose a thing is.


def test_the_names_of_a_drill_say_whose_it_is_and_of_which_drill():
    assert NAMES.environment == "production-drill-20261122t100000000z"
    assert NAMES.branch == "main.drill.20261122T100000000Z"
    assert NAMES.hyperdrive == "tech961-drill-20261122T100000000Z"
    assert drill_script("tech961-api") == "tech961-api-drill"
    assert drill_environment("x" * 13 + "-y-z", NOW.compact) == "x" * 13 + "-drill-20261122t100000000z"
    assert len(drill_environment("x" * 40, NOW.compact)) == 40


def test_what_drills_have_left_is_found_by_branches_and_by_configs():
    other = replace(DRILLED, name="tech961-drill-20261121T090000000Z-r-20261121T085900000Z")
    held = replace(BRANCH, name=f"{BRANCH.name}.held.origin.before.r-20261122T095900000Z")
    found = DrillNames.left(DESIRED, (MAIN, held, replace(MAIN, name="main.drill.soon")), (CONFIG, other))
    assert [each.stamp for each in found] == ["20261121T090000000Z", "20261122T100000000Z"]
    bare = replace(DESIRED, hyperdrive=None, workers=())
    assert [each.stamp for each in DrillNames.left(bare, (BRANCH,), (other,))] == ["20261122T100000000Z"]


@pytest.mark.parametrize(
    ("changes", "is_ours"),
    [
        ({}, True),
        ({"name": f"{BRANCH.name}.candidate.r-20261122T095900000Z"}, True),
        ({"name": f"{BRANCH.name}2"}, False),
        ({"name": "main"}, False),
        ({"mark": None}, False),
        ({"mark": Annotation("production", ORIGIN)}, False),
        ({"mark": Annotation("production-drill-20261122t100000001z", ORIGIN)}, False),
    ],
)
def test_a_branch_is_a_drills_by_its_name_and_by_its_annotation(changes, is_ours):
    assert NAMES.has_branch(replace(BRANCH, **changes)) is is_ours


def test_a_config_is_a_drills_by_its_name():
    names = (DRILLED.name, f"{DRILLED.name}-r-x", f"{DRILLED.name}9", "tech961")
    assert [NAMES.has_config(each) for each in names] == [True, True, False, False]
    assert [is_of_a_drill(DESIRED, each) for each in (DRILLED.name, "tech961", "tech961-drill-x")] == [
        True,
        False,
        False,
    ]
    bare = replace(DESIRED, hyperdrive=None)
    assert (is_of_a_drill(bare, DRILLED.name), DrillNames.of(bare, NOW).has_config("-drill-x")) == (False, False)


# What may be damaged.


def reasons(branch=BRANCH, place=PLACE, configs=(CONFIG, DRILLED), desired=DESIRED):
    refusals = damage(desired, NAMES, place, (MAIN, branch), configs)
    return "; ".join(each for refusal in refusals for each in refusal.reasons)


def test_the_branch_of_the_drill_itself_may_be_damaged():
    assert reasons() == ""


@pytest.mark.parametrize(
    ("said", "changed"),
    [
        ("there is no such branch", {"branch": replace(BRANCH, name="other")}),
        ("it is the project's default branch", {"branch": replace(BRANCH, default=True)}),
        ("it is protected", {"branch": replace(BRANCH, protected=True)}),
        ("it is a root branch", {"branch": replace(BRANCH, parent_id=None)}),
        ("it has no annotation", {"branch": replace(BRANCH, mark=None)}),
        ('annotated for environment "production"', {"branch": replace(BRANCH, mark=Annotation("production", ORIGIN))}),
        ("annotated", {"branch": replace(BRANCH, mark=Annotation(NAMES.environment, Timeline(NOW)))}),
        ("the login leads to ep-main.neon.tech:5432", {"place": Place("ep-main.neon.tech", 5432)}),
        ("the login leads to", {"branch": replace(BRANCH, endpoint=None)}),
        ('"tech961" leads to it', {"configs": (replace(CONFIG, host="ep-drill.neon.tech"),)}),
        ('"tech961" leads to it', {"configs": (replace(CONFIG, host="ep-drill-pooler.neon.tech"),)}),
        (
            "it is the primary of production",
            {"desired": replace(DESIRED, primary=replace(DESIRED.primary, branch=BRANCH.name))},
        ),
    ],
)
def test_nothing_is_damaged_that_may_be_anything_but_the_drills_own(said, changed):
    assert said in reasons(**changed)


def test_what_must_not_be_damaged_is_refused_with_its_name_and_all_reasons():
    (refusal,) = damage(DESIRED, NAMES, PLACE, (replace(BRANCH, default=True, protected=True),), ())
    assert refusal.message == (
        f'the drill does not damage "{BRANCH.name}": it is the project\'s default branch; it is protected'
    )
    assert refusal.hint.startswith("nothing was destroyed")


@given(st.sampled_from(["default", "protected"]), st.booleans(), st.sampled_from([BRANCH.name, "main"]))
def test_no_branch_is_damaged_whose_host_production_reaches(flag, value, name):
    branch = replace(BRANCH, name=name, **{flag: value}, endpoint=MAIN.endpoint)
    assert damage(DESIRED, NAMES, Place("ep-main.neon.tech", 5432), (branch,), (CONFIG,))


# What may be taken away.


def test_a_worker_is_taken_away_where_all_that_is_live_is_bound_to_configs_of_this_drill():
    own, others = DeployedVersion("v1", 100, "cd"), DeployedVersion("v2", 0, "c0")
    assert worker_stays(NAMES, (own,), (CONFIG, DRILLED)) == ()
    for deployed in (
        (own, others),
        (others,),
        (),
        (replace(own, hyperdrive_id=None),),
        (replace(own, hyperdrive_id="?"),),
    ):
        assert worker_stays(NAMES, deployed, (CONFIG, DRILLED))


def test_a_worker_that_another_drill_uses_is_left_to_that_drill():
    mine, theirs = DeployedVersion("v1", 50, "cd"), DeployedVersion("v2", 50, "ce")
    other = DrillNames.of(DESIRED, NOW.after(timedelta(minutes=1)))
    configs = (CONFIG, DRILLED, replace(DRILLED, id="ce", name=other.hyperdrive))
    assert is_another_drills(DESIRED, NAMES, (theirs,), configs)
    assert worker_stays(NAMES, (theirs,), configs)
    for deployed in ((mine,), (mine, theirs), (), (replace(theirs, hyperdrive_id="c0"),)):
        assert not is_another_drills(DESIRED, NAMES, deployed, configs)


def test_a_borrowed_worker_is_given_back_to_the_version_that_its_newest_label_names():
    labels = ("reconciler drill borrows it, soon: was v7", lending(NAMES.stamp, "v2"), lending(NAMES.stamp, "v1"))
    assert to_serve_again(tuple(UploadedVersion(each, each, "cd") for each in labels)) == "v2"
    assert to_serve_again((UploadedVersion("v3", "reconciler: production on origin, code of v1", "cd"),)) == ""


def test_a_config_is_taken_away_where_only_the_drills_worker_uses_it_and_it_leads_to_nothing_else():
    uses = (Use("tech961-api-drill", "cd"), Use("tech961-api", "c0"))
    assert config_stays(NAMES, DRILLED, (MAIN, BRANCH), uses, ["tech961-api-drill"]) == ()
    told = config_stays(NAMES, DRILLED, (MAIN, BRANCH), (*uses, Use("cron", "cd")), ["tech961-api-drill"])
    assert told == ("Worker cron is bound to it",)
    led = replace(DRILLED, host="ep-main-pooler.neon.tech")
    assert config_stays(NAMES, led, (MAIN, BRANCH), (), []) == ('it leads to branch "main"',)


def test_a_branch_is_taken_away_where_nothing_was_made_from_it_and_nothing_leads_to_it():
    assert branch_stays(NAMES, BRANCH, (MAIN, BRANCH, replace(BRANCH, endpoint=None)), (CONFIG,)) == ()
    assert branch_stays(NAMES, replace(BRANCH, endpoint=None), (), (DRILLED,)) == ()
    child = replace(BRANCH, id="br-child", name="mine", parent_id=BRANCH.id)
    kept = replace(BRANCH, default=True, protected=True)
    assert branch_stays(NAMES, kept, (MAIN, kept, child), (DRILLED,)) == (
        "it is the project's default branch", "it is protected", '"mine" was made from it',
        f'Hyperdrive config "{DRILLED.name}" leads to it',
    )  # fmt: skip
    assert branch_stays(NAMES, MAIN, (MAIN,), ())[0] == "no drill has made it"


# The phases.


def test_each_moment_belongs_to_one_phase_and_one_that_comes_back_counts_as_one():
    marks = [
        Moment(Phase.DECIDE, 10.0),
        Moment(Phase.PLAN, 11.0),
        Moment(Phase.DECIDE, 13.0),
        Moment(Phase.VERIFY, 13.5),
    ]
    assert measured(marks, 15.0) == (
        Measured(Phase.DECIDE, (Stretch(0.0, 1.0), Stretch(3.0, 0.5))),
        once(Phase.PLAN, 1.0, 2.0), once(Phase.VERIFY, 3.5, 1.5),
    )  # fmt: skip
    assert measured([], 15.0) == ()


@given(st.lists(st.tuples(st.sampled_from(Phase), st.integers(0, 1000)), min_size=1), st.integers(0, 1000))
def test_the_phases_add_up_to_the_time_from_the_first_mark_to_the_end(steps, last):
    at, marks = 0, []
    for phase, seconds in steps:
        marks.append(Moment(phase, float(at)))
        at += seconds
    assert sum(each.seconds for each in measured(marks, float(at + last))) == at + last


@pytest.mark.parametrize(
    ("step", "phase"),
    [
        (next_steps(asking(Restore(hours_ago(1))), WORLD)[0], Phase.BRANCH),
        (AddCompute(branch="c", compute=UNSAID, reason=""), Phase.COMPUTE),
        (VerifyBranch(branch="c", gates=(), tables_at=None, reason=""), Phase.VERIFY),
        (CreateHyperdrive(name="h", branch="c", database="d", role="r", reason=""), Phase.HYPERDRIVE),
        (SwitchTraffic(script="s", hyperdrive="h", label="l", reason=""), Phase.DEPLOY),
        (RenameBranch(branch="c", to="main", reason=""), Phase.TRAFFIC),
    ],
)  # fmt: skip
def test_every_step_is_of_the_phase_in_which_people_wait_for_it(step, phase):
    assert phase_of(step) is phase


# The proofs.

CONTENTS = Contents(
    (Counted("a", 5, "17"), Counted("b", 2, "3"), Counted("reconciler_drill.canary", 1, "0")), (), (), 0, "0", None
)
GOOD = Seen(CONTENTS, frozenset({"app", "reader"}), before=True, after=False)
BROKEN = Seen(
    replace(CONTENTS, tables=(Counted("a", 4, "16"), CONTENTS.tables[2])), frozenset({"app"}), before=True, after=True
)


def held(good=GOOD, damaged=BROKEN, restored=GOOD):
    return [each.holds for each in checks(good, damaged, restored)]


def test_a_restore_that_brought_everything_back_is_proved():
    assert held() == [True] * 6
    assert checks(GOOD, BROKEN, GOOD)[1].seen == "2 tables with 7 rows, and 2 roles, are alike"
    assert checks(GOOD, BROKEN, GOOD)[4].seen == (
        "table b is missing; table a has 4 rows, and had 5; role reader is missing"
    )


def test_what_is_still_damaged_is_found():
    assert held(restored=BROKEN) == [True, False, True, False, True, True]
    lost = replace(GOOD, before=False)
    assert held(restored=lost) == [True, True, False, True, True, True]


def test_where_nothing_was_damaged_the_negative_control_fails_and_with_it_the_drill():
    untouched = replace(
        GOOD, contents=replace(CONTENTS, tables=(*CONTENTS.tables[:2], Counted("reconciler_drill.canary", 2, "9")))
    )
    assert held(damaged=untouched) == [True, True, True, True, False, False]
    assert checks(GOOD, untouched, GOOD)[4].seen == "no damage"


def test_where_there_was_nothing_to_lose_nothing_is_proved_but_a_large_object_is_something():
    """Only a role was dropped and came back: of the data, which there is none of, that says nothing."""
    empty = replace(CONTENTS, tables=(Counted("a", 0, "0"), CONTENTS.tables[2]))
    for contents, proved in ((empty, False), (replace(empty, large_objects=1), True)):
        good = replace(GOOD, contents=contents)
        assert held(good, replace(good, roles=frozenset(), after=True), good) == [proved, *[True] * 5]
    assert checks(good, good, good)[0].seen == "1 tables with 0 rows"


def test_more_differences_than_anybody_reads_are_counted():
    many = replace(GOOD, roles=frozenset({"app", *"vwxyz"}))
    assert len(diff(many, GOOD)) == 5
    assert checks(many, GOOD, GOOD)[1].seen.endswith("; and 2 more")


def test_each_table_is_told_at_its_three_moments():
    a, b = table_proofs(GOOD, BROKEN, GOOD)
    assert (a.rows_before, a.rows_damaged, a.rows_restored, a.same, a.damaged) == (5, 4, 5, True, True)
    assert (b.rows_damaged, b.checksum_damaged, b.checksum_restored) == (None, None, "3")
    (gone, new) = table_proofs(GOOD, GOOD, replace(GOOD, contents=replace(CONTENTS, tables=(Counted("b", 2, "3"),))))
    assert (gone.rows_restored, gone.same, new.same) == (None, False, True)
    fresh = replace(GOOD, contents=replace(CONTENTS, tables=(Counted("new", 1, "1"),)))
    assert [each.rows_before for each in table_proofs(GOOD, GOOD, fresh)] == [5, 2, None]


# The files.

FILE = """{
  "$schema": "./schema.json",
  // production
  "primary": {
    "project": "aged-wildflower-123456", "branch": "main", "restore": { "to": "2026-11-21T09:55:00Z" },
    "method": "in-place", "hold": "7d", "history_retention": "7d", "protected": true, "expire_on_neon": true,
  },
  "hyperdrive": { "name": "tech961", "database": "tech961", "role": "app" },
  "worker": { "config": "wrangler.jsonc", "binding": "HYPERDRIVE" },
  "verify": {
    "sql": [{ "name": "listings", "query": "select true" }],
    "http": [{ "name": "health", "url": "https://961tech.example/health" }],
  },
  "branches": [], "write_back": "push", "drill": { "rto": "30m" },
}"""


WITH_LIST = DrillSettings("30m", destroy=("truncate:Click", "migration:bad.sql"))
WITH_SOURCE = DrillSettings(rto_source=RtoSource("a/b.md", "Backend"), reports="x", worker="drill")


def read(text, environment="production"):
    return read_desired_state(text, file="x.jsonc", environment=environment, now=NOW)


def test_a_drills_file_asks_for_the_same_of_other_things_and_sets_nothing_of_the_project():
    workers = [{"config": "worker-0.jsonc", "binding": "HYPERDRIVE"}]
    gates = [{"name": "health", "url": "https://tech961-api-drill.x.workers.dev/health"}]
    found = read(drill_file(FILE, NAMES, workers, gates), NAMES.environment)
    primary = found.primary
    assert (primary.branch, primary.restore, primary.method.value) == (NAMES.branch, None, "branch")
    assert (primary.hold, primary.history_retention, primary.protected, primary.expire_on_neon) == (
        None,
        None,
        None,
        None,
    )
    assert (primary.default, found.branches, found.hyperdrive) == (
        False,
        None,
        Hyperdrive(NAMES.hyperdrive, "tech961", "app"),
    )
    assert [each.config for each in found.workers] == ["worker-0.jsonc"]
    assert ([each.name for each in found.verify.sql], found.verify.http[0].url) == (["listings"], gates[0]["url"])


def test_a_drills_file_has_no_http_gates_without_workers():
    bare = FILE.replace('"hyperdrive": { "name": "tech961", "database": "tech961", "role": "app" },', "").replace(
        '"sql": [', '"database": "d", "role": "r", "sql": ['
    )
    found = json.loads(drill_file(bare, NAMES, [], []))
    assert ("worker" in found, "hyperdrive" in found, found["verify"]["http"]) == (False, False, [])


@pytest.mark.parametrize(
    ("section", "settings"),
    [
        ("{}", DrillSettings()),
        ('{"rto": "30m", "destroy": ["truncate:Click", "migration:bad.sql"]}', WITH_LIST),
        ('{"rto": {"file": "a/b.md", "section": "Backend"}, "reports": "x", "worker": "drill"}', WITH_SOURCE),
    ],
)  # fmt: skip
def test_the_file_says_how_drills_are_done(section, settings):
    assert read(FILE.replace('{ "rto": "30m" }', section)).drill == settings


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ('{"rto": 30}', "must be a length of time"),
        ('{"rto": {"file": "x.md"}}', "an object of file and section"),
        ('{"rto": {"file": "x.md", "section": ""}}', "must name a Markdown file and a section of it"),
        ('{"rto": {"file": "../x.md", "section": "y"}}', "must be a path inside the repository"),
        ('{"destroy": ["explode"]}', "is no destruction"),
        ('{"destroy": ["migration:/etc/x"]}', "must be a path inside the repository"),
        ('{"reports": "~"}', "must be a path inside the repository"),
        ('{"rot": "30m"}', 'did you mean "rto"?'),
    ],
)
def test_a_mistake_in_what_the_file_says_of_drills_is_told(section, said):
    with pytest.raises(DesiredStateError) as error:
        read(FILE.replace('{ "rto": "30m" }', section))
    assert said in str(error.value)


def test_a_primary_that_is_not_to_be_the_default_branch_leaves_the_default_to_another():
    observed = with_main(default=False)
    assert isinstance(next_steps(DESIRED, observed)[0], SetDefaultBranch)
    asked = replace(DESIRED, primary=replace(DESIRED.primary, default=False))
    assert plan(asked, observed).in_sync
    assert plan(asked, WORLD).in_sync


def test_a_promise_is_kept_in_the_report_where_it_is_kept_in_the_history():
    proofs = checks(GOOD, BROKEN, GOOD)
    for seconds, kept in ((6.0004, True), (6.001, False)):
        found = Round("truncate", NOW, "r-x", (once(Phase.PLAN, 0.0, seconds),), (), proofs, None, ())
        drill = Drill("production", "p", NOW, "branch", "c", (found,), 20.0, Promise(6.0, "x.md"), (), ())
        assert (drill.kept, done(drill).kept) == (kept, kept)


def test_a_drill_is_proved_and_keeps_its_promise_by_its_slowest_round():
    proofs = checks(GOOD, BROKEN, GOOD)
    phases = (once(Phase.PLAN, 0.0, 2.0), once(Phase.VERIFY, 2.0, 3.0))
    quick = Round("truncate", NOW, "r-x", phases, (), proofs, None, ())
    slow = replace(quick, phases=(*phases, once(Phase.DEPLOY, 5.0, 1.0)))
    drill = Drill("production", "p", NOW, "branch", "c", (quick, slow), 20.0, None, (), ())
    assert (drill.proved, drill.slowest, drill.kept) == (True, 6.0, True)
    assert [replace(drill, promise=Promise(most, "x.md")).kept for most in (6.0, 5.9)] == [True, False]
    assert not replace(drill, rounds=(quick, replace(slow, checks=checks(GOOD, GOOD, GOOD)))).proved
    assert not replace(drill, rounds=()).proved
