"""The commands as processes: exit statuses, what stands on stdout and stderr, and what is never done."""

import json
import re

import pytest

from reconciler.core.plan.plan import plan
from reconciler.engine.events import PlanChanged
from tests.core.file.malformed import MALFORMED
from tests.support.database import DAMAGED, EARLY, GOOD
from tests.support.plain_words import run_main
from tests.support.shops import PRIMARY
from tests.support.waiting import eventually

# plan


def test_plan_of_what_is_in_sync_ends_with_0_and_asks_the_providers_at_most_8_times(untouched, command):
    said = command(untouched, "plan", "production")
    assert (said.status, said.stderr) == (0, "")
    assert said.stdout.startswith("production: in sync, origin is live\n")
    requests = untouched.sandbox.requests()
    assert len(requests) <= 8
    assert not [each for each in requests if each.is_write]


def test_plan_with_changes_pending_ends_with_2_and_changes_nothing(untouched, command):
    untouched.ask(untouched.shop.good)
    said = command(untouched, "plan")
    assert (said.status, said.stderr) == (2, "")
    assert untouched.sandbox.writes() == []
    assert untouched.git("status", "--porcelain") == ""


def test_plan_in_json_has_the_documented_shape(untouched, command):
    untouched.ask(untouched.shop.good, id="inc-42")
    said = command(untouched, "plan", "--format", "json")
    found = json.loads(said.stdout)
    assert list(found) == [
        "environment", "digest", "in_sync", "live_timeline", "desired_timeline", "steps", "warnings", "refusals",
        "outside", "suspension", "drift", "source",
    ]  # fmt: skip
    assert re.fullmatch("[0-9a-f]{16}", found["digest"])
    expected = {
        "environment": "production",
        "in_sync": False,
        "live_timeline": "origin",
        "desired_timeline": untouched.timeline(),
        "refusals": [],
    }
    assert {key: found[key] for key in expected} == expected
    assert [each["step"] for each in found["steps"]] == [
        "CreateBranch", "VerifyBranch", "CreateHyperdrive", "WriteBinding", "UploadVersion", "SwitchTraffic",
        "RenameBranch", "RenameBranch", "SetDefaultBranch",
    ]  # fmt: skip
    assert all(isinstance(each[key], str) and each[key] for each in found["steps"] for key in ("reason", "target"))
    assert all(isinstance(each, str) for each in found["warnings"])


def test_plan_names_what_the_worker_is_bound_to_that_stays_in_the_present(untouched, command):
    path = untouched.wrangler_path(untouched.scripts[0])
    bucket = '"r2_buckets": [{ "binding": "PHOTOS", "bucket_name": "photos" }]'
    path.write_text(path.read_text().replace('"hyperdrive":', f'{bucket}, "hyperdrive":'))
    untouched.desired["outside"] = [{"name": "Axiom Logpush archive", "retention": "30d"}]
    untouched.ask(untouched.shop.good)
    said = command(untouched, "plan", "--format", "json")
    told = [(each["name"], each["retention"]) for each in json.loads(said.stdout)["outside"]]
    assert told == [("R2 bucket photos", "forever"), ("Axiom Logpush archive", "30d")]


def test_plan_that_is_refused_ends_with_3_and_names_rule_numbers_and_way_out(untouched, command):
    untouched.desired["primary"]["restore"] = {"to": "2020-01-01T00:00:00Z"}
    untouched.write()
    said = command(untouched, "plan", "--format", "json")
    found = json.loads(said.stdout)
    assert said.status == 3
    assert (found["in_sync"], found["steps"]) == (False, [])
    assert [each["rule"] for each in found["refusals"]] == ["outside-history-window", "before-source-existed"]
    assert all(set(each) == {"rule", "message", "hint"} and all(each.values()) for each in found["refusals"])


