"""Commands as processes of their own that need not import everything again: forks of one that has.

A child differs from `python -m reconciler` in nothing that a command could see: its directory, environment, arguments
and outputs are its own, and it ends as every Python does.
"""

import json
import subprocess
import sys

_IMPORTED = (
    "apply.command", "ci.apply_command", "ci.drift_command", "ci.plan_command", "history", "plan", "restore",
    "rollback", "status", "validate",
)  # fmt: skip
_SERVER = """
import gc, importlib, json, os, sys
from reconciler.cli import main
for name in sys.argv[1:]:
    importlib.import_module(f"reconciler.cli.{name}")
from tests.support.command import heed_interrupts
gc.freeze()  # so that no child looks through what was imported, page by page, for garbage
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(asked["directory"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        for number, path in enumerate([os.devnull, *asked["outputs"]]):
            os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), number)
        heed_interrupts()
        sys.argv = ["reconciler", *asked["arguments"]]
        sys.exit(main.main())
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class WarmProcess:
    """Runs one command after another."""

    def __init__(self):
        self._server = subprocess.Popen(
            [sys.executable, "-c", _SERVER, *_IMPORTED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, arguments, directory, environment, outputs):
        """Run a command to its end and return its status; stdout and stderr go to two files."""
        asked = {"arguments": arguments, "directory": str(directory), "environment": environment}
        self._server.stdin.write(json.dumps(asked | {"outputs": [str(path) for path in outputs]}) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def close(self):
        with self._server:
            self._server.stdin.close()
