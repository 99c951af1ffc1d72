"""What a job of GitHub Actions reads of its surroundings, and what it says: escaped, within limits, without secrets."""

import base64
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.ci.actions import SUMMARY_BYTES, Actions
from reconciler.core.values.redaction import STARS, Redaction
from reconciler.errors import InputError

SECRETS = {"NEON_API_KEY": "napi_canary", "CLOUDFLARE_API_TOKEN": "cf+canary/=", "GITHUB_TOKEN": "ghs_canary"}
PULL_REQUEST = {
    "number": 7,
    "pull_request": {
        "number": 7,
        "head": {"sha": "b" * 40, "repo": {"full_name": "acme/shop"}},
        "base": {"sha": "a" * 40, "repo": {"full_name": "acme/shop"}},
    },
}


@pytest.fixture
def job(tmp_path):
    """Make a job: `job(name="push", payload={...}, NEON_API_KEY="...")`."""

    def make(name="push", payload=None, **more):
        event = tmp_path / "event.json"
        event.write_text(json.dumps(payload or {}))
        environment = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": name,
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_RUN_ID": "41",
            "GITHUB_RUN_ATTEMPT": "2",
            "GITHUB_SHA": "c" * 40,
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_ACTOR": "ada",
        }
        return Actions.read(environment | SECRETS | more)

    return make


# What it reads


def test_a_job_knows_its_event_repository_commit_actor_and_the_address_of_its_log(job):
    actions = job()
    assert (actions.event, actions.repository, actions.sha, actions.ref) == (
        "push", "acme/shop", "c" * 40, "refs/heads/main",
    )  # fmt: skip
    assert actions.actor == "ada"
    assert actions.run_url == "https://github.example/acme/shop/actions/runs/41/attempts/2"


def test_outside_of_actions_everything_is_empty_and_nothing_fails(capsys):
    actions = Actions.read({})
    assert (actions.running, actions.event, actions.run_url, actions.pull_request) == (False, "", "", None)
    actions.summary("# the summary")
    actions.output("name", "value")
    actions.error("title", "message", "f.jsonc", 3)
    actions.mask("canary-of-a-mask")
    said = capsys.readouterr()
    assert said.out == "# the summary\n"
    assert said.err == "name: value\nerror: f.jsonc:3: title: message\n"


def test_a_pull_request_of_the_repository_is_told_from_one_of_a_fork_also_of_a_deleted_one(job):
    found = job("pull_request", PULL_REQUEST).pull_request
    assert (found.number, found.head, found.base, found.from_fork) == (7, "b" * 40, "a" * 40, False)
    for repository in ({"full_name": "mallory/shop"}, None):
        payload = json.loads(json.dumps(PULL_REQUEST))
        payload["pull_request"]["head"]["repo"] = repository
        assert job("pull_request", payload).pull_request.from_fork


def test_a_push_has_two_commits_unless_it_made_the_branch(job):
    assert job(payload={"before": "a" * 40, "after": "b" * 40}).pushed == ("a" * 40, "b" * 40)
    assert job(payload={"before": "0" * 40, "after": "b" * 40}).pushed is None
    assert job("schedule", {"before": "a" * 40, "after": "b" * 40}).pushed is None


def test_an_event_that_cannot_be_read_is_an_error_in_words(tmp_path):
    (tmp_path / "event").write_text("{")
    for path in (tmp_path / "event", tmp_path / "missing"):
        with pytest.raises(InputError, match="GITHUB_EVENT_PATH"):
            Actions.read({"GITHUB_EVENT_PATH": str(path)})


# What it says


def test_an_annotation_is_one_line_whatever_its_parts_hold(job, capsys):
    job().error("a: b, c", "100 %\r\nnext", "desired-state/a,b.jsonc", 3)
    assert capsys.readouterr().out == (
        "::error file=desired-state/a%2Cb.jsonc,line=3,title=a%3A b%2C c::100 %25%0D%0Anext\n"
    )


