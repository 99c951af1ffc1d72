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
from reconciler.core.steps.primary import RenameBranch
from reconciler.core.steps.worker import SwitchTraffic
from reconciler.core.values.timeline import ORIGIN, Timeline
from reconciler.errors import InputError
from tests.core.drill.drills import once
from tests.core.files import DESIRED, NOW, asking, hours_ago
from tests.core.worlds import CONFIG, MAIN, WORLD, with_main

NAMES = DrillNames.of(DESIRED, NOW)
BRANCH = Branch(
    "br-drill", "main.drill.20261122T100000000Z", NOW, parent_id="br-main",
    endpoint=Endpoint("ep-drill", "ep-drill.neon.tech"),
    mark=Annotation("production-drill-20261122t100000000z", ORIGIN),
)  # fmt: skip
DRILLED = HyperdriveConfig("cd", "tech961-drill-20261122T100000000Z", "ep-drill.neon.tech", 5432, "tech961", "app")
PLACE = Place("ep-drill.neon.tech", 5432)
LISTING = Table(
    'public."Listing"', "Listing", 5,
    (Column("id", "N", key=True), Column("price", "N", key=False), Column('a "b"', "S", key=False)),
)  # fmt: skip
CLICK = Table('public."Click"', "Click", 12, (Column("id", "N", key=True), Column("spot", "G", key=False)))
EMPTY = Table("public.empty", "empty", 0, (Column("text", "S", key=False),))
TABLES = (
    EMPTY, LISTING, CLICK, Table("public._prisma_migrations", "_prisma_migrations", 99, ()),
    Table("reconciler_drill.canary", "canary", 1, ()),
)  # fmt: skip

# What is destroyed

CORRUPTION = (
    "update only public.\"Listing\" set @ = overlay(@ placing case when left(@, 1) = '#' then '?' else '#' end "
    "from 1 for 1) where @ is not null"
).replace("@", '"a ""b"""')
HALF = 'delete from only public."Click" where ctid in (select ctid from only public."Click" limit 6)'


@pytest.mark.parametrize(
    ("wish", "first", "sql"),
    [
        ("drop-table", 'drop table public."Click"', 'drop table public."Click" cascade'),
        ("drop-table:empty", "drop table public.empty", "drop table public.empty cascade"),
        ('truncate:public."Listing"', 'truncate public."Listing"', 'truncate public."Listing" cascade'),
        ("delete-half", 'delete 6 of 12 rows of public."Click"', HALF),
        ("corrupt-column", 'corrupt column "a ""b""" of public."Listing"', CORRUPTION),
        ("migration:bad.sql", "bad migration bad.sql", "drop schema public"),
        (
            "drop-role", 'drop role "reconciler_drill_role"',
            'drop owned by "reconciler_drill_role"; drop role "reconciler_drill_role"',
        ),
        ('drop-role:x"y', 'drop role "x""y"', 'drop owned by "x""y"; drop role "x""y"'),
    ],
)  # fmt: skip
def test_a_destruction_takes_the_table_with_most_rows(wish, first, sql):
    found = possible(DestructionSpec.parse(wish), TABLES, "drop schema public")
    assert (found[0].what, found[0].sql, str(DestructionSpec.parse(wish))) == (first, sql, wish)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Kind.DROP_TABLE, [f"drop table public.{name}" for name in ('"Click"', '"Listing"', "empty")]),
        (Kind.CORRUPT_COLUMN, [f'corrupt column {name} of public."Listing"' for name in ('"a ""b"""', '"price"')]),
    ],
)
def test_other_tables_follow(kind, expected):
    assert [each.what for each in possible(DestructionSpec(kind), TABLES)] == expected


@pytest.mark.parametrize("kind", Kind)
def test_a_tools_own_tables_are_never_destroyed(kind):
    every = [each.what for each in possible(DestructionSpec(kind, "x" * (kind is Kind.MIGRATION)), TABLES)]
    assert [each for each in every if "_prisma" in each or "canary" in each] == []


