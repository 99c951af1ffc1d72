"""A plan as text, Markdown and JSON."""

import json
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from reconciler.core.model.desired import Method, Outside, Restore
from reconciler.core.model.observed import Unknown
from reconciler.core.model.worker_bindings import Binding, BindingKind
from reconciler.core.plan.plan import plan
from reconciler.core.records.suspension import Suspension
from reconciler.core.steps.worker import VerifyLive
from reconciler.core.values.lsn import Lsn
from reconciler.core.values.timeline import ORIGIN
from reconciler.render.markdown import prose
from reconciler.render.plan import as_json, as_markdown, as_text
from reconciler.render.wording import counted
from tests.core.files import DESIRED, NOW, asking, hours_ago
from tests.core.plans import after
from tests.core.rules.test_last_check import GATED, run
from tests.core.worlds import SEEN, WORLD

ASKED = asking(Restore(hours_ago(24), "inc-42", "migration 0042 dropped Listing"))
IN_PLACE = replace(ASKED, primary=replace(ASKED.primary, method=Method.IN_PLACE))
OUTSIDE = (Outside("Axiom Logpush archive", timedelta(days=30), "query it by _time"), Outside("the accountant"))
BOUND = replace(WORLD, workers=(replace(SEEN, bindings=(Binding(BindingKind.R2, "photos", "PHOTOS"),)),))
IN_TEXT_AND_MARKDOWN = pytest.mark.parametrize("form", [as_text, as_markdown])


def shown(form, desired, world=WORLD):
    return form(plan(desired, world), world)


def facts(desired, world=WORLD):
    return json.loads(as_json(plan(desired, world)))


def test_the_text_says_what_is_live_desired_and_done():
    expected = """\
production: origin is live, r-20261121T100000000Z-inc-42 is desired, 9 steps

  project   961tech (aged-wildflower-123456), history window 7 d
  live      origin, on branch "main" (br-main)
  desired   r-20261121T100000000Z-inc-42: the data as of 2026-11-21T10:00:00.000Z (1 d ago)
  window    the moment leaves it in 6 d, at 2026-11-28T10:00:00.000Z
  source    origin (since 2026-11-17T10:00:00.000Z at the earliest, on "main"): no other can have been live then
  reason    migration 0042 dropped Listing

Steps
   1. create branch "main.candidate.r-20261121T100000000Z-inc-42" from "main" at 2026-11-21T10:00:00.000Z
      because no branch carries r-20261121T100000000Z-inc-42, and origin was live at 2026-11-21T10:00:00.000Z
   2. verify branch "main.candidate.r-20261121T100000000Z-inc-42": identity, login, tables, listings
      because r-20261121T100000000Z-inc-42 must be verified before anything points to it
"""
    assert expected == shown(as_text, ASKED)[: len(expected)]


@IN_TEXT_AND_MARKDOWN
def test_a_restore_names_its_loss_and_what_is_held(form):
    text = shown(form, ASKED).replace("\\", "")
    held = "main.held.origin.before.r-20261121T100000000Z-inc-42"
    assert "lost to users: every write after 2026-11-21T10:00:00.000Z (the last 1 d)" in text
    assert f'held: origin, whole, as "{held}"; git revert makes it live again' in text
    assert f"reconciler apply production --expect {plan(ASKED, WORLD).digest} does exactly this" in text


@IN_TEXT_AND_MARKDOWN
def test_a_restore_in_place_names_what_is_held(form):
    held = "main.held.origin.before.r-20261121T100000000Z-inc-42.in-place"
    assert f'held: origin, whole, as "{held}"; git revert makes it live again' in shown(form, IN_PLACE)


@IN_TEXT_AND_MARKDOWN
@pytest.mark.parametrize("method", [ASKED, IN_PLACE], ids=["branch", "in place"])
def test_an_undo_loses_nothing(form, method):
    undo = replace(method, primary=replace(method.primary, restore=None))
    text = shown(form, undo, after(method, WORLD))
    assert "comes back exactly as it was left" in text
    assert not re.search("lost to users|window  |window \\|", text)


def test_in_sync_is_said_in_the_first_line():
    assert "production: in sync, origin is live" == shown(as_text, DESIRED).splitlines()[0]


def test_a_timeline_that_exists_needs_no_window():
    again = asking(Restore(hours_ago(24), "inc-42"))
    assert "  window    not needed: a branch with this timeline exists" in shown(as_text, again, after(ASKED, WORLD))


@pytest.mark.parametrize("hours", [0.001, 1, 167.9])
def test_the_window_counts_from_the_look(hours):
    moment = hours_ago(hours)
    assert f"at {moment.before(-timedelta(days=7))}" in shown(as_text, asking(Restore(moment)))


def test_an_lsn_has_a_timeline_and_no_age():
    text = shown(as_markdown, asking(Restore(Lsn.parse_strict("0/1A2B3C8"), source=ORIGIN)))
    for words in (
        "the data as of LSN 0/1A2B3C8 of origin |",
        "| window | an LSN has no time",
        "- lost to users: every write after LSN 0/1A2B3C8 of origin\n",
        '"main" carries origin, to which LSN 0/1A2B3C8 belongs, and does not expire',
    ):
        assert words in text


