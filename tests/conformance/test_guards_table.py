"""The table of guards in docs/guards.md is what the refusal classes say."""

from pathlib import Path

import pytest

from reconciler.core.model.desired import Waivable
from tests.conformance import guards

_ROOT = Path(__file__).parents[2]
_TESTS = "\n".join(path.read_text() for path in (_ROOT / "tests").rglob("test_*.py"))
_EVERY = pytest.mark.parametrize("refusal", guards.refusals(), ids=lambda each: each.rule)


def test_the_table_is_up_to_date():
    assert guards.render() == guards.between(guards.DOCUMENT.read_text()), "run: python -m tests.conformance.guards"


def test_rules_have_unique_names():
    rules = [each.rule for each in guards.refusals()]
    assert sorted(set(rules)) == rules


@_EVERY
def test_sentences_use_fields_that_exist(refusal):
    assert guards.placeholders(refusal) <= set(dir(refusal))


@_EVERY
def test_a_test_names_the_rule(refusal):
    is_named = refusal.rule in _TESTS or refusal.__name__ in _TESTS
    assert is_named, "add a case to tests/core/rules/test_guards.py"


def test_every_waiver_names_a_rule():
    assert {each.value for each in Waivable} <= {each.rule for each in guards.refusals()}


def test_the_readme_lists_every_waiver():
    readme = (_ROOT / "README.md").read_text()
    assert [each.value for each in Waivable if f"`{each.value}`" not in readme] == [], "add it to its list"
