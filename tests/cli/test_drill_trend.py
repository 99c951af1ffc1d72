"""`drill --trend` shows the history that is there, whatever state it is in."""

import json

import pytest

from reconciler.cli.drill_trend import recorded, trend
from reconciler.core.drill_history import FILE, added
from reconciler.errors import InputError
from tests.core.drills import DRILL, slower


@pytest.fixture
def history(tmp_path):
    text = added(added("broken\n", DRILL), slower(2_400))
    (tmp_path / FILE).write_text(text)
    return tmp_path


def test_it_shows_the_drills_of_an_environment_and_what_cannot_be_read(history):
    table = trend(history, "production", "text")
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == ["line 1", "2027-03-30", "2027-03-30"]
    assert len(trend(history, "staging", "markdown").splitlines()) == 3


def test_in_json_each_drill_says_how_it_ended(history):
    found = json.loads(trend(history, "production", "json"))
    assert found[0] == {"line": 1, "unreadable": "is no JSON"}
    assert [(each["seconds"], each["ended"]) for each in found[1:]] == [
        (15.1, "proved, within the promise"), (2_400.0, "proved, later than promised"),
    ]  # fmt: skip


def test_the_picture_is_one_document(history):
    assert trend(history, "production", "svg").startswith("<svg ")


def test_no_history_yet_is_an_empty_one_and_one_that_cannot_be_read_is_an_error(tmp_path):
    assert trend(tmp_path, "production", "text") == "No drill has been recorded yet."
    (tmp_path / FILE).write_bytes(b"\xff")
    with pytest.raises(InputError, match="is not UTF-8"):
        recorded(tmp_path)
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        recorded(tmp_path)