@IN_TEXT_AND_MARKDOWN
def test_a_refusal_has_its_rule_and_hint(form):
    text = shown(form, asking(Restore(hours_ago(240))))
    for words in ("outside-history-window", "the moment left it 3 d ago, at 2026-11-19T10:00:00.000Z",
                  "ask for a moment after", "Nothing will be changed until this is resolved"):  # fmt: skip
        assert words in text
    assert not re.search("Guards that passed|--expect", text)


@IN_TEXT_AND_MARKDOWN
def test_what_could_not_be_read_is_no_refusal(form):
    text = shown(form, ASKED, replace(WORLD, branches=Unknown("Neon: GET /branches: 503", "wait")))
    assert "production: not everything could be read" in text
    assert "Refused" not in text


@IN_TEXT_AND_MARKDOWN
def test_steps_beside_a_refusal_put_back_what_was_live(form):
    desired = asking(Restore(hours_ago(24), "inc-42"), GATED)
    _, taken = run(desired, WORLD)
    world, _ = run(desired, WORLD, [isinstance(step, VerifyLive) for step in taken].index(True) + 2)
    found = plan(desired, world)
    text = form(found, world)
    assert found.steps
    assert all((prose(step.describe()) if form is as_markdown else step.describe()) in text for step in found.steps)
    for words in ("timeline-failed", "Steps, taken all the same", "put back what was live"):
        assert words in text
    assert not re.search("Nothing will be changed|lost to users|Not rewound", text)


@IN_TEXT_AND_MARKDOWN
def test_a_suspended_plan_says_until_when(form):
    found = replace(plan(ASKED, WORLD), suspension=Suspension("production", "grace", NOW, hours_ago(-2), "<b>x"))
    text = form(found, WORLD)
    assert found.digest == plan(ASKED, WORLD).digest
    assert text.removeprefix("### ").startswith("production: suspended until 2026-11-22T12:00:00.000Z; origin is live")
    assert "reconciler resume production" in text.splitlines()[-1]
    assert ("<b>" in text) == (form is as_text)


@IN_TEXT_AND_MARKDOWN
def test_what_is_not_rewound_has_retention_and_recovery(form):
    text = shown(form, replace(ASKED, outside=OUTSIDE), BOUND)
    recovery = plan(ASKED, BOUND).outside[0].recovery
    for line in (
        f"R2 bucket photos: kept until deleted; recovery: {recovery}",
        "Axiom Logpush archive: kept up to 30 d; recovery: query it by _time",
        "the accountant: retention not stated; recovery: not stated",
    ):
        assert f"{'  ' if form is as_text else '- '}{line if form is as_text else prose(line)}\n" in text


@IN_TEXT_AND_MARKDOWN
@pytest.mark.parametrize("restore", [None, Restore(hours_ago(-1))], ids=["in sync", "refused"])
def test_without_a_change_of_data_nothing_is_left_behind(form, restore):
    desired = asking(restore, replace(DESIRED, outside=OUTSIDE))
    assert "Not rewound" not in shown(form, desired, BOUND)
    assert [] == facts(desired, BOUND)["outside"]


def test_the_json_has_the_promised_keys():
    found = facts(ASKED)
    keys = ["environment", "digest", "in_sync", "live_timeline", "desired_timeline", "steps", "warnings", "refusals"]
    assert [*keys, "outside", "suspension", "drift", "source"] == list(found)
    assert all({"step", "reason", "target"} <= set(step) for step in found["steps"])
    assert ("origin", "r-20261121T100000000Z-inc-42") == (found["live_timeline"], found["desired_timeline"])
    assert {"rule", "message", "hint"} == set(facts(asking(Restore(hours_ago(-1))))["refusals"][0])


def test_the_json_spells_a_retention_as_the_file_does():
    found = facts(replace(ASKED, outside=OUTSIDE), BOUND)["outside"]
    names = ["R2 bucket photos", "Axiom Logpush archive", "the accountant"]
    assert dict(zip(names, ["forever", "30d", None], strict=True)) == {
        each["name"]: each["retention"] for each in found
    }
    assert {"name", "retention", "recovery"} == set(found[0])


def test_a_pipe_in_a_reason_breaks_no_table():
    world = replace(WORLD, configs=(replace(WORLD.configs[0], name="a|b"),))
    text = shown(as_markdown, replace(ASKED, hyperdrive=replace(DESIRED.hyperdrive, name="a|b")), world)
    rows = [line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("| ")]
    assert {3, 4} == set(rows)


@pytest.mark.parametrize(
    "world",
    [
        replace(WORLD, project=replace(WORLD.project, name="</details><b>\n```\n# shouted")),
        replace(WORLD, branches=(replace(WORLD.branches[0], name="<i>main</i>", default=True), *WORLD.branches[1:])),
    ],
    ids=["project", "branch"],
)
def test_a_providers_name_does_nothing_in_markdown(world):
    outside_of_code = re.sub(r"(?s)^(`{3,})mermaid\n.*?\n\1$", "", shown(as_markdown, ASKED, world), flags=re.MULTILINE)
    assert not re.search("<i>|<b>|</details>(?!\n)|^# ", outside_of_code, re.MULTILINE)


@pytest.mark.parametrize(("count", "words"), [(0, "0 steps"), (1, "1 step"), (2, "2 steps")])
def test_steps_are_counted_in_words(count, words):
    assert words == counted(count)
