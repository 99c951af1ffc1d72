"""`reconciler adopt`, as people call it: what it shows, the one name that it changes, and what is possible after it."""

from datetime import timedelta

import pytest

from reconciler.cli import adopt as adopt_command
from reconciler.core.plan.plan import plan
from reconciler.sandbox import timestamps
from tests.engine.without_rows.stage import Stage
from tests.exhaustive.timeless import LoopClock
from tests.support.database import text

OLD = "main_old_2026-11-22"


@pytest.fixture
def ours(worlds):
    """A production that was restored in place by an apply, right now."""
    stage = Stage(worlds, "first restore, rebind")
    stage.asked["primary"]["method"] = "in-place"
    stage.write()
    assert stage.apply().converged
    return stage


def restore_by_hand(stage, moment):
    primary = stage.branch("main").id
    body = {"source_branch_id": primary, "source_timestamp": moment, "preserve_under_name": OLD}
    path = f"/projects/{stage.world.project_id}/branches/{primary}/restore"
    stage.do(stage.world.neon("POST", path, json=body))
    stage.do(idle(stage.world))


async def idle(world):
    while world.project.busy:
        await LoopClock().sleep(0.1)


@pytest.fixture
def stage(worlds, monkeypatch):
    """A production whose primary somebody has restored in the Console, which preserved what it held."""
    stage = Stage(worlds, "first restore, rebind")
    stage.asked["primary"] |= {"restore": None, "method": "in-place"}
    stage.write()
    monkeypatch.setattr(stage.world.histories, "note", lambda: None)  # what is done by hand is in no history of ours
    monkeypatch.setattr(stage.watch, "_look", lambda: ())
    moment = text(stage.world.moments[0])
    restore_by_hand(stage, moment)
    stage.world.loop.leapt += 600
    monkeypatch.chdir(stage.world.root)
    monkeypatch.setattr(adopt_command.asyncio, "run", stage.do)
    for name, value in stage.world.environment.items():
        monkeypatch.setenv(name, value)
    stage.timeline = "r-" + moment.replace("-", "").replace(":", "").replace(".", "") + "-by-hand"
    stage.held = f"main.held.origin.before.{stage.timeline}.in-place"
    return stage


def test_a_restore_by_hand_right_after_one_of_ours_is_not_taken_for_ours(ours, monkeypatch):
    monkeypatch.setattr(ours.world.histories, "note", lambda: None)
    monkeypatch.setattr(ours.watch, "_look", lambda: ())
    ours.world.loop.leapt += 20
    restore_by_hand(ours, text(ours.branch("main").last_reset_at + timedelta(seconds=10)))
    (refusal,) = plan(*ours.observe()).refusals
    assert refusal.rule == "provenance-unknown"
    assert '"main" was reset or restored once more, at 2026-01-01T00:04:24.000Z' in refusal.message
    assert f'"{OLD}" was made then' in refusal.message


def adopt(stage, capsys, *options):
    status = adopt_command.command.main(["production", *options], standalone_mode=False)
    return status, capsys.readouterr().out


def test_without_yes_it_is_shown_what_would_be_done_and_nothing_is(stage, capsys):
    before = stage.world.file.read_bytes(), stage.names()
    status, said = adopt(stage, capsys, "--timeline", stage.timeline)
    assert status == 2
    for expected in (
        f'"{OLD}" was made then',
        f'rename     "{OLD}" to "{stage.held}": it keeps what origin held',
        f"file       desired-state/production.jsonc asks for {stage.timeline}: commit it",
        f'take back  neon branches rename "{stage.held}" "{OLD}", and git checkout desired-state/production.jsonc',
        "reset or restored 20",
    ):
        assert expected in said, expected
    assert (stage.world.file.read_bytes(), stage.names()) == before


def test_an_lsn_is_adopted_with_the_timeline_that_it_belongs_to(stage, capsys):
    status, said = adopt(stage, capsys, "--timeline", "lsn-0-1A2B3C8", "--yes")
    assert status == 0
    assert 'asks for lsn-0-1A2B3C8 (its "from": origin): commit it' in said
    assert '"to_lsn": "0/1A2B3C8", ' in stage.world.file.read_text()
    assert adopt(stage, capsys, "--timeline", "lsn-0-1A2B3C8")[0] == 0


def test_it_changes_one_name_and_one_line_and_an_undo_puts_back_what_the_console_preserved(stage, capsys):
    sent = len(stage.watch.requests)
    status, said = adopt(stage, capsys, "--timeline", stage.timeline, "--yes")
    assert status == 0
    assert said.endswith(f"production: in sync, {stage.timeline} is live\n")
    assert [method for method, _, _ in stage.watch.requests[sent:] if method != "GET"] == ["PATCH"]
    assert stage.names() == sorted(["main", stage.held])
    desired, observed = stage.observe()
    assert (str(desired.timeline), plan(desired, observed).drift) == (stage.timeline, ())
    again, said = adopt(stage, capsys, "--yes")
    assert (again, said.splitlines()[-1]) == (
        0, f"production: {stage.timeline} is told to be live already; nothing to adopt",
    )  # fmt: skip
    stage.asked["primary"]["restore"] = None
    stage.write()
    assert stage.apply().converged
    assert plan(*stage.observe()).live.name == "origin"


def test_a_run_that_is_killed_after_the_rename_is_continued_by_writing_the_file(stage, capsys, monkeypatch):
    def dies(_adopting, _text):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(adopt_command._Adopting, "_write", dies)
        with pytest.raises(KeyboardInterrupt):
            stage_main(stage)
    capsys.readouterr()
    status, said = adopt(stage, capsys, "--timeline", stage.timeline, "--yes")
    assert status == 0
    assert "rename " not in said
    assert "take back  git checkout desired-state/production.jsonc" in said
    assert plan(*stage.observe()).in_sync


def stage_main(stage):
    stage.do(adopting(stage).run(adopt_command.timeline_named(stage.timeline), "", None, yes=True))


def adopting(stage):
    file = adopt_command.environments.find("production")
    return adopt_command._Adopting(file, file.read(), file.path.read_bytes().decode())


def test_as_origin_says_that_there_is_nothing_to_do_where_it_is_told_to_be_origin(stage, capsys):
    status, said = adopt(stage, capsys, "--as-origin")
    assert (status, said.splitlines()[-1]) == (0, "production: origin is told to be live already; nothing to adopt")


def test_what_can_not_be_right_is_refused_and_nothing_is_changed(stage, capsys):
    late = "r-" + timestamps.now().strftime("%Y%m%dT%H%M%S000Z")
    status, said = adopt(stage, capsys, "--timeline", late, "--yes")
    assert status == 3
    assert "refused    adoption-unclear" in said
    assert "hint: --held NAME" in said
    assert OLD in stage.names()


def test_what_can_not_be_read_is_an_error(stage, capsys):
    stage.fault("status", "GET", "/branches$", 403, times=100)
    assert adopt(stage, capsys, "--as-origin", "--yes")[0] == 1


def test_a_timeline_and_origin_at_once_are_a_mistake(stage, capsys):
    with pytest.raises(adopt_command.InputError, match="exclude each other"):
        adopt(stage, capsys, "--as-origin", "--timeline", stage.timeline)


def test_a_file_that_can_not_be_written_is_told_with_what_is_done_already(stage):
    command = adopting(stage)
    command._file = adopt_command.environments.EnvironmentFile(stage.world.root / "no" / "file.jsonc", stage.world.root)
    with pytest.raises(adopt_command.InputError, match="can't be written") as error:
        command._write("text")
    assert "run it again" in error.value.hint