@pytest.mark.parametrize(
    ("wish", "tables", "said", "there"),
    [
        ("truncate:empty", TABLES, 'truncate can\'t be done to table "empty"', 'public."Listing"'),
        ("drop-table:gone", TABLES, 'drop-table can\'t be done to table "gone"', 'public."Listing"'),
        ("truncate", (), "truncate can't be done to any table", "there is: no table at all"),
    ],
)
def test_an_impossible_destruction_lists_the_tables(wish, tables, said, there):
    with pytest.raises(InputError, match=said) as error:
        possible(DestructionSpec.parse(wish), tables)
    assert there in error.value.hint


@pytest.mark.parametrize(
    ("text", "said"), [("explode", '"explode" is no destruction'), ("migration", "a migration is read from a file")]
)
def test_an_unknown_destruction_is_an_error(text, said):
    with pytest.raises(InputError, match=said) as error:
        DestructionSpec.parse(text)
    assert error.value.hint


def test_all_are_those_that_need_no_file():
    assert {each.kind for each in ALL} == set(Kind) - {Kind.MIGRATION}


@given(st.text(min_size=1))
def test_a_quoted_name_is_one_identifier(name):
    quoted = identifier(name)
    assert quoted[0] == quoted[-1] == '"'
    assert quoted[1:-1].replace('""', "").count('"') == 0


# Whose a thing is


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (NAMES.environment, "production-drill-20261122t100000000z"),
        (NAMES.branch, "main.drill.20261122T100000000Z"),
        (NAMES.hyperdrive, "tech961-drill-20261122T100000000Z"),
        (drill_script("tech961-api"), "tech961-api-drill"),
        (drill_environment("x" * 13 + "-y-z", NOW.compact), "x" * 13 + "-drill-20261122t100000000z"),
        (drill_environment("x" * 40, NOW.compact), "x" * 14 + "-drill-20261122t100000000z"),
    ],
)
def test_names_of_a_drill(name, expected):
    assert (name, len(name) <= 40) == (expected, True)


BARE = replace(DESIRED, hyperdrive=None, workers=())
EARLIER = replace(DRILLED, name="tech961-drill-20261121T090000000Z-r-20261121T085900000Z")


@pytest.mark.parametrize(
    ("desired", "stamps"),
    [(DESIRED, ["20261121T090000000Z", "20261122T100000000Z"]), (BARE, ["20261122T100000000Z"])],
    ids=["branches and configs", "branches"],
)
def test_leftovers_are_found(desired, stamps):
    held = replace(BRANCH, name=f"{BRANCH.name}.held.origin.before.r-20261122T095900000Z")
    branches = (MAIN, held, replace(MAIN, name="main.drill.soon"))
    assert [each.stamp for each in DrillNames.left(desired, branches, (CONFIG, EARLIER))] == stamps


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
def test_a_branch_of_a_drill_is_annotated(changes, is_ours):
    assert NAMES.has_branch(replace(BRANCH, **changes)) is is_ours


@pytest.mark.parametrize(
    ("name", "ours", "any_drills"),
    [
        (DRILLED.name, True, True),
        (f"{DRILLED.name}-r-x", True, True),
        (f"{DRILLED.name}9", False, False),
        ("tech961", False, False),
        ("tech961-drill-x", False, False),
    ],
)
def test_a_config_is_a_drills_by_its_name(name, ours, any_drills):
    assert (NAMES.has_config(name), is_of_a_drill(DESIRED, name)) == (ours, any_drills)


def test_without_hyperdrive_no_config_is_a_drills():
    bare = replace(DESIRED, hyperdrive=None)
    assert (is_of_a_drill(bare, DRILLED.name), DrillNames.of(bare, NOW).has_config("-drill-x")) == (False, False)


# What may be damaged


def reasons(branch=BRANCH, place=PLACE, configs=(CONFIG, DRILLED), desired=DESIRED):
    refusals = damage(desired, NAMES, place, (MAIN, branch), configs)
    return "; ".join(each for refusal in refusals for each in refusal.reasons)


def test_the_branch_of_a_drill_may_be_damaged():
    assert reasons() == ""


