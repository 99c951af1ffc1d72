"""Whatever test starts the program, what it says is for people: tracebacks and exceptions fail that test."""

import re
from pathlib import Path

import pytest

from tests.support.plain_words import check_words, run_main, run_program

TESTS = Path(__file__).parents[1]
# Those that start it, and check its words; and those that plant a traceback, to see that it is kept back.
STARTERS = {"support/plain_words.py", "support/warm_process.py", "cli/test_way_out.py"}


@pytest.mark.parametrize(
    "words",
    [
        "Traceback (most recent call last):\n  File …",
        "error: unexpected IndexError: tuple index out of range\nhint: this is a bug in reconciler; …",
        "warning: ValueError in the background: no",
        "error: KeyError('primary')",
        "error: ExceptionGroup('two', [])",
    ],
)
def test_what_only_a_programmer_reads_is_noticed(words):
    with pytest.raises(AssertionError, match="the program said"):
        check_words("in sync\n", f"error: before\n{words}\n")


def test_an_error_for_people_is_none():
    check_words("error: Neon answered 500: internal error (a defect of theirs)\nhint: run it again", "", "[Error] 5")


def test_a_defect_fails_the_test_that_meets_it(monkeypatch, capsys):
    from reconciler.cli import main

    def meet(**_options):
        raise IndexError("tuple index out of range")

    monkeypatch.setattr(main.group, "main", meet)
    with pytest.raises(AssertionError, match="this is a bug in reconciler"):
        run_main(monkeypatch, capsys, "plan")


def test_a_defect_of_a_process_fails_its_test(tmp_path):
    (tmp_path / "reconciler.py").write_text("raise IndexError('tuple index out of range')")
    with pytest.raises(AssertionError, match="Traceback"):
        run_program("plan", cwd=tmp_path, env={})


def test_nothing_else_starts_the_program():
    started = re.compile(r'"-m", "reconciler"|\bmain\.main\(\)')
    found = {str(path.relative_to(TESTS)) for path in TESTS.rglob("*.py") if started.search(path.read_text())}
    assert found - {"cli/test_plain_words.py"} == STARTERS
