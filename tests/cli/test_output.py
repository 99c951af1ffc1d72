"""What a person reads: the plan in its three forms, the help, the schema."""

import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.cli.console.progress import Progress
from reconciler.cli.main import COMMANDS
from reconciler.core.model.desired import Outside, Restore
from reconciler.core.model.worker_bindings import Binding, BindingKind
from reconciler.core.plan.plan import plan
from reconciler.engine.events import LooksAgain, StepDropped, StepStarted
from reconciler.render import plan as plan_text
from reconciler.render.markdown import prose
from tests.core.files import DESIRED, asking, hours_ago
from tests.core.worlds import SEEN, WORLD
from tests.support.plain_words import run_program

ROOT = Path(__file__).parents[2]
ASKED = asking(Restore(hours_ago(24), "inc-42", "migration 0042 dropped Listing"))


def test_the_plan_says_what_is_live_what_is_asked_each_step_with_its_reason_what_is_lost_and_what_is_held():
    found = plan(ASKED, WORLD)
    expected = """\
production: origin is live, r-20261121T100000000Z-inc-42 is asked for, 9 steps

  project  961tech (aged-wildflower-123456), history window 7 d
  live     origin, on branch "main" (br-main)
  asked    r-20261121T100000000Z-inc-42: the data as of 2026-11-21T10:00:00.000Z (1 d ago)
  window   the moment leaves it in 6 d, at 2026-11-28T10:00:00.000Z
  source   origin (since 2026-11-17T10:00:00.000Z at the earliest, on "main"): no other can have been live then
  because  migration 0042 dropped Listing

Steps
   1. create branch "main.candidate.r-20261121T100000000Z-inc-42" from "main" at 2026-11-21T10:00:00.000Z
      because no branch carries r-20261121T100000000Z-inc-42, and origin was live at 2026-11-21T10:00:00.000Z
   2. verify branch "main.candidate.r-20261121T100000000Z-inc-42": identity, login, tables, listings
      because r-20261121T100000000Z-inc-42 must be proved before anything points to it
"""
    text = plan_text.as_text(found, WORLD)
    assert expected == text[: len(expected)]
    assert "lost to users: every write after 2026-11-21T10:00:00.000Z (the last 1 d)" in text
    assert 'held: origin, whole, as "main.held.origin.before.r-20261121T100000000Z-inc-42"' in text
    assert f"reconciler apply production --expect {found.digest}" in text


def test_a_look_that_is_repeated_says_why_and_for_how_long_at_most(capsys):
    with Progress() as progress:
        progress.report(LooksAgain('a Hyperdrive config named "x" exists', 30.0))
    assert capsys.readouterr().err.endswith(
        '?   a Hyperdrive config named "x" exists: a list that lags behind looks the same, so it is looked at again, '
        "for 30 s at most\n"
    )


def test_a_step_that_is_dropped_ends_with_a_sentence_and_leaves_the_screen(monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)
    step = plan(ASKED, WORLD).steps[0]
    with Progress() as progress:
        progress.report(StepStarted(step))
        progress.report(StepDropped(step))
        assert progress._bars.tasks == []
    assert "not done, and not needed any more" in terminal.getvalue()


def test_in_sync_is_one_line_to_read():
    assert "production: in sync, origin is live" == plan_text.as_text(plan(DESIRED, WORLD), WORLD).splitlines()[0]


def test_a_refusal_is_told_with_its_rule_and_its_hint_in_every_form():
    found = plan(asking(Restore(hours_ago(-1))), WORLD)
    for text in (plan_text.as_text(found, WORLD), plan_text.as_markdown(found, WORLD)):
        assert "in-the-future" in text
        assert "check the zone" in text
    refusal = json.loads(plan_text.as_json(found))["refusals"][0]
    assert {"rule", "message", "hint"} == set(refusal)


def test_the_json_has_the_promised_keys():
    facts = json.loads(plan_text.as_json(plan(ASKED, WORLD)))
    keys = ["environment", "digest", "in_sync", "live_timeline", "desired_timeline", "steps", "warnings", "refusals"]
    assert [*keys, "outside", "suspension", "drift", "source"] == list(facts)
    assert all({"step", "reason", "target"} <= set(step) for step in facts["steps"])
    assert ("origin", "r-20261121T100000000Z-inc-42") == (facts["live_timeline"], facts["desired_timeline"])


OUTSIDE = (Outside("Axiom Logpush archive", timedelta(days=30), "query it by _time"), Outside("the accountant"))
BOUND = replace(WORLD, workers=(replace(SEEN, bindings=(Binding(BindingKind.R2, "photos", "PHOTOS"),)),))