@pytest.mark.parametrize(
    ("said", "changes"),
    [
        ("there is no such branch", {"name": "other"}),
        ("it is the project's default branch", {"default": True}),
        ("it is protected", {"protected": True}),
        ("it is a root branch", {"parent_id": None}),
        ("it has no annotation", {"mark": None}),
        ('annotated for environment "production"', {"mark": Annotation("production", ORIGIN)}),
        ("annotated", {"mark": Annotation(NAMES.environment, Timeline(NOW))}),
        ("the login", {"endpoint": None}),
    ],
)
def test_another_branch_is_not_damaged(said, changes):
    assert said in reasons(replace(BRANCH, **changes))


OF_PRODUCTION = replace(DESIRED, primary=replace(DESIRED.primary, branch=BRANCH.name))


@pytest.mark.parametrize(
    ("said", "changes"),
    [
        ("ep-main.neon.tech:5432", {"place": Place("ep-main.neon.tech", 5432)}),
        ('"tech961"', {"configs": (replace(CONFIG, host="ep-drill.neon.tech"),)}),
        ('"tech961"', {"configs": (replace(CONFIG, host="ep-drill-pooler.neon.tech"),)}),
        ("it is the primary of production", {"desired": OF_PRODUCTION}),
    ],
)
def test_what_production_uses_is_not_damaged(said, changes):
    assert said in reasons(**changes)


def test_a_refused_damage_names_all_reasons():
    (refusal,) = damage(DESIRED, NAMES, PLACE, (replace(BRANCH, default=True, protected=True),), ())
    assert (
        refusal.message
        == f'the drill does not damage "{BRANCH.name}": it is the project\'s default branch; it is protected'
    )
    assert refusal.hint.startswith("nothing was destroyed")


@given(st.sampled_from(["default", "protected"]), st.booleans(), st.sampled_from([BRANCH.name, "main"]))
def test_no_branch_is_damaged_whose_host_production_reaches(flag, value, name):
    branch = replace(BRANCH, name=name, **{flag: value}, endpoint=MAIN.endpoint)
    assert damage(DESIRED, NAMES, Place("ep-main.neon.tech", 5432), (branch,), (CONFIG,))


# What may be taken away

OTHER = DrillNames.of(DESIRED, NOW.after(timedelta(minutes=1)))
CONFIGS = (CONFIG, DRILLED, replace(DRILLED, id="ce", name=OTHER.hyperdrive))


def deployed(*configs):
    return tuple(DeployedVersion(f"v{n}", 50, each) for n, each in enumerate(configs))


@pytest.mark.parametrize(
    ("configs", "goes", "theirs"),
    [
        (["cd"], True, False),
        (["cd", "c0"], False, False),
        (["c0"], False, False),
        ([], False, False),
        ([None], False, False),
        (["?"], False, False),
        (["ce"], False, True),
        (["cd", "ce"], False, False),
    ],
)
def test_a_worker_bound_only_to_this_drill_goes(configs, goes, theirs):
    assert goes == (worker_stays(NAMES, deployed(*configs), CONFIGS) == ())
    assert theirs == is_another_drills(DESIRED, NAMES, deployed(*configs), CONFIGS)


@pytest.mark.parametrize(
    ("labels", "version"),
    [
        (["reconciler drill borrows it, soon: was v7", lending(NAMES.stamp, "v2"), lending(NAMES.stamp, "v1")], "v2"),
        (["reconciler: production on origin, code of v1"], ""),
    ],
)
def test_a_borrowed_worker_gets_its_version_back(labels, version):
    assert to_serve_again(tuple(UploadedVersion(each, each, "cd") for each in labels)) == version


USES = (Use("tech961-api-drill", "cd"), Use("tech961-api", "c0"))
POOLED = replace(DRILLED, host="ep-main-pooler.neon.tech")


@pytest.mark.parametrize(
    ("config", "uses", "stays"),
    [(DRILLED, USES, ""), (DRILLED, (*USES, Use("cron", "cd")), "Worker cron is bound"), (POOLED, (), 'branch "main"')],
)
def test_a_config_used_only_by_this_drill_goes(config, uses, stays):
    found = config_stays(NAMES, config, (MAIN, BRANCH), uses, ["tech961-api-drill"])
    assert (len(found), stays in "".join(found)) == (bool(stays), True)


CHILD = replace(BRANCH, id="br-child", name="mine", parent_id=BRANCH.id)
BARE_BRANCH = replace(BRANCH, endpoint=None)


