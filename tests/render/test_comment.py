"""The plan as a comment: what it says, that nothing from outside acts in it, and that it always fits."""

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.ci.drift_report import Drift, issue
from reconciler.core.file.reading import Problem
from reconciler.core.model.desired import Restore
from reconciler.core.plan.plan import plan
from reconciler.core.records.suspension import Suspension
from reconciler.render.comment import LIMIT_BYTES, MARKER, Mistaken, Planned, Subject, Unplanned, comment, full
from tests.core.files import DESIRED, NOW, asking, hours_ago
from tests.core.worlds import WORLD
from tests.render.test_markdown import balanced

ASKED = asking(Restore(hours_ago(24), "inc-42", "migration 0042 dropped Listing"))
RESTORE = Planned(plan(ASKED, WORLD), WORLD)
SUBJECT = Subject("0123456789abcdef", "https://github.example/acme/shop/actions/runs/1/attempts/1")
HOSTILE = "a|b`c` <!-- reconciler:plan --> <b>@everyone</b> #12\n## [x](http://y) ***"


def said(*sections, subject=SUBJECT):
    return comment(sections, subject)


# What it says


def test_an_issue_says_that_its_way_out_is_suspended():
    stopped = Suspension("production", "grace", NOW, hours_ago(-2), HOSTILE)
    drift = Drift(replace(plan(ASKED, WORLD), suspension=stopped), WORLD, "desired-state/production.jsonc")
    text = issue(drift, NOW, "-")
    assert "**All applying is suspended.** grace suspended production at" in text
    assert "reconciler resume production" in text
    assert "<b>" not in text


def test_a_suspended_restore_waits_for_its_end():
    stopped = Suspension("production", HOSTILE, NOW, hours_ago(-2), HOSTILE)
    text = said(Planned(replace(plan(ASKED, WORLD), suspension=stopped), WORLD))
    (row,) = [line for line in text.splitlines() if line.startswith("| suspended |")]
    assert "&lt;b&gt;@\u200beveryone" in row
    assert "or after `reconciler resume production`" in text
    assert balanced(text)


def test_a_restore_has_all_that_reviewers_need():
    text = said(RESTORE)
    assert text.startswith(f"{MARKER}\n")
    for expected in (
        "origin is live, r-20261121T100000000Z-inc-42 is desired, 9 steps",
        "| reason | migration 0042 dropped Listing |",
        "the data as of 2026-11-21T10:00:00.000Z (1 d ago) |",
        "| window | the moment leaves it in 6 d, at 2026-11-28T10:00:00.000Z |",
        "lost to users: every write after 2026-11-21T10:00:00.000Z (the last 1 d)",
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


def test_every_mistake_has_its_place():
    problems = (
        Problem("desired-state/production.jsonc", 3, 5, "primary.brunch: unknown key", 'did you mean "branch"?'),
        Problem("desired-state/production.jsonc", 9, 1, "worker needs hyperdrive"),
    )
    text = said(Mistaken("production", problems))
    assert "production: 2 mistakes in the file" in text
    assert "`desired-state/production.jsonc:3:5`: primary.brunch: unknown key<br>*did you mean" in text
    assert "`desired-state/production.jsonc:9:1`" in text


def test_each_environment_has_a_section():
    text = said(RESTORE, Unplanned("staging", "NEON_API_KEY is not set", "set it"), subject=Subject(deleted=("old",)))
    assert ["production", "staging", "old"] == re.findall("(?m)^### ([a-z]+):", text)
    assert "Deleting a file deletes nothing else" in text


def test_a_change_that_was_taken_back_leaves_nothing_to_plan():
    assert "no longer changes any environment" in said()


# What it must not do


def test_names_from_outside_do_nothing():
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


# That it fits


def test_a_long_comment_is_cut_in_the_middle():
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
def test_a_comment_fits_and_begins_with_its_marker(sections, commit):
    text = comment(tuple(sections), Subject(commit, SUBJECT.run_url))
    assert len(text.encode("utf-8", "surrogatepass")) < LIMIT_BYTES
    assert text.startswith(f"{MARKER}\n")
    assert balanced(text)
