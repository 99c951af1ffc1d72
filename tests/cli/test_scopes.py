"""A key or token that is not valid, or lacks a permission: the error names what is missing and where it is granted."""

import pytest

from tests.support.database import DAMAGED
from tests.support.plain_words import run_main


@pytest.fixture
def lacking(untouched):
    """Take permissions away from the token, or change what the key is for."""
    before = untouched.sandbox.switches()
    yield untouched.sandbox.switch
    for half, settings in before.items():
        untouched.sandbox.switch(half, **settings)


@pytest.fixture
def said(monkeypatch, capsys):
    """Run a command in this process: `said(production, "plan", NEON_API_KEY=…)`, which must end with 1."""

    def run(production, *arguments, **environment):
        monkeypatch.chdir(production.root)
        for name, value in {**production.environment, **environment}.items():
            monkeypatch.setenv(name, value)
        status, *words = run_main(monkeypatch, capsys, *arguments)
        assert status == 1
        return "".join(words)

    return run


@pytest.mark.parametrize("of_account", [False, True], ids=["token of a user", "token of the account"])
@pytest.mark.parametrize(
    ("lacks", "named"),
    [("hyperdrive-read", "Account > Hyperdrive > Edit"), ("workers-read", "Account > Workers Scripts > Edit")],
)
def test_plan_names_a_missing_permission(untouched, said, lacking, lacks, named, of_account):
    lacking("cloudflare", token_lacks=[lacks], token_of_account=of_account)
    text = said(untouched, "plan")
    assert "CLOUDFLARE_API_TOKEN is valid and may not read this" in text
    assert named in text
    assert "API Tokens" in text


def test_apply_names_a_missing_write_permission(make_production, said):
    production = make_production()
    production.ask(production.shop.good)
    production.sandbox.switch("cloudflare", token_lacks=["hyperdrive-write"])
    assert "may not change this: grant it Account > Hyperdrive > Edit" in said(production, "apply")
    production.sandbox.switch("cloudflare", token_lacks=[])
    assert production.rows() == DAMAGED


def test_an_invalid_token_is_distinguished(untouched, said):
    text = said(untouched, "plan", CLOUDFLARE_API_TOKEN="canary-token-of-nobody")
    assert "CLOUDFLARE_API_TOKEN is not valid, has expired or was revoked" in text
    assert "Workers Scripts > Edit and Account > Hyperdrive > Edit" in text
    assert "canary" not in text


def test_a_wrong_key_says_where_to_make_one(untouched, said, lacking):
    text = said(untouched, "plan", NEON_API_KEY="napi_canary_of_nobody")
    assert "NEON_API_KEY is not valid, or was revoked" in text
    assert "Organization settings > API keys" in text
    lacking("neon", key_for_another_project=True)
    assert f"either there is no project {untouched.project}, or NEON_API_KEY is not for it" in said(untouched, "plan")
