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


def test_plan_in_sync_ends_with_0_after_8_requests(untouched, command):
    said = command(untouched, "plan", "production")
    assert (said.status, said.stderr) == (0, "")
    assert said.stdout.startswith("production: in sync, origin is live\n")
    requests = untouched.sandbox.requests()
    assert len(requests) <= 8
    assert not [each for each in requests if each.is_write]


def test_plan_with_pending_changes_ends_with_2(untouched, command):
    untouched.ask(untouched.shop.good)
    said = command(untouched, "plan")
    assert (said.status, said.stderr) == (2, "")
    assert untouched.sandbox.writes() == []
    assert untouched.git("status", "--porcelain") == ""


def test_plan_in_json_has_the_steps_of_a_restore(untouched, command):
    untouched.ask(untouched.shop.good, id="inc-42")
    found = json.loads(command(untouched, "plan", "--format", "json").stdout)
    assert re.fullmatch("[0-9a-f]{16}", found["digest"])
    assert (False, "origin", untouched.timeline(), []) == (
        found["in_sync"], found["live_timeline"], found["desired_timeline"], found["refusals"]
    )  # fmt: skip
    assert [each["step"] for each in found["steps"]] == [
        "CreateBranch", "VerifyBranch", "CreateHyperdrive", "WriteBinding", "UploadVersion", "SwitchTraffic",
        "RenameBranch", "RenameBranch", "SetDefaultBranch",
    ]  # fmt: skip
    assert all(isinstance(each[key], str) and each[key] for each in found["steps"] for key in ("reason", "target"))
    assert all(isinstance(each, str) for each in found["warnings"])


def test_plan_names_bindings_that_are_not_rewound(untouched, command):
    path = untouched.wrangler_path(untouched.scripts[0])
    bucket = '"r2_buckets": [{ "binding": "PHOTOS", "bucket_name": "photos" }]'
    path.write_text(path.read_text().replace('"hyperdrive":', f'{bucket}, "hyperdrive":'))
    untouched.desired["outside"] = [{"name": "Axiom Logpush archive", "retention": "30d"}]
    untouched.ask(untouched.shop.good)
    said = command(untouched, "plan", "--format", "json")
    told = [(each["name"], each["retention"]) for each in json.loads(said.stdout)["outside"]]
    assert told == [("R2 bucket photos", "forever"), ("Axiom Logpush archive", "30d")]


def test_a_refused_plan_ends_with_3(untouched, command):
    untouched.desired["primary"]["restore"] = {"to": "2020-01-01T00:00:00Z"}
    untouched.write()
    said = command(untouched, "plan", "--format", "json")
    found = json.loads(said.stdout)
    assert said.status == 3
    assert (found["in_sync"], found["steps"]) == (False, [])
    assert [each["rule"] for each in found["refusals"]] == ["outside-history-window", "before-source-existed"]
    assert all(set(each) == {"rule", "message", "hint"} and all(each.values()) for each in found["refusals"])


def test_every_form_of_a_plan_has_one_digest(untouched, monkeypatch, capsys):
    untouched.ask(untouched.shop.good)
    _, shown, _ = _in_this_process(untouched, monkeypatch, capsys, "plan", "--format", "json")
    for form in ("text", "markdown"):
        _, stdout, _ = _in_this_process(untouched, monkeypatch, capsys, "plan", "--format", form)
        assert re.search(f"digest.*{json.loads(shown)['digest']}", stdout)


# apply


def test_apply_ends_with_0_and_reports_its_steps(production, command):
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


def test_a_refused_apply_ends_with_3(untouched, command):
    untouched.desired["primary"]["restore"] = {"to": "2020-01-01T00:00:00Z"}
    untouched.write()
    said = command(untouched, "apply")
    assert said.status == 3
    assert "outside-history-window" in said.stdout
    assert untouched.sandbox.writes() == []


def test_a_failed_gate_ends_apply_with_1(production, command):
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


def test_apply_refuses_another_digest(untouched, command):
    untouched.ask(untouched.shop.good)
    untouched.sandbox.forget_requests()
    said = command(untouched, "apply", "--expect", "0123456789abcdef", "--format", "json")
    assert said.status == 3
    assert "0123456789abcdef was approved" in said.stderr
    assert json.loads(said.stdout)["digest"] != "0123456789abcdef"
    assert untouched.sandbox.writes() == []


def test_apply_refuses_a_plan_that_is_stale(production):
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


def test_an_approval_ends_with_an_interrupted_run(production, command):
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
def test_a_wrong_call_ends_with_1_and_a_sentence(untouched, monkeypatch, capsys, arguments):
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


def test_all_missing_credentials_are_named_at_once(untouched, command):
    nothing = dict.fromkeys(("NEON_API_KEY", "CLOUDFLARE_API_TOKEN"), None)
    said = command(untouched, "plan", CLOUDFLARE_ACCOUNT_ID="", **nothing)
    assert (said.status, said.stdout) == (1, "")
    assert "NEON_API_KEY, CLOUDFLARE_API_TOKEN, CLOUDFLARE_ACCOUNT_ID" in said.stderr


@pytest.mark.parametrize("verb", ["plan", "apply"])
@pytest.mark.parametrize("name", ["NEON_API_HOST", "CLOUDFLARE_API_BASE_URL"])
def test_an_unreachable_provider_is_an_error(untouched, monkeypatch, capsys, verb, name):
    untouched.environment[name] = "http://127.0.0.1:1"
    status, stdout, stderr = _in_this_process(untouched, monkeypatch, capsys, verb)
    assert status == 1
    assert "cannot connect to 127.0.0.1" in stdout + stderr
    assert untouched.sandbox.writes() == []


@pytest.mark.parametrize("verb", ["plan", "apply"])
@pytest.mark.parametrize("name", ["NEON_API_KEY", "CLOUDFLARE_API_TOKEN"])
def test_a_wrong_key_has_the_providers_words(untouched, monkeypatch, capsys, verb, name):
    untouched.environment[name] = "napi_canary_that_nobody_may_read"
    status, *said = _in_this_process(untouched, monkeypatch, capsys, verb)
    assert status == 1
    assert re.search(r"(?i)40[13].*(authenticat|authoriz|credential|token|key)", "".join(said))
    assert "canary" not in "".join(said)
    assert untouched.sandbox.writes() == []


def test_a_missing_project_has_neons_words(untouched, command):
    untouched.desired["primary"]["project"] = "nobodys-project-1"
    untouched.write()
    said = command(untouched, "plan")
    assert said.status == 1
    assert "project not found" in said.stdout


def test_a_broken_wrangler_file_stops_apply(untouched, command):
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


def test_validate_names_every_mistake_without_a_request(untouched, command):
    names = {f"malformed-{number}": case for number, case in enumerate(MALFORMED)}
    for name, case in names.items():
        (untouched.file.parent / f"{name}.jsonc").write_text(_lasting(case))
    said = command(untouched, "validate", *names)
    assert (said.status, said.stdout) == (1, "")
    for name, case in names.items():
        _check_places(case, f"desired-state/{name}.jsonc", said.stderr)
    assert untouched.sandbox.requests() == []


@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_plan_and_apply_name_every_mistake(untouched, monkeypatch, capsys, verb):
    for case in MALFORMED:
        untouched.file.write_text(_lasting(case))
        status, stdout, stderr = _in_this_process(untouched, monkeypatch, capsys, verb)
        assert (status, stdout) == (1, ""), case
        _check_places(case, "desired-state/production.jsonc", stderr)
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