def test_a_plan_has_one_digest_however_often_and_in_whatever_form_it_is_asked_for(untouched, monkeypatch, capsys):
    untouched.ask(untouched.shop.good)
    _, shown, _ = _in_this_process(untouched, monkeypatch, capsys, "plan", "--format", "json")
    for form in ("text", "markdown"):
        _, stdout, _ = _in_this_process(untouched, monkeypatch, capsys, "plan", "--format", form)
        assert re.search(f"digest.*{json.loads(shown)['digest']}", stdout)


# apply


def test_apply_ends_with_0_says_what_it_did_on_stderr_and_what_is_live_on_stdout(production, command):
    production.ask(production.shop.good)
    said = command(production, "apply", "--format", "json")
    assert said.status == 0
    found = json.loads(said.stdout)
    assert (found["converged"], found["live_timeline"]) == (True, production.timeline())
    finished = [line for line in said.stderr.splitlines() if "] ok  " in line]
    assert len(finished) == len(found["steps"]) == 9
    production.check_live(GOOD)
    again = command(production, "apply")
    assert (again.status, again.stderr) == (0, "")
    assert "in sync" in again.stdout


def test_apply_that_is_refused_ends_with_3_and_writes_nothing(untouched, command):
    untouched.desired["primary"]["restore"] = {"to": "2020-01-01T00:00:00Z"}
    untouched.write()
    said = command(untouched, "apply")
    assert said.status == 3
    assert "outside-history-window" in said.stdout
    assert untouched.sandbox.writes() == []


def test_apply_whose_gate_fails_ends_with_1_names_the_gate_and_says_what_is_live(production, command):
    production.verify(sql=[('select count(*) from "Listing"', 961)])
    production.ask(production.shop.good)
    said = command(production, "apply")
    assert (said.status, said.stdout) == (1, "")
    assert 'error: gate "sql 0" failed: it answered 25, not 961' in said.stderr
    assert "live now: origin" in said.stderr
    assert production.rows() == DAMAGED


def test_apply_takes_the_plan_that_was_approved(production, command):
    production.ask(production.shop.good)
    digest = json.loads(command(production, "plan", "--format", "json").stdout)["digest"]
    assert command(production, "apply", "--expect", digest).status == 0
    production.check_live(GOOD)


def test_apply_refuses_another_digest_shows_the_plan_of_now_and_writes_nothing(untouched, command):
    untouched.ask(untouched.shop.good)
    untouched.sandbox.forget_requests()
    said = command(untouched, "apply", "--expect", "0123456789abcdef", "--format", "json")
    assert said.status == 3
    assert "0123456789abcdef was approved" in said.stderr
    assert json.loads(said.stdout)["digest"] != "0123456789abcdef"
    assert untouched.sandbox.writes() == []


def test_apply_refuses_when_reality_or_the_file_has_moved_since_the_plan(production):
    def worker():
        production.put_script(production.scripts[0], production.config(production.name)["id"], production.upload)

    def branch():
        path = f"/projects/{production.project}/branches"
        production.sandbox.neon("POST", path, json={"branch": {"name": "somebody-elses"}})
        eventually(production.is_idle, "somebody else's branch")

    production.ask(production.shop.good)
    changes = [worker, branch, lambda: production.protect(PRIMARY), lambda: production.ask(production.shop.early)]
    for change in changes:
        approved = plan(*production.observe()).digest
        change()
        production.sandbox.forget_requests()
        with pytest.raises(PlanChanged):
            production.apply(expect=approved)
        assert production.sandbox.writes() == []
    assert production.apply(expect=plan(*production.observe()).digest).converged
    production.check_live(EARLY)


def test_a_run_that_was_approved_and_killed_is_not_approved_any_more_in_the_middle(production, command):
    """The plan that was approved has begun: what is left of it is another plan, and is shown as such."""
    production.ask(production.shop.good)
    digest = json.loads(command(production, "plan", "--format", "json").stdout)["digest"]
    production.sandbox.fault("status:400", "POST", "/hyperdrive/configs$")
    assert command(production, "apply", "--expect", digest).status == 1
    assert command(production, "apply", "--expect", digest).status == 3
    assert command(production, "apply").status == 0
    production.check_live(GOOD)


