"""`reconciler adopt`, in this process: what it shows, the one name that it changes, and what is possible after it."""

from datetime import timedelta

import pytest

from reconciler.cli import adopt as adopt_command
from reconciler.sandbox import timestamps
from tests.support.database import text

OLD = "main_old_2026-11-22"
FILE = "desired-state/production.jsonc"


@pytest.fixture
def in_place(simulate, monkeypatch):
    """A production whose primary is restored in place, by hand too, which is in no history of ours."""
    simulation = simulate(primary={"method": "in-place"})
    monkeypatch.setattr(simulation.world.histories, "note", lambda: None)
    monkeypatch.setattr(simulation.watch, "_look", lambda: ())
    return simulation


def restore_by_hand(simulation, moment):
    primary = simulation.branch("main").id
    body = {"source_branch_id": primary, "source_timestamp": moment, "preserve_under_name": OLD}
    simulation.neon("POST", f"/branches/{primary}/restore", **body)


@pytest.fixture
def by_hand(in_place, monkeypatch):
    """A production whose primary was restored in the Console, which preserved what it held."""
    in_place.ask(None)
    moment = text(in_place.world.moments[0])
    restore_by_hand(in_place, moment)
    in_place.leap(600)
    monkeypatch.chdir(in_place.world.root)
    monkeypatch.setattr(adopt_command.asyncio, "run", in_place.do)
    for name, value in in_place.world.environment.items():
        monkeypatch.setenv(name, value)
    in_place.restored = "r-" + moment.replace("-", "").replace(":", "").replace(".", "") + "-by-hand"
    in_place.preserved = f"main.held.origin.before.{in_place.restored}.in-place"
    return in_place


@pytest.fixture
def adopt(by_hand, capsys):
    """Run the command; return its status and what it prints."""

    def run(*options):
        status = adopt_command.command.main(["production", *options], standalone_mode=False)
        return status, capsys.readouterr().out

    return run


def adopting(simulation):
    file = adopt_command.environments.find("production")
    return adopt_command._Adopting(file, file.read(), file.path.read_bytes().decode())


def test_a_restore_by_hand_right_after_ours_is_not_ours(in_place):
    in_place.converge()
    in_place.leap(20)
    restore_by_hand(in_place, text(in_place.branch("main").last_reset_at + timedelta(seconds=10)))
    (refusal,) = in_place.plan().refusals
    assert refusal.rule == "provenance-unknown"
    assert '"main" was reset or restored once more, at 2026-01-01T00:04:2' in refusal.message
    assert f'"{OLD}" was made then' in refusal.message


def test_without_yes_it_shows_what_it_would_do(by_hand, adopt):
    before = by_hand.world.file.read_bytes(), by_hand.names()
    status, said = adopt("--timeline", by_hand.restored)
    assert status == 2
    for expected in (
        f'"{OLD}" was created then',
        f'rename     "{OLD}" to "{by_hand.preserved}"',
        f"file       {FILE} asks for {by_hand.restored}: commit it",
        f'take back  neon branches rename "{by_hand.preserved}" "{OLD}", and git checkout {FILE}',
        "reset or restored 20",
    ):
        assert expected in said, expected
    assert (by_hand.world.file.read_bytes(), by_hand.names()) == before


def test_an_lsn_is_adopted_with_its_timeline(by_hand, adopt):
    status, said = adopt("--timeline", "lsn-0-1A2B3C8", "--yes")
    assert status == 0
    assert 'asks for lsn-0-1A2B3C8 (its "from": origin): commit it' in said
    assert '"to_lsn": "0/1A2B3C8", ' in by_hand.world.file.read_text()
    assert adopt("--timeline", "lsn-0-1A2B3C8")[0] == 0


def test_it_changes_one_name_and_one_line(by_hand, adopt):
    sent = len(by_hand.writes())
    status, said = adopt("--timeline", by_hand.restored, "--yes")
    assert status == 0
    assert said.endswith(f"production: in sync, {by_hand.restored} is live\n")
    assert [each.split()[0] for each in by_hand.writes()[sent:]] == ["PATCH"]
    assert by_hand.names() == sorted(["main", by_hand.preserved])
    assert str(by_hand.observe()[0].timeline) == by_hand.restored
    assert by_hand.plan().drift == ()
    status, said = adopt("--yes")
    assert status == 0
    assert "nothing to adopt" in said


def test_an_undo_after_it_restores_what_was_preserved(by_hand, adopt):
    assert adopt("--timeline", by_hand.restored, "--yes")[0] == 0
    by_hand.ask(None)
    by_hand.converge()
    assert str(by_hand.plan().live) == "origin"


def test_a_run_killed_after_the_rename_is_continued(by_hand, adopt, capsys, monkeypatch):
    def dies(_adopting, _text):
        raise KeyboardInterrupt

    timeline = adopt_command.timeline_named(by_hand.restored)
    with monkeypatch.context() as patch:
        patch.setattr(adopt_command._Adopting, "_write", dies)
        with pytest.raises(KeyboardInterrupt):
            by_hand.do(adopting(by_hand).run(timeline, "", None, yes=True))
    capsys.readouterr()
    status, said = adopt("--timeline", by_hand.restored, "--yes")
    assert status == 0
    assert "rename " not in said
    assert f"take back  git checkout {FILE}" in said
    assert by_hand.plan().in_sync


def test_as_origin_has_nothing_to_do_on_origin(adopt):
    status, said = adopt("--as-origin")
    assert status == 0
    assert "nothing to adopt" in said


def test_what_cannot_be_right_is_refused(by_hand, adopt):
    late = "r-" + timestamps.now().strftime("%Y%m%dT%H%M%S000Z")
    status, said = adopt("--timeline", late, "--yes")
    assert status == 3
    assert "refused    adoption-unclear" in said
    assert "--held NAME" in said
    assert OLD in by_hand.names()


def test_what_cannot_be_read_is_an_error(by_hand, adopt):
    by_hand.fault("status", "GET", "/branches$", 403, times=100)
    assert adopt("--as-origin", "--yes")[0] == 1


def test_a_timeline_and_origin_exclude_each_other(by_hand, adopt):
    with pytest.raises(adopt_command.InputError, match="exclude each other"):
        adopt("--as-origin", "--timeline", by_hand.restored)


def test_an_unwritable_file_says_what_is_done_already(by_hand):
    command = adopting(by_hand)
    root = by_hand.world.root
    command._file = adopt_command.environments.EnvironmentFile(root / "no" / "file.jsonc", root)
    with pytest.raises(adopt_command.InputError, match="can't be written") as error:
        command._write("text")
    assert "run it again" in error.value.hint
