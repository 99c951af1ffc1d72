"""The plan as a comment: what it says, that nothing from outside acts in it, and that it always fits."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.ci.drift_report import Drift, issue
from reconciler.core.file.reading import Problem
from reconciler.core.model.desired import Method, Outside, Restore
from reconciler.core.model.observed import Unknown
from reconciler.core.plan.plan import plan
from reconciler.core.records.suspension import Suspension
from reconciler.core.steps.worker import VerifyLive
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import ORIGIN
from reconciler.render import plan as plan_text
from reconciler.render.comment import LIMIT_BYTES, MARKER, Mistaken, Planned, Subject, Unplanned, comment, full
from reconciler.render.markdown import code, cut, fenced, prose
from tests.core.files import DESIRED, NOW, asking, hours_ago
from tests.core.plans import after
from tests.core.rules.test_last_check import GATED, run
from tests.core.worlds import WORLD

ASKED = asking(Restore(hours_ago(24), "inc-42", "migration 0042 dropped Listing"))
RESTORE = Planned(plan(ASKED, WORLD), WORLD)
SUBJECT = Subject("0123456789abcdef", "https://github.example/acme/shop/actions/runs/1/attempts/1")
HOSTILE = "a|b`c` <!-- reconciler:plan --> <b>@everyone</b> #12\n## [x](http://y) ***"


def said(*sections, subject=SUBJECT):
    return comment(sections, subject)


def balanced(text):
    """Tell whether every fence and every <details> of a document is closed."""
    fence, details = "", 0
    for line in text.split("\n"):
        found = re.fullmatch(r" {0,3}(`{3,}|~{3,})(.*)", line)
        if fence:
            fence = "" if found and found[1].startswith(fence) and not found[2].strip() else fence
        elif found and not (found[1][0] == "`" and "`" in found[2]):
            fence = found[1]
        else:
            details += line.count("<details") - line.count("</details")
            assert details >= 0
    return not fence and not details


# What it says


def test_a_plan_says_that_it_is_suspended_and_nothing_in_it_acts():
    stopped = Suspension("production", HOSTILE, NOW, hours_ago(-2), HOSTILE)
    suspended = replace(plan(ASKED, WORLD), suspension=stopped)
    assert suspended.digest == RESTORE.plan.digest
    text = said(Planned(suspended, WORLD))
    assert "### production: suspended until 2026-11-22T12:00:00.000Z; `origin` →" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| suspended |")]
    assert "&lt;b&gt;@\u200beveryone" in row
    assert "`reconciler resume production`" in text
    assert "<b>" not in text
    assert balanced(text)
    for line in (plan_text.as_text(suspended, WORLD).splitlines()[-1], plan_text.headline(suspended)):
        assert "2026-11-22T12:00:00.000Z" in line or "reconciler resume production" in line


def test_an_issue_says_that_its_way_out_is_suspended():
    stopped = Suspension("production", "grace", NOW, hours_ago(-2), HOSTILE)
    drift = Drift(replace(plan(ASKED, WORLD), suspension=stopped), WORLD, "desired-state/production.jsonc")
    text = issue(drift, NOW, "-")
    assert "**All applying is suspended.** grace suspended production at" in text
    assert "reconciler resume production" in text
    assert "<b>" not in text


def test_in_place_it_is_said_what_is_held_and_that_nothing_is_lost_where_something_comes_back():
    asked = replace(ASKED, primary=replace(ASKED.primary, method=Method.IN_PLACE))
    made = plan(asked, WORLD)
    held = "main.held.origin.before.r-20261121T100000000Z-inc-42.in-place"
    assert f"| held | `origin`, whole, as `{held}`; `git revert` makes it live again |" in said(Planned(made, WORLD))
    assert f'held: origin, whole, as "{held}"; git revert makes it live again' in plan_text.as_text(made, WORLD)
    undone = after(replace(asked, primary=replace(asked.primary, restore=None)), after(asked, WORLD))
    text = said(Planned(plan(asked, undone), undone))
    assert "comes back exactly as it was left" in text
    assert "lost to users" not in text


def test_the_comment_of_a_restore_has_all_that_a_reviewer_asks_for():
    text = said(RESTORE)
    assert text.startswith(f"{MARKER}\n")
    for expected in (
        "`origin` → `r-20261121T100000000Z-inc-42`, 9 steps",
        "| reason | migration 0042 dropped Listing |",
        "| that moment | 2026-11-21T10:00:00.000Z, 1 d before this plan was made |",
        "| history window | of 7 d: the moment leaves it in **6 d**, at 2026-11-28T10:00:00.000Z |",
        "| lost to users | every write after 2026-11-21T10:00:00.000Z (the last 1 d) |",
        "```mermaid\nflowchart TB",
        "| 7 | rename branch \"main\" to",
        "**Warnings**",
        "Guards that passed (6)",
        "inside the history window of 7 d",
        f"`{RESTORE.plan.digest}`",
        f"`reconciler apply production --expect {RESTORE.plan.digest}`",
        "required reviewers",
        "Planned on 0123456789ab",
        SUBJECT.run_url,
    ):  # fmt: skip
        assert expected in text, expected
    assert balanced(text)


def test_a_restore_to_an_lsn_is_told_with_its_timeline_and_without_an_age():
    asked = asking(Restore(Lsn.parse_strict("0/1A2B3C8"), source=ORIGIN))
    text = said(Planned(plan(asked, WORLD), WORLD))
    for words in (
        "| that point | LSN 0/1A2B3C8 of origin |",
        "| history window | an LSN bears no time",
        "| lost to users | every write after LSN 0/1A2B3C8 of origin |",
        '"main" carries origin, to which LSN 0/1A2B3C8 belongs, and does not expire',
    ):
        assert words in text


def test_of_a_timeline_that_exists_the_window_does_not_matter_any_more():
    world = after(ASKED, WORLD)
    text = said(Planned(plan(asking(None), world), world))
    assert "comes back exactly as it was left" in text
    assert "history window" not in text
    again = asking(Restore(hours_ago(24), "inc-42"))
    assert "not needed any more" in said(Planned(plan(again, world), world))


def test_a_refusal_has_its_rule_its_hint_and_when_the_moment_left_the_window():
    found = plan(asking(Restore(hours_ago(240))), WORLD)
    text = said(Planned(found, WORLD))
    assert "production: refused" in text
    assert "`outside-history-window`" in text
    assert "the moment left it 3 d ago, at 2026-11-19T10:00:00.000Z" in text
    assert "ask for a moment after" in text
    assert "Guards that passed" not in text
    assert "--expect" not in text


def test_what_failed_its_last_check_is_refused_with_the_steps_that_put_back_what_was_live():
    desired = asking(Restore(hours_ago(24), "inc-42"), GATED)
    _, taken = run(desired, WORLD)
    world, _ = run(desired, WORLD, [isinstance(step, VerifyLive) for step in taken].index(True) + 2)
    found = plan(desired, world)
    assert found.steps
    for text in (said(Planned(found, world)), plan_text.as_markdown(found, world)):
        assert "`timeline-failed`" in text
        assert "**Steps, taken all the same**" in text
        assert all(f"| {prose(step.describe())} |" in text for step in found.steps)
        assert "put back what was live" in text
        assert not re.search("nothing will be changed|lost to users|Not rewound", text)


def test_what_could_not_be_read_is_no_refusal():
    world = replace(WORLD, branches=Unknown("Neon: GET /branches: 503", "wait"))
    text = said(Planned(plan(ASKED, world), world))
    assert "production: not everything could be read" in text
    assert "**Refused**" not in text


def test_what_stays_in_the_present_is_named():
    desired = replace(ASKED, outside=(Outside("Axiom archive", timedelta(days=30), "query by time"),))
    text = said(Planned(plan(desired, WORLD), WORLD))
    assert "**Not rewound**\n\n- Axiom archive: kept up to 30 d; recovery: query by time" in text


def test_every_mistake_is_listed_with_its_place():
    problems = (
        Problem("desired-state/production.jsonc", 3, 5, "primary.brunch: unknown key", 'did you mean "branch"?'),
        Problem("desired-state/production.jsonc", 9, 1, "worker needs hyperdrive"),
    )
    text = said(Mistaken("production", problems))
    assert "production: 2 mistakes in the file" in text
    assert "`desired-state/production.jsonc:3:5`: primary.brunch: unknown key<br>*did you mean" in text
    assert "`desired-state/production.jsonc:9:1`" in text


def test_each_environment_has_a_section_and_a_deleted_file_deletes_nothing():
    text = said(RESTORE, Unplanned("staging", "NEON_API_KEY is not set", "set it"), subject=Subject(deleted=("old",)))
    assert re.findall("(?m)^### ([a-z]+):", text) == ["production", "staging", "old"]
    assert "Nothing is ever deleted because a file is" in text


def test_a_change_that_was_taken_back_leaves_nothing_to_plan():
    assert "the change was taken back" in said()


# What it must not do


def test_names_and_reasons_from_outside_are_shown_and_do_nothing():
    desired = asking(Restore(hours_ago(24), "inc-42", HOSTILE))
    world = replace(WORLD, configs=(replace(WORLD.configs[0], name=HOSTILE),))
    desired = replace(desired, hyperdrive=replace(DESIRED.hyperdrive, name=HOSTILE))
    text = said(Planned(plan(desired, world), world), Unplanned(HOSTILE, HOSTILE, HOSTILE))
    assert text.count(MARKER) == 1
    assert balanced(text)
    outside_code = re.sub(r"(?s)```.*?```", "", text)
    assert "<b>" not in outside_code
    assert not re.search(r"@\w", outside_code)
    assert not re.search(r"(?<![&\w`])#\d", outside_code)
    for line in outside_code.splitlines():
        if line.startswith("| "):
            assert len(re.findall(r"(?<!\\)\|", line)) in (3, 4), line


@given(st.text(min_size=1))
def test_prose_is_one_line_without_markup(text):
    shown = prose(text)
    assert "\n" not in shown
    assert "<" not in shown.replace("<span>$</span>", "")
    assert not re.search(r"(?<!\\)(\\\\)*[`*_\[\]|]", shown)


@given(st.text(alphabet="a`|\n ", min_size=1))
def test_a_code_span_is_closed_by_nothing_in_it(text):
    shown = code(text)
    ticks = re.match("`+", shown)[0]
    inner = shown[len(ticks) : -len(ticks)]
    assert shown.endswith(ticks)
    assert ticks not in re.findall("`+", inner)


@given(st.text(alphabet="a`~\n ", min_size=1))
def test_a_block_of_code_is_closed_by_nothing_in_it(text):
    assert balanced(fenced(text))


# That it fits


def test_a_long_comment_is_cut_in_the_middle_and_says_how_much_is_missing_and_where_all_of_it_is():
    sections = tuple(_replaced_environment(RESTORE, f"env-{n}") for n in range(30))
    text = said(*sections)
    assert len(text.encode()) < LIMIT_BYTES
    assert len(text.encode()) > LIMIT_BYTES * 0.9
    assert balanced(text)
    assert "env-0" in text
    assert "env-29" in text
    note = re.search(
        r"… ([\d,]+) lines \(([\d,]+) bytes\) are left out here: \[the job summary\]\((.*)\) has all", text
    )
    assert note[3] == SUBJECT.run_url
    missing = int(note[2].replace(",", ""))
    assert abs(len(full(sections, SUBJECT).encode()) - missing - len(text.encode())) < 1_000
    assert all(f"env-{n}" in full(sections, SUBJECT) for n in range(30))


def _replaced_environment(section, name):
    return Planned(plan(replace(ASKED, environment=name), section.observed), section.observed)


def test_a_cut_within_code_closes_it_and_opens_it_again():
    text = "start\n```text\n" + "\n".join(f"line {n}" for n in range(500)) + "\n```\nend"
    shorter = cut(text, 1_500, "see there")
    assert balanced(shorter)
    assert shorter.count("```text") == 2
    assert shorter.startswith("start\n```text\nline 0\n")
    assert shorter.endswith("line 499\n```\nend")


def test_a_cut_within_a_table_repeats_its_head():
    rows = "\n".join(f"| {n} | x |" for n in range(500))
    shorter = cut(f"| a | b |\n|---|---|\n{rows}\n\nend", 1_500, "see there")
    assert shorter.count("| a | b |\n|---|---|\n|") == 2


def test_a_cut_within_details_closes_them_and_opens_them_again():
    text = "<details><summary>x</summary>\n\n" + "\n".join(f"- {n}" for n in range(500)) + "\n\n</details>"
    assert balanced(cut(text, 1_500, "see there"))


def test_a_picture_is_kept_whole_or_left_out_whole():
    text = "a\n```mermaid\n" + "\n".join(f"a{n} --> b" for n in range(500)) + "\n```\nend"
    shorter = cut(text, 1_500, "see there")
    assert "mermaid" not in shorter
    assert "-->" not in shorter


lines = st.one_of(
    st.sampled_from(
        ["```", "```text", "````", "~~~", "```mermaid", "<details><summary>x</summary>", "</details>", "| a | b |",
         "|---|---|", "| 1 | 2 |", "", "prose " * 20]
    ),
    st.text(max_size=40).map(lambda text: text.replace("\n", " ")),
)  # fmt: skip


@given(st.lists(lines, max_size=60), st.integers(0, 1_500))
def test_whatever_is_cut_fits_and_what_fits_is_not_cut(found, limit):
    text = "\n".join(found)
    shorter = cut(text, limit, "see there")
    size = len(text.encode("utf-8", "surrogatepass"))
    assert len(shorter.encode("utf-8", "surrogatepass")) <= max(limit, 0)
    assert (shorter == text) == (size <= limit) or not shorter


@given(st.lists(lines, max_size=60), st.integers(300, 1_500))
def test_a_document_whose_fences_are_closed_has_closed_ones_after_the_cut(found, limit):
    text = "\n".join(found)
    try:
        whole = balanced(text)
    except AssertionError:
        return
    if whole:
        assert balanced(cut(text, limit, "see there"))


@given(
    st.lists(
        st.one_of(
            st.builds(Unplanned, st.text(max_size=200), st.text(max_size=5_000), st.text(max_size=5_000)),
            st.builds(
                Mistaken,
                st.text(max_size=60),
                st.lists(
                    st.builds(Problem, st.just("f.jsonc"), st.just(1), st.just(1), st.text(max_size=2_000)),
                    min_size=1, max_size=100,
                ).map(tuple),
            ),
            st.just(RESTORE),
        ),
        max_size=40,
    ),
    st.text(alphabet=st.characters(codec="utf-8"), max_size=60).map(lambda text: " ".join(text.split())),
)  # fmt: skip
def test_the_comment_is_always_below_its_limit_and_begins_with_its_marker(sections, commit):
    text = comment(tuple(sections), Subject(commit, SUBJECT.run_url))
    assert len(text.encode("utf-8", "surrogatepass")) < LIMIT_BYTES
    assert text.startswith(f"{MARKER}\n")
    assert balanced(text)


@pytest.mark.parametrize("hours", [0.001, 1, 167.9])
def test_the_window_is_measured_from_when_the_plan_was_made(hours):
    moment = hours_ago(hours)
    text = said(Planned(plan(asking(Restore(moment)), WORLD), WORLD))
    assert f"at {moment.before(-timedelta(days=7))}" in text
    assert moment < NOW