# what is wrong with how it is called, and what it is called with


@pytest.mark.parametrize(
    "arguments",
    [
        ["plam"],
        ["plan", "--colour"],
        ["plan", "--format", "yaml"],
        ["plan", "production", "staging"],
        ["plan", "staging"],
        ["plan", "desired-state/staging.jsonc"],
        ["apply", "--expect"],
        ["apply", "staging"],
        ["validate", "staging"],
    ],
    ids=" ".join,
)
def test_a_command_that_is_called_wrongly_ends_with_1_and_a_sentence(untouched, monkeypatch, capsys, arguments):
    status, stdout, stderr = _in_this_process(untouched, monkeypatch, capsys, *arguments)
    assert (status, stdout) == (1, "")
    assert "rror: " in stderr
    assert untouched.sandbox.requests() == []


@pytest.mark.parametrize("name", ["NEON_API_KEY", "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID"])
@pytest.mark.parametrize("verb", ["plan", "apply", "status"])
def test_a_credential_that_is_missing_is_named(untouched, monkeypatch, capsys, verb, name):
    del untouched.environment[name]
    status, stdout, stderr = _in_this_process(untouched, monkeypatch, capsys, verb)
    assert (status, stdout) == (1, "")
    assert f"error: not set in the environment: {name}\n" in stderr
    assert untouched.sandbox.requests() == []


def test_every_credential_that_is_missing_is_named_at_once(untouched, command):
    nothing = dict.fromkeys(("NEON_API_KEY", "CLOUDFLARE_API_TOKEN"), None)
    said = command(untouched, "plan", CLOUDFLARE_ACCOUNT_ID="", **nothing)
    assert (said.status, said.stdout) == (1, "")
    assert "NEON_API_KEY, CLOUDFLARE_API_TOKEN, CLOUDFLARE_ACCOUNT_ID" in said.stderr


@pytest.mark.parametrize("verb", ["plan", "apply"])
@pytest.mark.parametrize("name", ["NEON_API_HOST", "CLOUDFLARE_API_BASE_URL"])
def test_a_provider_that_cannot_be_reached_is_an_error_and_nothing_is_done(untouched, monkeypatch, capsys, verb, name):
    untouched.environment[name] = "http://127.0.0.1:1"
    status, stdout, stderr = _in_this_process(untouched, monkeypatch, capsys, verb)
    assert status == 1
    assert "cannot connect to 127.0.0.1" in stdout + stderr
    assert untouched.sandbox.writes() == []


@pytest.mark.parametrize("verb", ["plan", "apply"])
@pytest.mark.parametrize("name", ["NEON_API_KEY", "CLOUDFLARE_API_TOKEN"])
def test_a_wrong_key_is_an_error_in_the_providers_words(untouched, monkeypatch, capsys, verb, name):
    untouched.environment[name] = "napi_canary_that_nobody_may_read"
    status, *said = _in_this_process(untouched, monkeypatch, capsys, verb)
    assert status == 1
    assert re.search(r"(?i)40[13].*(authenticat|authoriz|credential|token|key)", "".join(said))
    assert "canary" not in "".join(said)
    assert untouched.sandbox.writes() == []


def test_what_is_wrong_with_a_provider_ends_a_process_with_1_and_no_traceback(untouched, command):
    for verb, environment in (
        ("plan", {"NEON_API_HOST": "http://127.0.0.1:1"}),
        ("apply", {"CLOUDFLARE_API_TOKEN": "napi_canary_that_nobody_may_read"}),
    ):
        said = command(untouched, verb, **environment)
        assert said.status == 1
        assert "canary" not in said.stdout + said.stderr


def test_a_project_that_does_not_exist_is_an_error_in_neons_words(untouched, command):
    untouched.desired["primary"]["project"] = "nobodys-project-1"
    untouched.write()
    said = command(untouched, "plan")
    assert said.status == 1
    assert "project not found" in said.stdout


