"""The command `reconciler` as a process, whose every word is searched for secrets."""

import os
import signal
import subprocess
from dataclasses import dataclass

from tests.support.plain_words import PROGRAM, check_words

# A shifted clock, as `.ci/on-another-day` has it, is that of commands too.
_CLOCK = ("LD_PRELOAD", "FAKETIME", "FAKETIME_SHARED", "FAKETIME_DONT_FAKE_MONOTONIC", "NO_FAKE_STAT", "TZ")
_PASSED_ON = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "RECONCILER_SANDBOX_TRANSCRIPT", *_CLOCK)
_LONGEST_SECONDS = 120


def heed_interrupts():
    """A shell starts background jobs deaf to SIGINT, and nohup to SIGHUP; a person's terminal does not."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    status: int
    stdout: str
    stderr: str


class Running:
    """A command that runs."""

    def __init__(self, process, outputs, done):
        self._process = process
        self._outputs = outputs
        self._done = done

    @property
    def ended(self):
        return self._process.poll() is not None

    def send(self, number):
        self._process.send_signal(number)

    def said_so_far(self):
        """What it wrote on stderr until now."""
        return self._outputs[1].read_text()

    def kill(self):
        """End it by SIGKILL: it gets no chance to tidy up."""
        self._process.send_signal(signal.SIGKILL)
        return self.wait()

    def wait(self, seconds=_LONGEST_SECONDS):
        try:
            self._process.wait(seconds)
        finally:
            self._process.kill()
            self._process.wait()
        said = Said(self._process.returncode, *(path.read_text() for path in self._outputs))
        check_words(said.stdout, said.stderr)
        self._done(said)
        return said


class Command:
    """Runs `reconciler` in a directory, with an environment that holds nothing else of this machine."""

    def __init__(self, directory, warm):
        self._directory = directory
        self._warm = warm
        self._started = []
        self._count = 0
        self._productions = set()
        self.said = []

    def __call__(self, production, *arguments, **environment):
        """Run it to its end."""
        outputs, variables = self._prepared(production, environment)
        status = self._warm.run(arguments, production.root, variables, outputs)
        said = Said(status, *(path.read_text() for path in outputs))
        check_words(said.stdout, said.stderr)
        self.said.append(said)
        return said

    def _prepared(self, production, environment):
        """Where it is to write, and its variables; one that is given as None is left out."""
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        variables = {**passed_on, "HOME": str(self._directory), **production.environment, **environment}
        self._productions.add(production)
        self._count += 1
        outputs = [self._directory / f"{kind}-{self._count}" for kind in ("stdout", "stderr")]
        return outputs, {name: value for name, value in variables.items() if value is not None}

    def start(self, production, *arguments, **environment):
        """Start it, as a person does: what it is called, and the time that it takes to start, are the real ones."""
        outputs, variables = self._prepared(production, environment)
        with outputs[0].open("wb") as stdout, outputs[1].open("wb") as stderr:
            process = subprocess.Popen(
                [*PROGRAM, *arguments],
                cwd=production.root,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                preexec_fn=heed_interrupts,  # noqa: PLW1509  it takes no lock
            )
        running = Running(process, outputs, self.said.append)
        self._started.append(running)
        return running

    def end(self):
        """End whatever still runs."""
        for running in self._started:
            if not running.ended:
                running.kill()

    def check(self, keys):
        """No secret in anything that any of them said."""
        secrets = [*keys, *(secret for production in self._productions for secret in production.secrets())]
        for said in self.said:
            text = said.stdout + said.stderr
            for secret in secrets:
                assert secret not in text, f"a secret was printed: {text}"
