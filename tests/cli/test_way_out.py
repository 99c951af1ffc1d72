"""The one way out: stdout and stderr have no secret and nothing that a terminal obeys, whoever wrote it."""

import gc
import io
import json
import logging
import sys
import threading

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from reconciler.cli import main
from reconciler.cli.console import output
from reconciler.core.values.redaction import STARS
from reconciler.core.values.secret import Secret
from tests.support.plain_words import run_program

CANARY = "canary-way-out-0123456789"
_HARMFUL = set("\x00\x07\x08\x1b\x7f\x9b\r\u202e\u2066\u200f\u2028\ud800")


class _File(io.TextIOWrapper):
    def __init__(self, encoding="utf-8"):
        super().__init__(io.BytesIO(), encoding, write_through=True, newline="")

    def said(self):
        return self.buffer.getvalue().decode(self.encoding)


@given(text=st.text(st.sampled_from(sorted(_HARMFUL)) | st.characters()))
def test_control_characters_are_numbered(text):
    file = _File()
    assert output.Outlet(file).write(text) == len(text)
    said = file.said()
    assert not _HARMFUL & set(said)
    assert said.count("\n") == text.count("\n")


@given(value=st.recursive(st.text(), st.lists))
def test_json_is_the_same_value_after_it(value):
    file = _File()
    output.Outlet(file).write(json.dumps(value, ensure_ascii=False))
    assert json.loads(file.said()) == value


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_unencodable_characters_are_numbered(encoding):
    file = _File(encoding)
    output.Outlet(file).write("é…\udcff")
    assert "\\udcff" in file.said()


def test_bytes_cannot_go_past_it():
    outlet = output.Outlet(_File())
    assert not hasattr(outlet, "buffer")
    with pytest.raises(TypeError):
        outlet.write(CANARY.encode())


def _by_click():
    click.echo(CANARY)
    click.echo(CANARY, err=True)
    click.secho(CANARY, fg="red")


def _by_hand():
    sys.stdout.writelines([CANARY, "\n"])
    print(CANARY, file=sys.stderr)


def _by_rich():
    # It colours the digits in a text, which would break a secret apart: so a text is `shown` before.
    Console(file=output.drawing(sys.stderr), force_terminal=True).print(f"[bold]{output.shown(CANARY)}[/bold]")


def _by_a_log():
    output.quiet_logs()
    try:
        _by_an_exception()
    except ValueError:
        logging.getLogger("httpx").exception("failed with %s\nTraceback", CANARY)


def _by_a_destructor():
    class Broken:
        def __del__(self):
            raise ValueError(CANARY)

    Broken()
    gc.collect()


def _by_a_thread():
    def work():
        raise ValueError(CANARY)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def _by_an_exception():
    raise ValueError(CANARY)


@pytest.mark.parametrize(
    "way", [_by_click, _by_hand, _by_rich, _by_a_log, _by_a_destructor, _by_a_thread, _by_an_exception],
    ids=lambda way: way.__name__.removeprefix("_"),
)  # fmt: skip
def test_no_output_has_a_secret_or_traceback(way, monkeypatch, capsys):
    Secret(CANARY)
    monkeypatch.setattr(logging, "lastResort", logging.lastResort)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(main.group, "main", lambda **_: way())
    monkeypatch.setattr(sys, "argv", ["reconciler"])
    with pytest.raises(SystemExit):
        main.main()
    said = "".join(capsys.readouterr())
    assert STARS in said
    assert CANARY not in said
    assert "Traceback" not in said


def test_a_requested_traceback_has_no_secret(monkeypatch, capsys):
    Secret(CANARY)
    monkeypatch.setenv("RECONCILER_TRACEBACK", "1")
    monkeypatch.setattr(main.group, "main", lambda **_: _by_an_exception())
    with pytest.raises(SystemExit):
        main.main()
    said = capsys.readouterr().err
    assert "Traceback" in said
    # Only the name of the variable that holds it, where the source is quoted.
    assert CANARY not in said


def test_afterwards_everything_is_as_before(monkeypatch, capsys):
    before = sys.stdout, sys.stderr, sys.unraisablehook, threading.excepthook
    with output.guarded():
        assert sys.stdout is not before[0]
    assert before == (sys.stdout, sys.stderr, sys.unraisablehook, threading.excepthook)


def test_no_command_prints_a_credential(tmp_path):
    """Here as the name of an environment that does not exist, which the error repeats."""
    (tmp_path / "desired-state").mkdir()
    (tmp_path / "desired-state" / "production.jsonc").write_text("{}")
    answer = run_program("plan", CANARY, cwd=tmp_path, env={"NEON_API_KEY": CANARY, "PATH": ""})
    assert answer.returncode == 1
    assert STARS in answer.stderr
    assert CANARY not in answer.stdout + answer.stderr