def test_a_wrangler_file_that_cannot_be_read_is_an_error_and_nothing_is_done(untouched, command):
    untouched.wrangler_path(untouched.scripts[0]).write_text('{ "name": ')
    untouched.ask(untouched.shop.good)
    untouched.sandbox.forget_requests()
    said = command(untouched, "apply")
    assert said.status == 1
    assert "wrangler.jsonc:1:" in said.stdout + said.stderr
    assert untouched.sandbox.writes() == []


def test_status_says_what_is_live_and_held(production, command):
    production.ask(production.shop.good)
    production.apply()
    found = json.loads(command(production, "status", "--format", "json").stdout)
    assert command(production, "status", "--format", "markdown").stdout.startswith("**`production`**: ")
    assert found["live"]["timeline"] == production.timeline()
    assert [each["timeline"] for each in found["held"]] == ["origin"]
    assert (found["in_sync"], found["unreadable"]) == (True, [])


# files with mistakes


def test_validate_names_every_mistake_of_every_file_and_asks_nobody(untouched, command):
    names = {f"malformed-{number}": case for number, case in enumerate(MALFORMED)}
    for name, case in names.items():
        (untouched.file.parent / f"{name}.jsonc").write_text(_lasting(case))
    said = command(untouched, "validate", *names)
    assert (said.status, said.stdout) == (1, "")
    for name, case in names.items():
        _check_places(case, f"desired-state/{name}.jsonc", said.stderr)
    assert untouched.sandbox.requests() == []


@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_plan_and_apply_name_every_mistake_and_ask_nobody(untouched, monkeypatch, capsys, verb):
    for case in MALFORMED:
        untouched.file.write_text(_lasting(case))
        status, stdout, stderr = _in_this_process(untouched, monkeypatch, capsys, verb)
        assert (status, stdout) == (1, ""), case
        _check_places(case, "desired-state/production.jsonc", stderr)
    assert untouched.sandbox.requests() == []


def test_plan_of_a_file_with_a_mistake_ends_with_1_as_a_process_too(untouched, command):
    untouched.file.write_text(_lasting("a missing comma"))
    said = command(untouched, "plan")
    assert (said.status, said.stdout) == (1, "")
    _check_places("a missing comma", "desired-state/production.jsonc", said.stderr)
    assert untouched.sandbox.requests() == []


def test_validate_says_what_a_right_file_asks_for(untouched, command):
    untouched.ask(untouched.shop.good)
    said = command(untouched, "validate", NEON_API_KEY=None, CLOUDFLARE_API_TOKEN=None)
    assert (said.status, said.stderr) == (0, "")
    assert said.stdout == f"production: right, asks for {untouched.timeline()}\n"


def _lasting(case):
    """The text of a case, with moments that are past, or future, whenever this runs."""
    return MALFORMED[case][0].replace("2026-11-21", "2021-11-21").replace("2027-01-01", "9027-01-01")


def _check_places(case, file, stderr):
    lines = _lasting(case).split("\n")
    told = re.findall(rf"^{re.escape(file)}:([0-9]+):([0-9]+): (.*(?:\n    hint: .*)?)", stderr, re.MULTILINE)
    places = [(lines[int(line) - 1][int(column) - 1 :], said) for line, column, said in told]
    for place, words in MALFORMED[case][1].items():
        wanted = place.replace("2026-11-21", "2021-11-21").replace("2027-01-01", "9027-01-01")
        assert any((found.startswith(wanted) if wanted else not found) and words in said for found, said in places), (
            case,
            place,
            told,
        )


def _in_this_process(production, monkeypatch, capsys, *arguments):
    """Run a command here, where a process would only cost time."""
    monkeypatch.chdir(production.root)
    for name in production.sandbox.environment:
        monkeypatch.delenv(name, raising=False)
    for name, value in production.environment.items():
        monkeypatch.setenv(name, value)
    return run_main(monkeypatch, capsys, *arguments)
