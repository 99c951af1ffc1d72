"""A drill's report: its numbers add up, no name breaks it, and no person's words are lost."""

import math
import re
from dataclasses import replace

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from reconciler.core.drill.document import document
from reconciler.core.drill.history import done, line, read_history
from reconciler.core.drill.notes import BEGIN, END, notes_of, with_notes
from reconciler.core.drill.phases import gantt, phase_table, tenths
from reconciler.core.drill.report import environment_of, file_name, report
from reconciler.core.drill.results import Check, Measured, Noticed, Phase, Stretch
from reconciler.core.values.instant import Instant
from reconciler.errors import InputError
from tests.core.drill.drills import CLICK, DRILL, LISTING, ROUND, UNPROVED, once, slower

NASTY = 'a|b `c` <script>alert(1)</script>\n| x |\n```\n"; -- %%{init}%% #35; :: --- @everyone \u202e\ud800'


def numbers(column, text):
    return [float(each) for each in re.findall(column, text)]


@pytest.mark.parametrize(
    ("begun", "name"),
    [
        ("2027-03-31T23:59:59.999Z", "2027-Q1-dr-test.md"),
        ("2027-04-01T01:00:00+02:00", "2027-Q1-dr-test.md"),
        ("2027-04-01T00:00:00Z", "2027-Q2-dr-test.md"),
        ("2026-12-31T00:00:00Z", "2026-Q4-dr-test.md"),
    ],
)
def test_a_report_is_named_by_its_quarter(begun, name):
    assert file_name(Instant.parse_strict(begun)) == name


def test_it_says_in_one_sentence_how_it_went():
    assert (
        "**Passed.** A copy of the data of production was damaged on purpose once; the restore was proved, check by "
        "check, to bring back what was there, and it took 15.1 s, within the promised 30 min "
        "(reference/performance-budget.md § Backend)."
    ) in report(DRILL, None, ())
    twice = replace(DRILL, rounds=(ROUND, ROUND), promise=None)
    assert "**Proved.** A copy of the data of production was damaged on purpose 2 times; each restore" in report(
        twice, None, ()
    )
    assert "the slowest took 15.1 s, with no promise to measure it against." in report(twice, None, ())


def test_a_failed_or_slow_drill_is_named():
    failed = report(replace(DRILL, rounds=(ROUND, UNPROVED)), None, ())
    assert "**Failed.** " in failed
    assert 'and 1 of 2 restores could not be proved to be whole: delete half of "Click".' in failed
    assert "Not measured: no Worker was asked." in failed
    late = report(slower(1_863.24), None, ())
    assert "**Too slow.**" in late
    assert "took 31 min 3 s, 63.2 s longer than the promised 30 min" in late
    assert ": **broken**." in late
    nothing = report(replace(DRILL, rounds=(), outside=(), versions=()), None, ())
    assert "**Failed.** Nothing was destroyed, so nothing was proved." in nothing
    assert "Nothing is known to live outside of the database." in nothing
    assert "Nothing was checked." in report(replace(DRILL, rounds=(replace(ROUND, checks=()),)), None, ())


def test_the_front_matter_is_yaml():
    drill = replace(DRILL, environment=NASTY, project="no: [yes] 🦊", commit="~", method="'")
    _, front, _ = report(drill, None, ()).split("---\n", 2)
    read = yaml.safe_load(front)
    assert (read["project"], read["commit"], read["method"]) == ("no: [yes] 🦊", "~", "'")
    assert (read["rounds"], read["slowest_seconds"], read["promised_seconds"]) == (1, 15.1, 1800)
    assert (read["proved"], read["promise_kept"]) == (True, True)
    _, front, _ = report(replace(DRILL, promise=None), None, ()).split("---\n", 2)
    read = yaml.safe_load(front)
    assert (read["promised_seconds"], read["promise_kept"]) == (None, None)


def test_phases_of_a_table_add_up():
    *rows, last = phase_table(ROUND, 1_800).splitlines()[2:]
    assert len(rows) == 8
    assert rows[0] == "| decide and commit | 0.0 s | 1.3 s | 0.1 % |"
    assert last == "| **all** |  | **15.1 s** | **0.8 %** |"
    assert round(sum(numbers(r"([\d.]+) s \| [\d.]+ %", "\n".join(rows))), 1) == 15.1
    assert round(sum(numbers(r"([\d.]+) %", "\n".join(rows))), 1) == 0.8
    assert phase_table(ROUND, None).endswith("| **all** |  | **15.1 s** |")


_LENGTHS = st.lists(st.floats(0, 5_000), min_size=1, max_size=9)


# Where half a tenth is rounded, two ways of rounding part: so they do where the one cuts to milliseconds before.
@example([3.45])
@example([0.05, 0.1])
@example([3.2500001])
@example([])
@given(_LENGTHS)
def test_rounded_parts_add_up(values):
    parts = tenths(values)
    assert f"{sum(parts) / 10:.1f}" == f"{round(math.fsum(values), 3):.1f}"
    assert all(abs(part - 10 * value) < 1 + 1e-9 for part, value in zip(parts, values, strict=True))


