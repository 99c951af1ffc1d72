"""Receipts: one canonical line each, chained, and nothing else is taken for one."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.records.receipt import (
    GateResult,
    Identities,
    Receipt,
    Result,
    TakenStep,
    WorkerIdentity,
    fingerprint,
    latest,
    missing,
    parse,
)
from reconciler.core.values.instant import Instant

texts = st.text(max_size=30)
moments = st.integers(0, 4_000_000_000_000).map(lambda each: str(Instant(each)))
seconds = st.floats(0, 100_000, allow_nan=False)


def several(strategy):
    return st.lists(strategy, max_size=3).map(tuple)


identities = st.builds(
    Identities, texts, texts, texts, texts, texts, texts, several(st.builds(WorkerIdentity, texts, texts, texts))
)
receipts = st.builds(
    Receipt,
    environment=texts,
    commit=texts,
    changed=st.booleans(),
    began=moments,
    seconds=seconds,
    before=texts,
    asked=texts,
    after=texts,
    digest=texts,
    result=st.sampled_from(Result),
    detail=texts,
    steps=several(st.builds(TakenStep, texts, texts, texts, texts, moments, seconds)),
    gates=several(st.builds(GateResult, texts, texts, st.booleans(), texts)),
    ids=identities,
    outside=several(texts),
    actor=texts,
    run=texts,
    tool=texts,
    previous=texts,
    lifted=several(texts),
    rewound=several(texts),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@given(receipts)
def test_a_receipt_is_read_as_written(receipt):
    assert receipt == parse(receipt.line)


@given(receipts)
def test_a_line_is_canonical_ascii(receipt):
    facts = json.loads(receipt.line)
    shuffled = json.dumps(dict(reversed(facts.items())), indent=1, ensure_ascii=False)
    assert receipt.line == parse(shuffled).line
    assert receipt.line.isascii()
    assert receipt.line.isprintable()


@given(receipts, st.data())
def test_a_changed_byte_breaks_the_chain(receipt, data):
    following = replace(receipt, previous=receipt.fingerprint)
    assert missing([receipt, following]) <= {receipt.previous}
    at = data.draw(st.integers(0, len(receipt.line) - 1))
    byte = data.draw(st.characters(min_codepoint=32, max_codepoint=126).filter(lambda each: each != receipt.line[at]))
    line = receipt.line[:at] + byte + receipt.line[at + 1 :]
    assert fingerprint(line) != receipt.fingerprint
    try:
        altered = [parse(line)]
    except ValueError:
        altered = []
    assert not altered or altered[0] == receipt or receipt.fingerprint in missing([*altered, following])


@given(st.text() | st.binary().map(lambda each: each.decode(errors="surrogateescape")) | anything.map(json.dumps))
def test_garbage_is_a_value_error_and_nothing_else(line):
    with pytest.raises(ValueError):  # noqa: PT011  which sentence does not matter
        parse(line)


@given(receipts, st.data())
def test_a_replaced_value_is_an_error_or_readable(receipt, data):
    facts = json.loads(receipt.line)
    key = data.draw(st.sampled_from(sorted(facts)))
    facts[key] = data.draw(anything)
    try:
        found = parse(json.dumps(facts))
    except ValueError:
        return
    assert found.began_at
    assert found == parse(found.line)


def test_endless_nesting_is_a_value_error():
    with pytest.raises(ValueError, match="nested too deeply"):
        parse('{"a":' * 100_000)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-1", "1e300", "true", '"1"', "null"])
def test_a_duration_that_is_none_is_refused(number):
    line = example().line.replace('"seconds":41.25', f'"seconds":{number}')
    assert line != example().line
    with pytest.raises(ValueError, match="seconds"):
        parse(line)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": 2}, "not a receipt of this version"),
        ({"environment": 961}, "environment is no str"),
        ({"changed": "no"}, "changed is no bool"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_another_shape_is_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        parse(json.dumps(json.loads(example().line) | changes))


@pytest.mark.parametrize("field", ["outside", "lifted", "rewound"])
def test_what_is_listed_in_a_receipt_is_text(field):
    facts = json.loads(example().line)
    with pytest.raises(ValueError, match=f"{field} holds something else than text"):
        parse(json.dumps(facts | {field: ["text", 1]}))


@pytest.mark.parametrize("field", ["lifted", "rewound"])
def test_empty_lists_are_left_out(field):
    some = replace(example(), **{field: ("branch-limit: raised by Neon",)})
    assert json.loads(some.line)[field] == ["branch-limit: raised by Neon"]
    assert some == parse(some.line)
    assert field not in example().line


def test_the_latest_began_last():
    old, new = example(), replace(example(), began="2026-11-22T10:00:00.000Z")
    other = replace(example(), environment="staging", began="2027-01-01T00:00:00.000Z")
    assert new == latest([new, other, old], "production")
    assert latest([other], "production") is None


def test_a_named_receipt_can_be_missing():
    first = example()
    second = replace(first, previous=first.fingerprint)
    third = replace(first, previous=second.fingerprint)
    assert frozenset() == missing([first, second, third])
    assert {second.fingerprint} == missing([first, third])


def example():
    from tests.support.long_history import example as made

    return made("2026-11-21T10:00:00.000Z", "origin", "r-20261121T095500000Z-inc-42", "a" * 40)