def test_what_is_not_rewound_is_told_one_line_each_with_its_retention_and_its_recovery():
    found = plan(replace(ASKED, outside=OUTSIDE), BOUND)
    expected = [
        f"R2 bucket photos: kept until deleted; recovery: {found.outside[0].recovery}",
        "Axiom Logpush archive: kept up to 30 d; recovery: query it by _time",
        "the accountant: retention not stated; recovery: not stated",
    ]
    text = plan_text.as_text(found, BOUND).splitlines()
    assert ["Not rewound", *(f"  {line}" for line in expected), ""] == text[text.index("Not rewound") :][:5]
    markdown = plan_text.as_markdown(found, BOUND).splitlines()
    at = markdown.index("**Not rewound**")
    assert ["", *(f"- {prose(line)}" for line in expected), ""] == markdown[at + 1 : at + 6]


def test_what_is_not_rewound_is_in_the_json_with_its_retention_as_the_file_spells_it():
    told = json.loads(plan_text.as_json(plan(replace(ASKED, outside=OUTSIDE), BOUND)))["outside"]
    assert [("R2 bucket photos", "forever"), ("Axiom Logpush archive", "30d"), ("the accountant", None)] == [
        (each["name"], each["retention"]) for each in told
    ]
    assert {"name", "retention", "recovery"} == set(told[0])


@pytest.mark.parametrize("restore", [None, Restore(hours_ago(-1))], ids=["in sync", "refused"])
def test_nothing_is_said_of_it_where_no_data_changes(restore):
    found = plan(asking(restore, replace(DESIRED, outside=OUTSIDE)), BOUND)
    assert "Not rewound" not in plan_text.as_text(found, BOUND) + plan_text.as_markdown(found, BOUND)
    assert [] == json.loads(plan_text.as_json(found))["outside"]


def test_every_step_has_a_sentence_a_target_and_a_phase():
    hold = replace(DESIRED.primary, restore=ASKED.primary.restore)
    for step in plan(replace(ASKED, primary=hold), WORLD).steps:
        assert step.describe()
        assert step.target
        assert step.phase


def test_a_pipe_in_a_reason_does_not_break_the_table_of_a_pull_request():
    world = replace(WORLD, configs=(replace(WORLD.configs[0], name="a|b"),))
    text = plan_text.as_markdown(plan(replace(ASKED, hyperdrive=replace(DESIRED.hyperdrive, name="a|b")), world), world)
    assert all(line.replace("\\|", "").count("|") == 4 for line in text.splitlines() if line.startswith("| "))


def test_a_name_of_a_provider_is_shown_in_markdown_and_does_nothing():
    project = replace(WORLD.project, name="</details><b>\n```\n# shouted")
    branches = (replace(WORLD.branches[0], name="<i>main</i>", default=True), *WORLD.branches[1:])
    for found, world in (
        (plan(ASKED, replace(WORLD, project=project)), replace(WORLD, project=project)),
        (plan(ASKED, replace(WORLD, branches=branches)), replace(WORLD, branches=branches)),
    ):
        text = plan_text.as_markdown(found, world)
        outside_of_code = re.sub(r"(?s)^(`{3,})text\n.*?\n\1$", "", text, flags=re.MULTILINE)
        assert not re.search("<i>|<b>|</details>|^# ", outside_of_code, re.MULTILINE)


def test_help_answers_without_loading_what_only_commands_need():
    code = (
        "import sys\nfrom reconciler.cli.main import group\n"
        "try: group.main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'httpx', 'psycopg', 'git', 'pydantic', 'rich', 'stamina', 'aiohttp'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == answer.stdout.splitlines()[-1]
    for name in COMMANDS:
        assert f"  {name} " in answer.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_agrees_with_the_list_and_stands_in_the_readme(name):
    answer = run_program(name, "--help")
    assert (0, "") == (answer.returncode, answer.stderr)
    assert f"`reconciler {name}" in (ROOT / "README.md").read_text()


def test_the_checked_in_schema_is_the_one_that_the_command_prints():
    answer = run_program("schema", check=True)
    assert (ROOT / "desired-state" / "schema.json").read_text() == answer.stdout


def test_the_files_of_this_repository_are_right():
    answer = run_program("validate", cwd=ROOT)
    assert (0, "production: right, asks for origin\n") == (answer.returncode, answer.stdout)


def test_a_plan_starts_without_what_only_gates_need():
    """PostgreSQL's client was a fifth of the time until the first request."""
    code = "import reconciler.cli.plan, sys; print('psycopg' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"