@pytest.mark.parametrize(
    ("branch", "branches", "configs", "stays"),
    [
        (BRANCH, (MAIN, BRANCH, BARE_BRANCH), (CONFIG,), []),
        (BARE_BRANCH, (), (DRILLED,), []),
        (replace(BRANCH, default=True), (), (), ["it is the project's default branch"]),
        (replace(BRANCH, protected=True), (), (), ["it is protected"]),
        (BRANCH, (MAIN, CHILD), (), ['"mine" was made from it']),
        (BRANCH, (), (DRILLED,), [f'Hyperdrive config "{DRILLED.name}"']),
        (MAIN, (MAIN,), (), ["no drill has made it", ""]),
    ],
)
def test_a_branch_that_nothing_needs_goes(branch, branches, configs, stays):
    found = branch_stays(NAMES, branch, branches, configs)
    assert all(each in said for each, said in zip(stays, found, strict=True))


# The phases


def test_each_moment_belongs_to_one_phase():
    marks = [(Phase.DECIDE, 10.0), (Phase.PLAN, 11.0), (Phase.DECIDE, 13.0), (Phase.VERIFY, 13.5)]
    assert measured([Moment(*each) for each in marks], 15.0) == (
        Measured(Phase.DECIDE, (Stretch(0.0, 1.0), Stretch(3.0, 0.5))),
        once(Phase.PLAN, 1.0, 2.0), once(Phase.VERIFY, 3.5, 1.5),
    )  # fmt: skip
    assert measured([], 15.0) == ()


@given(st.lists(st.tuples(st.sampled_from(Phase), st.integers(0, 1000)), min_size=1), st.integers(0, 1000))
def test_phases_add_up_to_the_whole_time(steps, last):
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
def test_every_step_has_its_phase(step, phase):
    assert phase_of(step) is phase


# The proofs

CONTENTS = Contents(
    (Counted("a", 5, "17"), Counted("b", 2, "3"), Counted("reconciler_drill.canary", 1, "0")), (), (), 0, "0", None
)
GOOD = Seen(CONTENTS, frozenset({"app", "reader"}), before=True, after=False)
BROKEN = Seen(
    replace(CONTENTS, tables=(Counted("a", 4, "16"), CONTENTS.tables[2])), frozenset({"app"}), before=True, after=True
)


def holding(*tables, **more):
    return replace(GOOD, contents=replace(CONTENTS, tables=tables, **more))


UNTOUCHED = holding(*CONTENTS.tables[:2], Counted("reconciler_drill.canary", 2, "9"))
NO_ROWS = (Counted("a", 0, "0"), CONTENTS.tables[2])


def without_role(seen):
    return replace(seen, roles=frozenset(), after=True)


@pytest.mark.parametrize(
    ("good", "damaged", "restored", "failed"),
    [
        (GOOD, BROKEN, GOOD, set()),
        (GOOD, BROKEN, BROKEN, {1, 3}),
        (GOOD, BROKEN, replace(GOOD, before=False), {2}),
        (GOOD, UNTOUCHED, GOOD, {4, 5}),
        # Only a role was dropped and came back: of the data, which there is none of, that says nothing.
        (holding(*NO_ROWS), without_role(holding(*NO_ROWS)), holding(*NO_ROWS), {0}),
        (*(each(holding(*NO_ROWS, large_objects=1)) for each in (replace, without_role, replace)), set()),
    ],
    ids=["all is back", "still damaged", "lost a row", "no damage", "no data", "a large object alone"],
)
def test_six_checks_prove_a_restore(good, damaged, restored, failed):
    assert {n for n, each in enumerate(checks(good, damaged, restored)) if not each.holds} == failed


@pytest.mark.parametrize(
    ("good", "damaged", "number", "said"),
    [
        (GOOD, BROKEN, 1, "2 tables with 7 rows, and 2 roles, are alike"),
        (GOOD, BROKEN, 4, "table b is missing; table a has 4 rows, and had 5; role reader is missing"),
        (GOOD, UNTOUCHED, 4, "no damage"),
        (holding(*NO_ROWS), BROKEN, 0, "1 tables with 0 rows"),
    ],
)
def test_a_check_says_what_was_seen(good, damaged, number, said):
    assert checks(good, damaged, good)[number].seen == said


