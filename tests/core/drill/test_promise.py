"""A promise is read from a document however people write it, from its section alone, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.drill.promise import read_promise, spelled_promise
from reconciler.core.drill.results import Promise
from reconciler.errors import InputError

BUDGET = """\
# Performance budget

RTO: 5 min

## Frontend

RTO < 2 hours

## 3. Backend

Latency below 20 ms at the 99th percentile.

{}

### Details of the backend

More words, 12 days of them.

## Mail

RTO 3 h
"""


def seconds(statement: str, section: str = "Backend") -> float:
    return read_promise(BUDGET.format(statement), "budget.md", section).seconds


def complaint(statement: str, section: str = "Backend") -> str:
    with pytest.raises(InputError) as raised:
        seconds(statement, section)
    return f"{raised.value.message}\n{raised.value.hint}"


@pytest.mark.parametrize(
    "statement",
    [
        "RTO < 30 minutes",
        "RTO: 30 min",
        "RTO ≤ 0.5 h",
        "RTO &lt;= 0,5 h",
        "Recovery time objective … 30 m",
        "Recovery time objective (RTO) of the backend: at most **30 minutes**, tested yearly. Within 5 days.",
        "RTO (30 min)",
        "RTO < 30 minutes (the last drill took 12 min), that is 0.5 h",
        "**RTO**: `30 min`",
        "The [RTO](https://example.com/rto) is half an hour.",
        "RTO (recovery time objective)\nis 1,800 seconds",
        "- [x] RTO - fewer than 30 mins",
        "> RTO: 30 min.",
        "| RTO | 30 min |\n|---|---|\n| RPO | 5 min |",
        "| Objective | Target | Last drill |\n|---|---|---|\n| **RTO** | `30 min` | 12 min |\n| RPO | 1 min | 0 s |",
        "| RPO | RTO |\n|---|---|\n| 5 min | 30 min |",
        "| Objective |\n|---|\n| RTO: 30 min |",
        "### RTO\n\n30 minutes, gates included.",
        "RTO: 30 min (RPO: 5 min). Tested every 90 days.",
        "RTO: 30 min, which is an RTO of half an hour.",
        "~~RTO: 60 min~~ RTO: 30 min <!-- RTO: 7 min -->",
        "RTO: 30 min\n\n```\nRTO: 7 min\n## Mail\n```",
        "RTO since 2024: 30 min",
        "RTO \u2014 30 min",
        "RTO, by contract: 25 min and 300 s",
    ],
)
def test_thirty_minutes_are_understood_as(statement):
    assert seconds(statement) == 1_800


@pytest.mark.parametrize(
    "section", ["Backend", "backend", "§ Backend", "## Backend", "3. BACKEND", "4.2 Backend", " Backend #"]
)
def test_a_section_is_found_by_its_words(section):
    promise = read_promise(BUDGET.format("RTO: 30 min"), "budget.md", section)
    assert (promise.seconds, promise.where) == (1_800, "budget.md § 3. Backend")


def test_numbers_tell_equal_headings_apart():
    text = "# 1. Restore\nRTO 1 h\n# 2. Restore\nRTO 2 h\n"
    assert read_promise(text, "f", "2. Restore").seconds == 7_200
    with pytest.raises(InputError, match=r"line 2.*line 4"):
        read_promise(text, "f", "Restore")


def test_a_section_ends_with_its_level():
    nested = "# A\n## B\n### C\nRTO 10 min\n## D\nRTO 20 min\n# E\nRTO 40 min"
    assert read_promise(nested, "f", "B").seconds == 600
    assert read_promise(nested, "f", "E").seconds == 2_400
    with pytest.raises(InputError, match=r"line 4.*600 s.*line 6.*1200 s"):
        read_promise(nested, "f", "A")


def test_without_a_section_the_whole_file_is_read():
    assert read_promise("RTO: 30 min", "f", "").where == "f § the whole file"


def test_a_missing_section_names_the_others():
    assert '"Frontend" (line 5), "3. Backend" (line 9)' in complaint("", "Back end")
    with pytest.raises(InputError) as raised:
        read_promise("> # Backend\n\nRTO: 30 min", "f", "Backend")
    assert raised.value.hint == "its headings: none"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("RTO: 30 min. After that, RTO: 45 min", 'line 13, "RTO: 30 min" (1800 s); line 13, "RTO: 45 min" (2700 s)'),
        ("RTO\nRTO < 30 min\nRTO < 45 min", 'line 14, "RTO < 30 min" (1800 s); line 15, "RTO < 45 min" (2700 s)'),
        ("| Service | RTO |\n|---|---|\n| a | 1 h |\n| b | 2 h |", 'line 15, "1 h" (3600 s); line 16, "2 h" (7200 s)'),
        ("RTO of 30-45 minutes", "no upper limit"),
        ("RTO of 30 \u2013 45 minutes", "no upper limit"),
        ("RTO of 30 to 45 minutes", "no upper limit"),
        ("RTO: 30 min for reads, 2 h for writes", '"RTO: 30 min" (1800 s); line 13, "RTO: 30 min for reads, 2 h"'),
        ("RTO: 30 min to 45 min", '"RTO: 30 min" (1800 s)'),
        ("RTO > 30 minutes", "no upper limit"),
        ("RTO: at least 30 minutes", "no upper limit"),
        ("| RTO | ≥ 30 min |\n|---|---|", "no upper limit"),
        ("RTO: 0 min", "does not state one"),
        ("We have an RTO. It took 30 minutes.", 'seen: line 13, "We have an RTO. It took 30 minutes."'),
        ("| RTO | soon |\n|---|---|", 'seen: line 13, "RTO | soon"'),
        ("RTO: 30", "states no recovery time objective"),
        ("RTO: 30 months, or 20 ms", "states no recovery time objective"),
        ("RTO and RPO: 30 min", "states no recovery time objective"),
        ("RTOS boot in 3 s", "lines 9 to 18 do not name it"),
        ("## RTO and drills\n\nThey take an hour.", "lines 9 to 12 do not name it"),
        ("### RTO\n\n| a |\n|---|\n\nEvery 3 days.", "states no recovery time objective"),
    ],
)
def test_no_clear_promise_shows_what_was_seen(statement, said):
    assert said in complaint(statement)


UNITS = {
    1: ("s", "sec", "secs", "second", "seconds"),
    60: ("m", "min", "mins", "minute", "minutes"),
    3_600: ("h", "hr", "hrs", "hour", "hours"),
    86_400: ("d", "day", "days"),
}
numbers = st.one_of(
    st.integers(1, 99_999).map(lambda n: (str(n), float(n))),
    st.integers(1_000, 99_999_999).map(lambda n: (f"{n:,}", float(n))),
    st.integers(1, 9_999).map(lambda n: (f"{n / 10:.1f}", n / 10)),
    st.integers(1, 9_999).map(lambda n: (f"{n / 10:.1f}".replace(".", ","), n / 10)),
)


@st.composite
def parts(draw):
    size = draw(st.sampled_from(sorted(UNITS)))
    spelling = draw(st.sampled_from(UNITS[size]))
    text, number = draw(numbers)
    letters = draw(st.sampled_from([str.lower, str.upper, str.title]))
    between = draw(st.sampled_from(["", " ", "-", "\u00a0"]))
    return f"{text}{between}{letters(spelling)}", number * size


@st.composite
def lengths(draw):
    """A length of time in some spelling, and its seconds."""
    several = draw(st.lists(parts(), min_size=1, max_size=3))
    joint = draw(st.sampled_from([" ", ", ", " and ", ", and "]))
    return joint.join(text for text, _ in several), sum(size for _, size in several)


FORMS = (
    "RTO: {}", "RTO < {}", "RTO <= {}", "**RTO** ≤ `{}`", "Recovery time objective … {}.", "- RTO is {}, always",
    "| RTO | {} |\n|---|---|", "| a | RTO |\n|---|---|\n| b | **{}** |", "### RTO\n\n{}",
)  # fmt: skip


@given(lengths(), st.sampled_from(FORMS))
def test_every_spelling_is_understood_in_every_form(length, form):
    text, expected = length
    assert seconds(form.format(text)) == pytest.approx(expected)


@given(lengths(), lengths(), lengths(), st.sampled_from(FORMS))
def test_nothing_is_read_from_outside_of_the_section(before, inside, after, form):
    text = f"# A\n{form.format(before[0])}\n\n# B\n{form.format(inside[0])}\n\n# C\n{form.format(after[0])}\n"
    assert read_promise(text, "f", "B").seconds == pytest.approx(inside[1])


@given(lengths())
def test_the_file_may_spell_a_promise(length):
    assert spelled_promise(length[0]).seconds == pytest.approx(length[1])


def test_a_promise_of_the_file_has_its_place():
    assert spelled_promise("1 h 30 min") == Promise(5_400, "the desired-state file")


@pytest.mark.parametrize("text", ["", "30", "soon", "0m", "RTO 30 m", "30 m or so", "-30 m"])
def test_what_is_no_length_of_time_is_refused(text):
    with pytest.raises(InputError, match="is no length of time"):
        spelled_promise(text)


@given(st.text(alphabet="RTO<> |-:3m.\n#`*~\\[]()&;\u00a0", max_size=200))
def test_any_document_gives_a_promise_or_a_sentence(text):
    try:
        assert read_promise(text, "f", "").seconds > 0
    except InputError as error:
        assert error.message.startswith("f § the whole file")