@given(title=st.text(), message=st.text(), file=st.text())
def test_no_text_can_end_an_annotation_or_add_a_property(title, message, file):
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("click.echo", said.append)
        Actions.read({"GITHUB_ACTIONS": "true"}).warning(title, message, file, 1)
    (line,) = said
    assert not set("\r\n") & set(line)
    command, _, data = line.removeprefix("::warning ").partition("::")
    assert [part.partition("=")[0] for part in command.split(",")] == ["file", "line", *(["title"] if title else [])]
    assert _unescaped(data) == message


def _unescaped(text):
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def test_what_is_said_cannot_be_a_workflow_command(job, capsys):
    job().say("::add-mask::x\n##[error]y")
    first, *lines, last = capsys.readouterr().out.splitlines()
    token = first.removeprefix("::stop-commands::")
    assert len(token) == 32
    assert lines == ["::add-mask::x", "##[error]y"]
    assert last == f"::{token}::"


def test_an_output_cannot_end_itself_and_begin_another(job):
    actions = job()
    actions.output("first", "a\nEOF\nsecond<<EOF\nb")
    actions.output("third", "c")
    found = re.findall(r"(?s)(\w+)<<(end-[0-9a-f]{32})\n(.*?)\n\2\n", actions.output_file.read_text())
    assert [(name, value) for name, _, value in found] == [("first", "a\nEOF\nsecond<<EOF\nb"), ("third", "c")]
    assert found[0][1] != found[1][1]


def test_the_summary_grows_up_to_its_limit_and_never_beyond(job, monkeypatch):
    limit = 50_000
    monkeypatch.setattr("reconciler.cli.ci.actions.SUMMARY_BYTES", limit)
    actions = job()
    actions.summary("first")
    actions.summary("\n".join(f"line {n}" for n in range(15_000)))
    actions.summary("x\n" * 30_000)
    text = actions.summary_file.read_text()
    assert text.startswith("first\n\nline 0\n")
    assert "left out here" in text
    assert limit * 0.99 < len(text.encode()) <= limit
    assert SUMMARY_BYTES == 2**20


# Secrets


@pytest.mark.parametrize("name", SECRETS)
def test_no_credential_leaves_by_any_way_out(job, capsys, tmp_path, name):
    actions, secret = job(), SECRETS[name]
    header = base64.b64encode(f"x-access-token:{secret}".encode()).decode()
    text = f"a {secret} b {json.dumps(secret)} c {header}"
    actions.summary(text)
    actions.output("name", text)
    actions.error(text, text, text, 1)
    actions.warning(text, text)
    actions.notice(text, text)
    actions.say(text)
    actions.write(tmp_path / "below" / "plan.md", text)
    files = [actions.summary_file, actions.output_file, tmp_path / "below" / "plan.md"]
    said = capsys.readouterr()
    everything = [said.out, said.err, *(Path(file).read_text() for file in files), repr(actions)]
    for each in everything:
        assert secret not in each
        assert header not in each
    assert all(STARS in each for each in everything[2:-1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres://app:pw@host/db", f"postgres://app:{STARS}@host/db"),
        ("postgresql://app:p@w@host/db?x=1", f"postgresql://app:{STARS}@host/db?x=1"),
        ('{"uri":"postgres://app:pw@host","to":"a@b"}', f'{{"uri":"postgres://app:{STARS}@host","to":"a@b"}}'),
        ("postgres://app@host/db?password=pw&x=1", f"postgres://app@host/db?password={STARS}&x=1"),
        ("postgres://app@host/db", "postgres://app@host/db"),
    ],
)
def test_a_password_in_a_connection_string_becomes_stars(text, expected):
    assert Redaction()(text) == expected


def test_a_secret_that_is_learned_later_is_hidden_from_then_on(job, capsys):
    actions = job()
    actions.mask("canary-1\ncanary-2")
    assert capsys.readouterr().out == "::add-mask::canary-1\n::add-mask::canary-2\n"
    assert actions.redacted("canary-1\ncanary-2") == STARS


def test_an_empty_credential_hides_nothing():
    assert Redaction.of({"NEON_API_KEY": "", "GITHUB_TOKEN": " "})("a b") == "a b"


def test_one_secret_that_is_part_of_another_leaves_nothing_of_it():
    assert Redaction.of({"NEON_API_KEY": "abc", "GITHUB_TOKEN": "abcdef"})("abcdef") == STARS