@settings(max_examples=30)
@example([3.45])
@example([3.2500001])
@given(_LENGTHS)
def test_a_number_is_the_same_everywhere(lengths):
    phases = tuple(once(phase, 0.0, each) for phase, each in zip(Phase, lengths, strict=False))
    measured = replace(ROUND, phases=phases)
    drill = replace(DRILL, rounds=(measured,))
    text, (past,) = report(drill, None, ()), read_history(line(drill))
    (took,) = re.findall(r"\| \*\*all\*\* \|  \| \*\*([\d.]+) s\*\*", text)
    rows = numbers(r"\| [^*|]+ \| [\d.]+ s \| ([\d.]+) s \|", text)
    assert f"{sum(rows):.1f}" == took
    assert f"| {took} s | yes |" in text
    assert f"slowest_seconds: {took}\n" in text
    assert f"{past.seconds:.1f}" == took


def test_an_interrupted_drill_says_why():
    ended = replace(DRILL, failure='round 2 (drop-role): gate "login" failed')
    assert not ended.proved
    text = report(ended, None, ())
    assert '**Failed.** The drill of production ended before its time, in round 2 (drop-role): gate "login"' in text
    assert "1 of the 1 restores before it were proved." in text
    text = report(replace(ended, rounds=(), commit="", versions=()), None, ())
    assert "restores before it" not in text
    assert "The last restore was asked for" not in text


@pytest.mark.parametrize(
    ("noticed", "said"),
    [
        (Noticed(0, None), "Nothing noticed the damage: the file has no SQL gates."),
        (Noticed(1, None), "Nothing noticed the damage: the file's one SQL gate has passed."),
        (Noticed(3, None), "Nothing noticed the damage: the file's 3 SQL gates have all passed."),
        (Noticed(1, 'gate "a|b" could not run'), 'The damage was noticed: gate "a\\|b" could not run.'),
    ],
)
def test_gates_that_noticed_damage_are_named(noticed, said):
    assert said in report(replace(DRILL, rounds=(replace(ROUND, noticed=noticed),)), None, ())
    assert "noticed" not in report(DRILL, None, ())


def test_undamaged_tables_are_apart():
    text = report(DRILL, None, ())
    before, after = text.split("<details><summary>Tables that the damage did not touch: 1</summary>")
    assert (
        "| public.Listing | 1,200 | gone | 1,200 | `aa11aa11aa11aa11aa11` | gone | `aa11aa11aa11aa11aa11` | yes |"
        in before
    )
    assert "public.Click" not in before
    assert "public.Click" in after
    assert "<details>" not in report(replace(DRILL, rounds=(UNPROVED,)), None, ())
    role = replace(ROUND, destruction="drop role app", tables=(CLICK,))
    assert report(replace(DRILL, rounds=(role,)), None, ()).count("| Table | Rows before |") == 1


def test_the_report_shows_what_was_seen():
    text = report(DRILL, None, ())
    assert "20 times a second while traffic was switched: 812 requests, 0 failed, 3 stale (the" in text
    assert "| Neon branch | `br-drill-1` |" in text
    assert "| PostgreSQL | `17.2` |" in text
    assert "**no**: it keeps 30 d, and the target is 41 d old |" in text
    assert "| R2 bucket photos | forever | none | yes, or not known |" in text
    assert "| the same checks fail on the damaged branch | 2 of 4 failed | yes |" in text


def test_unknown_stale_answers_are_said_to_be():
    unknown = replace(DRILL, rounds=(replace(ROUND, traffic=replace(ROUND.traffic, stale=None)),))
    assert "812 requests, 0 failed; whether any was stale is unknown, because" in report(unknown, None, ())


def named(table, name):
    return replace(table, name=name, checksum_before=name, checksum_restored=name)


def nasty(drill, name):
    """The same drill with this name in the place of every other."""
    measured = replace(
        ROUND,
        destruction=name,
        timeline=name,
        tables=(named(LISTING, name), replace(named(CLICK, name), checksum_damaged=name)),
        checks=(Check(name, name, True),) * 2,
        ids=((name, name),) * 2,
    )
    outside = tuple(replace(each, name=name, recovery=name, retention=name, warning=name) for each in drill.outside)
    return replace(
        drill, environment=name, commit=name, rounds=(measured,), outside=outside, versions=((name, name),) * 2
    )


def shape(text):
    """How many cells each row of each table has."""
    return [[len(row.cells) for row in table.rows] for table in document(text).tables]


def test_no_name_breaks_the_markdown():
    plain, text = report(DRILL, None, ()), report(nasty(DRILL, NASTY), None, ())
    assert shape(text) == shape(plain)
    assert [each.level for each in document(text).headings] == [each.level for each in document(plain).headings]
    shown = MarkdownIt("commonmark").enable("table").render(text.split("---\n", 2)[2])
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown
    assert text.count("```mermaid\n") == 1


@settings(max_examples=30)
@given(st.text(max_size=40))
def test_any_name_keeps_headings_and_notes(name):
    text = report(nasty(DRILL, name), None, ())
    titles = [each.title for each in document(text).headings if each.level == 2]
    assert titles[-4:] == ["What does not rewind", "Over time", "Made with", "Notes"]
    assert report(nasty(DRILL, name), text, ()) == text