def test_many_differences_are_counted():
    many = replace(GOOD, roles=frozenset({"app", *"vwxyz"}))
    assert len(diff(many, GOOD)) == 5
    assert checks(many, GOOD, GOOD)[1].seen.endswith("; and 2 more")


def test_each_table_has_three_moments():
    a, b = table_proofs(GOOD, BROKEN, GOOD)
    assert (a.rows_before, a.rows_damaged, a.rows_restored, a.same, a.damaged) == (5, 4, 5, True, True)
    assert (b.rows_damaged, b.checksum_damaged, b.checksum_restored) == (None, None, "3")


def test_missing_and_new_tables_are_proofs_too():
    gone, new = table_proofs(GOOD, GOOD, holding(Counted("b", 2, "3")))
    assert (gone.rows_restored, gone.same, new.same) == (None, False, True)
    fresh = table_proofs(GOOD, GOOD, holding(Counted("new", 1, "1")))
    assert [each.rows_before for each in fresh] == [5, 2, None]


# The files

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


def test_a_drills_file_points_to_the_drill_alone():
    workers = [{"config": "worker-0.jsonc", "binding": "HYPERDRIVE"}]
    gates = [{"name": "health", "url": "https://tech961-api-drill.x.workers.dev/health"}]
    found = read(drill_file(FILE, NAMES, workers, gates), NAMES.environment)
    primary = found.primary
    assert (primary.branch, primary.restore, primary.method.value) == (NAMES.branch, None, "branch")
    assert (primary.default, found.branches) == (False, None)
    assert {primary.hold, primary.history_retention, primary.protected, primary.expire_on_neon} == {None}
    assert found.hyperdrive == Hyperdrive(NAMES.hyperdrive, "tech961", "app")
    assert [each.config for each in found.workers] == ["worker-0.jsonc"]
    assert ([each.name for each in found.verify.sql], found.verify.http[0].url) == (["listings"], gates[0]["url"])


def test_without_workers_there_are_no_http_gates():
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
)
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
def test_a_mistake_in_the_drill_section(section, said):
    with pytest.raises(DesiredStateError) as error:
        read(FILE.replace('{ "rto": "30m" }', section))
    assert said in str(error.value)


def test_a_primary_need_not_be_the_default():
    asked, observed = replace(DESIRED, primary=replace(DESIRED.primary, default=False)), with_main(default=False)
    assert plan(DESIRED, observed).steps[0].wire_name == "SetDefaultBranch"
    assert (plan(asked, observed).in_sync, plan(asked, WORLD).in_sync) == (True, True)


# The promise

PROOFS = checks(GOOD, BROKEN, GOOD)
PHASES = (once(Phase.PLAN, 0.0, 2.0), once(Phase.VERIFY, 2.0, 3.0))
QUICK = Round("truncate", NOW, "r-x", PHASES, (), PROOFS, None, ())
SLOW = replace(QUICK, phases=(*PHASES, once(Phase.DEPLOY, 5.0, 1.0)))
DRILL = Drill("production", "p", NOW, "branch", "c", (QUICK, SLOW), 20.0, None, (), ())


@pytest.mark.parametrize(("seconds", "kept"), [(6.0004, True), (6.001, False)])
def test_report_and_history_agree_on_the_promise(seconds, kept):
    found = replace(QUICK, phases=(once(Phase.PLAN, 0.0, seconds),))
    drill = replace(DRILL, rounds=(found,), promise=Promise(6.0, "x.md"))
    assert (drill.kept, done(drill).kept) == (kept, kept)


@pytest.mark.parametrize(("most", "kept"), [(None, True), (6.0, True), (5.9, False)])
def test_a_promise_is_kept_by_the_slowest_round(most, kept):
    assert kept == replace(DRILL, promise=Promise(most, "x.md") if most else None).kept
    assert DRILL.slowest == 6.0


def test_every_round_must_be_proved():
    assert DRILL.proved
    assert not replace(DRILL, rounds=(QUICK, replace(SLOW, checks=checks(GOOD, GOOD, GOOD)))).proved
    assert not replace(DRILL, rounds=()).proved
