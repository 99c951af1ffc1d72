"""`reconciler outside` reads files alone, and says what does not reach back as far as a restore."""

import json

import pytest

from tests.support.plain_words import run_main

STATE = {
    "primary": {"project": "aged-wildflower-123456", "branch": "main", "restore": None},
    "hyperdrive": {"name": "shop", "database": "shop", "role": "app"},
    "worker": {"config": "wrangler.jsonc", "binding": "HYPERDRIVE"},
    "outside": [{"name": "Axiom | archive", "retention": "30d", "recovery": "query it by _time"}],
}
WRANGLER = {
    "name": "shop",
    "hyperdrive": [{"binding": "HYPERDRIVE", "id": "0" * 32}],
    "r2_buckets": [{"binding": "PHOTOS", "bucket_name": "photos"}],
}


@pytest.fixture
def outside(tmp_path, monkeypatch, capsys):
    """Runs it in a repository without credentials: `outside("--to", "1 hour ago", restore=None, wrangler=WRANGLER)`."""
    for name in ("NEON_API_KEY", "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_ACCOUNT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*arguments, state=STATE, restore=None, wrangler=WRANGLER):
        state = state | {"primary": state["primary"] | {"restore": restore}}
        (tmp_path / "desired-state").mkdir(exist_ok=True)
        (tmp_path / "desired-state/production.jsonc").write_text(json.dumps(state))
        if wrangler is not None:
            (tmp_path / "wrangler.jsonc").write_text(json.dumps(wrangler))
        return run_main(monkeypatch, capsys, "outside", "production", *arguments)

    return run


def test_without_a_target_everything_outside_is_listed(outside):
    status, said, warned = outside()
    assert (status, warned) == (0, "")
    first, *rest = said.splitlines()
    assert first == "production: what a restore does not rewind (no target: --to MOMENT checks how far back it reaches)"
    assert rest[0].startswith("  R2 bucket photos: kept until deleted; recovery: none, as no versions are kept")
    assert rest[1:] == ["  Axiom | archive: kept up to 30 d; recovery: query it by _time"]


def test_what_does_not_reach_back_ends_with_2(outside):
    status, said, _ = outside("--to", "41 days ago")
    assert status == 2
    assert ", 41 d ago, does not rewind\n" in said
    assert said.endswith("    does not reach back that far: it keeps 30 d, and the target is 41 d old\n")
    assert outside("--to", "29 days ago")[0] == 0


def test_the_files_moment_is_the_default_target(outside):
    restore = {"to": "2026-01-01T00:00:00Z"}
    status, said, _ = outside(restore=restore)
    assert (status, "a restore to 2026-01-01T00:00:00.000Z" in said) == (2, True)
    assert outside("--to", "1 hour ago", restore=restore)[0] == 0


def test_json_says_whether_each_reaches_back(outside):
    found = json.loads(outside("--to", "41 days ago", "--format", "json")[1])
    assert list(found) == ["environment", "target", "outside", "unread"]
    assert [(each["name"], each["retention"], each["reaches"]) for each in found["outside"]] == [
        ("R2 bucket photos", "forever", True), ("Axiom | archive", "30d", False),
    ]  # fmt: skip
    state = STATE | {"outside": [{"name": "mail"}]}
    found = json.loads(outside("--to", "41 days ago", "--format", "json", state=state)[1])
    assert [(each["retention"], each["reaches"]) for each in found["outside"]] == [("forever", True), (None, None)]
    assert json.loads(outside("--format", "json")[1])["target"] is None


def test_in_markdown_names_are_made_harmless(outside):
    said = outside("--to", "41 days ago", "--format", "markdown")[1]
    assert "- Axiom \\| archive: kept up to 30 d; recovery: query it by \\_time. **Does not reach back" in said


def test_an_unreadable_file_ends_with_1(outside):
    status, said, warned = outside("--to", "41 days ago", wrangler=None)
    assert status == 1
    assert "Axiom | archive" in said
    assert "warning: its bindings are not listed: " in warned
    assert "wrangler.jsonc" in warned


def test_where_nothing_is_known_it_says_so(outside):
    state = {"primary": STATE["primary"]}
    assert outside(state=state)[1].endswith("  nothing found: no binding, and no outside in the file\n")
    assert "Nothing found" in outside("--format", "markdown", state=state)[1]


def test_a_future_moment_is_refused(outside):
    status, said, warned = outside("--to", "2126-01-01T00:00:00Z")
    assert (status, said) == (1, "")
    assert "2126-01-01T00:00:00.000Z is in the future" in warned
