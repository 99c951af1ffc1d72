"""What the program says is for people: no run of it in any test may say what only a programmer reads.

Everything in the tests that starts the program has its words checked here, whatever the test is about. That nothing
starts it elsewhere is a test of its own, in tests/cli/test_plain_words.py.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
from unittest import mock

PROGRAM = (sys.executable, "-m", "reconciler")
_NEVER = re.compile(
    r"""
    Traceback\ \(most\ recent\ call\ last\)
    | this\ is\ a\ bug\ in\ reconciler          # the last resort, for what nobody has thought of
    | warning:\ \w+\ in\ the\ background        # a thread, or a destructor
    | \b\w*(?:Error|Exception|Interrupt|ExceptionGroup)\(  # an exception as Python shows it
    """,
    re.VERBOSE,
)


def check_words(*texts):
    """Assert that these words of the program, on stdout or stderr, are for people."""
    for text in texts:
        found = _NEVER.search(text)
        assert found is None, f"the program said {found[0]!r}: {text}"


def run_program(*arguments, **options):
    """Run `reconciler` to its end as `subprocess.run` does, as text."""
    said = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, **options)
    check_words(said.stdout, said.stderr)
    return said


def run_here(*arguments, cwd, env):
    """Run `reconciler` as `run_program` does, in this process: quicker, and the same words."""
    from reconciler.cli import main

    stdout, stderr, status = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.chdir(cwd),
        mock.patch.dict(os.environ, env, clear=True),
        mock.patch.object(sys, "argv", ["reconciler", *arguments]),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        try:
            main.main()
        except SystemExit as ended:
            status = ended.code
    check_words(stdout.getvalue(), stderr.getvalue())
    return subprocess.CompletedProcess(arguments, status, stdout.getvalue(), stderr.getvalue())


def run_main(monkeypatch, capsys, *arguments):
    """Run `reconciler` in this process. Returns its status, and what it said on stdout and on stderr."""
    from reconciler.cli import main

    monkeypatch.setattr("sys.argv", ["reconciler", *arguments])
    status = 0
    try:
        main.main()
    except SystemExit as ended:
        status = ended.code
    said = capsys.readouterr()
    check_words(*said)
    return status, *said
