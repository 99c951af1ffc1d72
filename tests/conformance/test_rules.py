"""The tables of the providers' rules are complete, and the tests and modules in them exist."""

import ast
from functools import cache

import pytest

from tests.conformance import rules

RULES = rules.read(rules.DOCUMENT.read_text())


def test_every_rule_is_there_once_and_in_order():
    expected = [f"{letter}{number}" for letter in rules.PROVIDERS.values() for number in range(1, rules.COUNT + 1)]
    assert expected == [rule.id for rule in RULES]


def test_every_line_of_a_table_is_read():
    lines = [line for line in rules.DOCUMENT.read_text().splitlines() if line.startswith("|")]
    heads = 2 * len(rules.PROVIDERS)
    assert len(RULES) + heads == len(lines)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_has_tests_and_modules_or_a_short_gap(rule):
    assert [] == [name for name in rule.tests if name not in _tests(name.partition("::")[0])]
    assert len(set(rule.tests)) == len(rule.tests)
    assert [] == [module for module in rule.kept_by if not (rules.ROOT / "reconciler" / module).is_file()]
    assert rule.tests or rule.gap
    assert len(rule.gap.split()) <= 3


def test_a_rule_is_proven_by_tests_without_a_gap():
    lines = [
        "| N1 | whole | `a.py` | `tests/a.py::test_a`<br>`tests/a.py::test_b` |",
        "| N2 | part | `a.py` | `tests/a.py::test_a`<br>not yet: nothing is deleted |",
        "| C1 | none | nothing | not yet: never built |",
    ]
    found = rules.read("\n".join(lines))
    assert [2, 1, 0] == [len(rule.tests) for rule in found]
    assert ["", "nothing is deleted", "never built"] == [rule.gap for rule in found]
    assert "rules: Neon 1 of 25, Cloudflare 0 of 25 shown by a test" == rules.summary(found)


@cache
def _tests(path):
    """Return the names of all tests in a file, as pytest names them, without importing it."""
    file = rules.ROOT / path
    return frozenset(_names(path, ast.parse(file.read_text()).body)) if file.is_file() else frozenset()


def _names(prefix, body):
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield f"{prefix}::{node.name}"
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from _names(f"{prefix}::{node.name}", node.body)