def test_the_chart_has_a_bar_for_each_phase():
    text = gantt(ROUND, "Round 1")
    assert "  decide and commit :p0, 2001-01-15 00:00:00.000, 1260ms" in text
    assert "  plan :p1, 2001-01-15 00:00:01.260, 340ms" in text
    assert text.count("ms") == 8
    assert "axisFormat %M:%S" in text
    short = replace(ROUND, phases=(once(Phase.PLAN, 0.0, 0.0), once(Phase.DEPLOY, 0.0, 0.0001)))
    assert "deploy :p0, 2001-01-15 00:00:00.000, 1ms" in gantt(short, "x")
    assert "axisFormat %-S.%L s" in gantt(short, "x")
    long = replace(ROUND, phases=(once(Phase.DEPLOY, 5_000.0, 1.0),))
    assert "2001-01-15 01:23:20.000" in gantt(long, "x")
    assert "axisFormat %-H:%M:%S" in gantt(long, "x")
    assert gantt(replace(ROUND, phases=()), "x") == ""


def test_a_phase_in_two_stretches_has_two_bars():
    stretches = (Stretch(0.0, 1.0), Stretch(3.0, 0.5))
    measured = replace(ROUND, phases=(Measured(Phase.DECIDE, stretches), once(Phase.PLAN, 1.0, 2.0)))
    text = gantt(measured, "x")
    assert "accDescr: 2 phases from decide and commit to plan" in text
    bars = re.findall(r"^  (\S.*) :p\d, \S+ 00:00:0([0-9.]+), ([0-9]+)ms$", text, re.MULTILINE)
    assert bars == [
        ("decide and commit", "0.000", "1000"), ("plan", "1.000", "2000"), ("decide and commit", "3.000", "500"),
    ]  # fmt: skip
    assert phase_table(measured, None).count("decide and commit") == 1
    assert "| decide and commit | 0.0 s | 1.5 s |" in phase_table(measured, None)
    assert "mermaid" not in report(replace(DRILL, rounds=(replace(ROUND, phases=()),)), None, ())


def test_this_drill_is_in_the_trend_once():
    other = replace(done(DRILL), environment="staging", seconds=7.0)
    older = replace(done(DRILL), begun=Instant.parse_strict("2026-03-30T08:00:00Z"), seconds=99.0)
    broken = read_history("{}")
    for history in ((*broken, other, older), (*broken, other, older, done(DRILL))):
        text = report(DRILL, None, history)
        assert text.count("| 2027-03-30 | production | 1 | 15.1 s | 30 min | proved, within the promise |") == 1
        assert text.count("| 2026-03-30 | production | 1 | 99.0 s |") == 1
        assert "| line 1 | ? |" in text
        assert "staging" not in text
    assert "](dr-trend.svg)" in report(DRILL, None, ())


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200).filter(lambda text: "\r" not in text))
def test_notes_survive_another_run(words):
    first = report(DRILL, None, ())
    start = first.index(BEGIN) + len(BEGIN) + 1
    noted = f"{first[:start]}{words}\n{first[first.rindex(END) :]}"
    again = report(slower(60.0), noted, ())
    assert f"\n{BEGIN}\n{words}\n{END}\n" in again
    assert "60.0 s" in again
    assert report(slower(60.0), again, ()) == again


def test_notes_may_quote_their_marks():
    first = report(DRILL, None, ())
    noted = first.replace(END, f"{BEGIN}\nquoted\n{END}\nmore\n{END}", 1)
    assert f"quoted\n{END}\nmore\n" in notes_of(noted)
    assert "mine\r\n" in report(DRILL, first.replace(END, f"mine\n{END}").replace("\n", "\r\n"), ())


def test_a_report_names_its_environment():
    text = report(DRILL, None, ())
    assert (environment_of(text, "production"), environment_of(text, "staging")) == ("", "production")
    assert environment_of("# environment: x\nenvironment: y\n", "staging") == ""


def test_a_file_without_notes_is_not_overwritten():
    for text in ("", "# Our own words\n", f"{END}\n{BEGIN}\n", f"x {BEGIN}\n{END}\n"):
        with pytest.raises(InputError, match="has no room for notes, so it is not overwritten"):
            report(DRILL, text, ())


def test_changes_outside_the_notes_are_not_lost():
    first = report(DRILL, None, ())
    for changed in (first.replace("**Passed.**", "**Passed, said Ada.**"), f"{first}\nAda was here\n"):
        with pytest.raises(InputError, match="was changed outside of its room for notes") as raised:
            report(DRILL, changed, ())
    assert "delete the last line" in raised.value.hint
    let = re.sub(r"<!-- written by.*\n", "", first.replace("**Passed.**", "Ada"))
    assert report(DRILL, let, ()) == first


def test_a_formatter_changes_nothing():
    first = report(DRILL, None, ())
    formatted = first.replace("|---|", "| --- |").replace("| Round |", "| Round    |")
    assert report(DRILL, formatted, ()) == first
    assert with_notes("a", with_notes("b", None)) == with_notes("a", None)
