"""What a drill leaves in Git: nothing that is there is lost, and `drill --trend` shows all of it."""

import json
from dataclasses import replace

import pytest

from reconciler.cli.drill.files import keep, recorded, refuse_to_overwrite
from reconciler.cli.drill.trend import trend
from reconciler.core.drill.history import FILE, Unread, added, done
from reconciler.core.drill.notes import END
from reconciler.core.values.instant import Instant
from reconciler.errors import InputError
from tests.core.drill.drills import DRILL, slower

LATER = replace(slower(2_400), begun=Instant.parse_strict("2028-03-30T08:00:00Z"))


@pytest.fixture
def history(tmp_path):
    (tmp_path / FILE).write_text(added(added("broken\n", DRILL), LATER))
    return tmp_path


def test_a_trend_shows_drills_and_unreadable_lines(history):
    table = trend(history, "production", "text")
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == ["line 1", "2027-03-30", "2028-03-30"]
    assert len(trend(history, "staging", "markdown").splitlines()) == 3


def test_in_json_each_drill_says_how_it_ended(history):
    found = json.loads(trend(history, "production", "json"))
    assert found[0] == {"line": 1, "unreadable": "is no JSON"}
    assert [(each["seconds"], each["ended"]) for each in found[1:]] == [
        (15.1, "proved, within the promise"), (2_400.0, "proved, later than promised"),
    ]  # fmt: skip


def test_the_picture_is_one_document(history):
    assert trend(history, "production", "svg").startswith("<svg ")


def test_a_missing_history_is_empty(tmp_path):
    assert trend(tmp_path, "production", "text") == "No drill has been recorded yet."
    (tmp_path / FILE).write_bytes(b"\xff\n")
    assert recorded(tmp_path) == (Unread(1, "is no JSON"),)
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        recorded(tmp_path)


def test_keeping_a_drill_twice_changes_nothing(tmp_path):
    directory = tmp_path / "docs/postmortems"
    refuse_to_overwrite(directory, DRILL.begun, "production")
    report = keep(DRILL, directory)
    assert sorted(path.name for path in directory.iterdir()) == ["2027-Q1-dr-test.md", FILE, "dr-trend.svg"]
    before = {path: path.read_bytes() for path in directory.iterdir()}
    assert keep(DRILL, directory) == report
    assert {path: path.read_bytes() for path in directory.iterdir()} == before


def test_the_history_stays_byte_for_byte(tmp_path):
    (tmp_path / FILE).write_bytes(b"\xff half a line")
    keep(DRILL, tmp_path)
    keep(LATER, tmp_path)
    first, *others = (tmp_path / FILE).read_bytes().split(b"\n")
    assert first == b"\xff half a line"
    assert len(others) == 3
    assert recorded(tmp_path)[1:] == (done(DRILL), done(LATER))
    assert b"promise 30 min" in (tmp_path / "dr-trend.svg").read_bytes()


def test_an_edited_report_is_not_overwritten(tmp_path):
    report = keep(DRILL, tmp_path)
    report.write_text(report.read_text().replace(END, f"ours\n{END}"))
    refuse_to_overwrite(tmp_path, DRILL.begun, "production")
    report.write_text(report.read_text() + "\nand ours\n")
    with pytest.raises(InputError, match="was changed outside of its room for notes"):
        refuse_to_overwrite(tmp_path, DRILL.begun, "production")
    again = replace(DRILL, begun=Instant.parse_strict("2027-03-31T08:00:00Z"))
    with pytest.raises(InputError, match="was changed outside of its room for notes"):
        keep(again, tmp_path)
    assert report.read_text().endswith("\nand ours\n")
    assert recorded(tmp_path) == (done(DRILL), done(again))


def test_an_unreadable_file_is_named(tmp_path):
    (tmp_path / "2027-Q1-dr-test.md").write_bytes(b"\xff")
    with pytest.raises(InputError, match="is not UTF-8"):
        refuse_to_overwrite(tmp_path, DRILL.begun, "production")
    (tmp_path / "2027-Q1-dr-test.md").unlink()
    (tmp_path / "2027-Q1-dr-test.md").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        refuse_to_overwrite(tmp_path, DRILL.begun, "production")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        keep(DRILL, tmp_path / "file")


def test_another_environments_report_is_not_overwritten(tmp_path):
    path = keep(DRILL, tmp_path)
    refuse_to_overwrite(tmp_path, DRILL.begun, "production")
    with pytest.raises(
        InputError, match=r"is the report of production, so it is not overwritten by one of staging"
    ) as e:
        refuse_to_overwrite(tmp_path, DRILL.begun, "staging")
    assert "drill.reports" in e.value.hint
    path.write_text(path.read_text().split("---\n", 2)[2])
    with pytest.raises(InputError, match="was changed outside"):
        refuse_to_overwrite(tmp_path, DRILL.begun, "staging")
