"""An edit of a desired-state file changes one value and no other character."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.file import jsonc
from reconciler.core.file.edit import (
    RESTORE,
    desired_timeline,
    restore_text,
    with_restore,
    with_restore_text,
    with_value,
)
from reconciler.core.file.reading import read_desired_state
from reconciler.core.model.desired import Restore
from reconciler.core.values.instant import Instant
from reconciler.core.values.timeline import ORIGIN, Timeline
from reconciler.errors import InputError
from tests.core.file.test_jsonc import characters, fillers, scalars, values, write
from tests.core.values.test_instant import MOMENTS

NOW = Instant.parse_strict("9500-01-01T00:00:00Z")
FILE = """\
// Production.
{
  "primary": {
    "project": "aged-wildflower-123456", // 961tech
    "branch": "main",
    // "restore": { "to": "2026-11-21T09:55:00.000Z" },
    "restore": null, /* the one line */
    "hold": "7d",
  },
}
"""
LINE = '{ "to": "2026-11-21T09:55:00.000Z", "id": "inc-42", "reason": "0042 dropped \\"Listing\\"", "from": "origin" }'
ASKED = Restore(Instant.parse_strict("2026-11-21T09:55:00Z"), "inc-42", '0042 dropped "Listing"', ORIGIN)

identities = st.just("") | st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True)
timelines = st.just(ORIGIN) | st.builds(Timeline, MOMENTS, identities)
reasons = st.text(characters, max_size=20)
restores = st.none() | st.builds(Restore, MOMENTS, identities, reasons, st.none() | timelines)


def as_value(restore):
    """A restore as its file says it."""
    if restore is None:
        return None
    source = restore.source and str(restore.source)
    facts = {"to": str(restore.to), "id": restore.id, "reason": restore.reason, "from": source}
    return {key: value for key, value in facts.items() if value}


@st.composite
def files(draw):
    """The text of a file that has `primary.restore`, written in any way that JSONC allows, and what it asks for."""
    restore = draw(restores)
    others = st.dictionaries(st.text(characters, max_size=4), values, max_size=2)
    primary = {"project": "p", "branch": "main", **draw(others), "restore": as_value(restore), "hold": "7d"}
    content = {**draw(others), "primary": primary, **draw(others)}
    content["primary"] = primary
    text = draw(st.sampled_from(["", "\ufeff"])) + draw(fillers) + write(draw, content) + draw(fillers)
    return text, restore


def check_only_the_value_differs(before, after):
    old, new = jsonc.read(before).span(RESTORE), jsonc.read(after).span(RESTORE)
    assert before[: old.start] == after[: new.start]
    assert before[old.end :] == after[new.end :]


@given(files(), restores)
def test_an_edit_changes_the_value_alone(made, restore):
    text, _ = made
    edited = with_restore(text, restore)
    check_only_the_value_differs(text, edited)
    assert as_value(restore) == jsonc.read(edited).value["primary"]["restore"]
    assert "\n" not in restore_text(edited)
    assert (Timeline(restore.to, restore.id) if restore else ORIGIN) == desired_timeline(edited)


@given(files(), restores)
def test_the_old_text_gives_the_old_file(made, restore):
    text, _ = made
    assert text == with_restore_text(with_restore(text, restore), restore_text(text))


@given(files())
def test_what_any_file_asks_for_is_told(made):
    text, restore = made
    assert (Timeline(restore.to, restore.id) if restore else ORIGIN) == desired_timeline(text)


@given(files(), scalars)
def test_another_value_is_changed_in_the_same_way(made, value):
    text, _ = made
    edited = with_value(text, ("primary", "hold"), value)
    assert value == jsonc.read(edited).value["primary"]["hold"]
    assert text == with_value(edited, ("primary", "hold"), "7d") or '"7d"' not in text


@given(restores)
def test_what_is_written_is_read(restore):
    edited = with_restore(FILE, restore)
    desired = read_desired_state(edited, file="production.jsonc", environment="production", now=NOW)
    assert restore == desired.primary.restore


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", ["", "\n"])
def test_a_restore_is_one_line(line_end, mark, last):
    text = mark + FILE.rstrip().replace("\n", line_end) + last
    assert text.replace('"restore": null', f'"restore": {LINE}') == with_restore(text, ASKED)
    assert text == with_restore(with_restore(text, ASKED), None)


def test_a_restore_over_lines_comes_back():
    several = '{\n      "to": "2026-11-20T08:00:00Z", // before the sale\n    }'
    text = FILE.replace('"restore": null', f'"restore": {several}')
    edited = with_restore(text, ASKED)
    assert FILE.replace('"restore": null', f'"restore": {LINE}') == edited
    assert several == restore_text(text)
    assert text == with_restore_text(edited, several)


def test_another_value_can_be_changed():
    assert FILE.replace('"7d"', '"14d"') == with_value(FILE, ("primary", "hold"), "14d")


@pytest.mark.parametrize("raw", ["null // until monday", " null", "null\n", "/**/null", "\ufeffnull"])
def test_more_than_a_value_is_not_written(raw):
    with pytest.raises(ValueError, match="more than a value"):
        with_restore_text(FILE, raw)


@pytest.mark.parametrize("raw", ["", "{", "null, 1", "nil"])
def test_what_is_no_value_is_not_written(raw):
    with pytest.raises(InputError):
        with_restore_text(FILE, raw)


@pytest.mark.parametrize("text", ["{}", '{"primary": {}}', '{"primary": 1}', "[]", "null"])
def test_a_file_without_a_restore_is_refused(text):
    with pytest.raises(InputError, match=r"no primary\.restore") as caught:
        with_restore(text, None)
    assert '"restore": null' in caught.value.hint
    assert desired_timeline(text) is None


@pytest.mark.parametrize("restore", [1, [], {}, {"to": 1}, {"to": "yesterday"}, {"to": "2026-11-21T09:55:00"}, "null"])
def test_a_meaningless_restore_asks_for_no_timeline(restore):
    assert desired_timeline(json.dumps({"primary": {"restore": restore}})) is None


def test_broken_syntax_is_refused_with_its_place():
    with pytest.raises(InputError) as caught:
        with_restore(FILE.replace('"main",', '"main"'), None)
    assert (caught.value.line, caught.value.column) == (7, 5)
    assert desired_timeline("{") is None
