"""Secrets taken out of text, however they are spelled there, and a type that never shows one."""

import base64
import copy
import html
import json
import pickle
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.values.escaping import prose
from reconciler.core.values.redaction import CREDENTIALS, EVERYWHERE, STARS, Redaction
from reconciler.core.values.secret import Secret

_CHARACTERS = st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=("Cc", "Zs"))
_SECRETS = st.text(_CHARACTERS, min_size=6, max_size=40)


@given(secret=_SECRETS, before=st.text(max_size=20), after=st.text(max_size=20))
@settings(max_examples=40)
def test_a_hidden_value_is_found_in_every_spelling(secret, before, after):
    redact = Redaction()
    redact.hide(secret)
    spelled = [
        secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, safe=""),
        html.escape(secret), html.escape(secret, quote=False), base64.b64encode(secret.encode()).decode(),
        base64.b64encode(f"x-access-token:{secret}".encode()).decode(),
    ]  # fmt: skip
    for each in spelled:
        assert each not in redact(f"{before} {each} {after}").replace(STARS, "")


@pytest.mark.parametrize("secret", ["na_pi*[x]", "a|b~c`d_e", "<&>_secret_"])
def test_a_secret_in_escaped_markdown_is_found_too(secret):
    redact = Redaction()
    redact.hide(secret)
    assert redact(prose(f"it is {secret} here")) == f"it is {STARS} here"


def test_a_text_without_secrets_stays_as_it_is():
    text = 'https://host:8080/a@b "password" is missing; see https://user@host/ and password: none, a=b gh_x npg'
    assert Redaction()(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://user:token@host/x", f"https://user:{STARS}@host/x"),
        ("host=h password=pw user=u", f"host=h password={STARS} user=u"),
        ("host=h password='p w' user=u", f"host=h password={STARS} user=u"),
        ('{"password": "pw", "a": 1}', f'{{"password": "{STARS}", "a": 1}}'),
        ("role has npg_AbCdEf123456 now", f"role has {STARS} now"),
        ("Authorization: Bearer abcdefgh.ijk", f"Authorization: Bearer {STARS}"),
        ("token ghs_0123456789012345678901", f"token {STARS}"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text, expected):
    assert Redaction()(text) == expected


@pytest.mark.parametrize(
    "text", ["://a:" * 20_000, "a" * 100_000 + "://", "password=" + " " * 100_000, '"password":"' * 9_000]
)
def test_hostile_text_takes_linear_time(text):
    """It would take hours otherwise."""
    Redaction()(text)


def test_every_new_secret_is_hidden_everywhere():
    value = "canary-of-a-new-secret"
    assert EVERYWHERE(value) == value
    secret = Secret(value)
    assert EVERYWHERE(f"a {value} b") == f"a {STARS} b"
    assert value not in f"{secret} {secret!r} {[secret]} {secret!s:>40}"
    assert value == secret.reveal()


def test_a_secret_cannot_be_serialised():
    for write in (pickle.dumps, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError):
            write(Secret("canary-that-stays"))


def test_an_empty_or_tiny_secret_hides_nothing():
    redact = Redaction.of({"NEON_API_KEY": "", "GITHUB_TOKEN": " ", "PGPASSWORD": "a"})
    assert redact("a b c") == "a b c"


@pytest.mark.parametrize("name", CREDENTIALS)
def test_every_credential_of_an_environment_is_hidden(name):
    assert Redaction.of({name: "canary-value"})("x canary-value y") == f"x {STARS} y"
