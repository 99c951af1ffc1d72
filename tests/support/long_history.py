"""Long histories, made at once by `git fast-import`: a desired-state file that changes, and the receipts of applies."""

import os
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from reconciler.core.records.receipt import GateResult, Identities, Receipt, Result, TakenStep, WorkerIdentity
from reconciler.core.values.instant import Instant

FILE = "desired-state/production.jsonc"
BEGAN = Instant.parse_strict("2024-01-01T00:00:00Z")

_TEMPLATE = (Path(__file__).parents[2] / FILE).read_text()
_STEPS = ("CreateBranch", "VerifyBranch", "CreateHyperdrive", "WriteBinding", "UploadVersion", "SwitchTraffic")


def make_long_history(directory, *, commits, restores, now, clean=True, hostile=""):
    """Make a repository whose file asks for so many restores, each applied and with a receipt, up to `now`.

    Every fourth restore is undone. Most commits change something else. `hostile` is put into names and reasons.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _git(directory, "init", "--quiet", "--initial-branch=main")
    stream = _Stream(commits, restores, now, hostile)
    _git(directory, "fast-import", "--quiet", given="".join(stream.parts()).encode())
    if clean:
        _git(directory, "reset", "--quiet", "--hard")
    return directory


def _git(directory, *arguments, given=b""):
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", *arguments], cwd=directory, env=environment, input=given, check=True)


class _Stream:
    """The stream of commits that fast-import reads."""

    def __init__(self, commits, restores, now, hostile):
        self._commits, self._restores, self._now, self._hostile = commits, restores, now, hostile
        self._step = timedelta(milliseconds=(now - BEGAN) / timedelta(milliseconds=1) // (commits + 1))
        self._asked = []
        self._receipts = []

    def parts(self):
        every = max(1, self._commits // max(1, self._restores))
        changed = 0
        for number in range(self._commits):
            at = Instant(BEGAN.milliseconds + number * (self._step // timedelta(milliseconds=1)))
            if number == 0:
                yield self._commit(number, at, "Production as it is", FILE, _TEMPLATE)
                self._asked.append((None, None, None))
            elif number % every == every - 1 and changed < self._restores:
                changed += 1
                yield self._restore(number, changed, at)
            else:
                yield self._commit(number, at, f"Other work {number}", f"src/part{number % 50}.txt", f"{number}\n")
        yield from self._notes()

    def _restore(self, number, changed, at):
        undo = changed % 4 == 0 and len(self._asked) > 1
        before = self._asked[-1]
        asked = self._asked[-2] if undo else (at.before(timedelta(hours=3)), f"inc-{changed}", self._reason(changed))
        self._asked.append(asked)
        self._receipts.append((number, self._receipt(number, at, before, asked)))
        subject = f"Revert restore {changed - 1}" if undo else f"Restore production {changed}{self._hostile}"
        return self._commit(number, at, subject, FILE, _text(asked))

    def _reason(self, changed):
        return f"migration {changed:04} dropped Listing {self._hostile}".strip()

    def _commit(self, number, at, subject, path, text):
        who = f"anna <anna@example.invalid> {at.milliseconds // 1000} +0000"
        return (
            f"commit refs/heads/main\nmark :{number + 1}\nauthor {who}\ncommitter {who}\n{_data(subject)}"
            f"M 100644 inline {path}\n{_data(text)}\n"
        )

    def _receipt(self, number, at, before, asked):
        began = Instant(at.milliseconds + 60_000)
        previous = self._receipts[-1][1].fingerprint if self._receipts else ""
        return replace(
            example(str(began), _name(before), _name(asked), f"{number:040x}"),
            actor=f"anna{self._hostile}",
            previous=previous,
        )

    def _notes(self):
        who = f"anna <anna@example.invalid> {self._now.milliseconds // 1000} +0000"
        yield f"commit refs/notes/reconciler\ncommitter {who}\n{_data('receipts')}"
        for number, receipt in self._receipts:
            yield f"N inline :{number + 1}\n{_data(receipt.line + chr(10))}"
        yield "\n"


def example(began, before, after, commit=""):
    """A receipt of a restore that went well."""
    steps = tuple(
        TakenStep(name, f"main.candidate.{after}", f"{name} of {after}", "it is asked for", began, 4.2)
        for name in _STEPS
    )
    return Receipt(
        environment="production",
        commit=commit,
        changed=False,
        began=began,
        seconds=41.25,
        before=before,
        asked=after,
        after=after,
        digest="0123456789abcdef",
        result=Result.CONVERGED,
        detail="",
        steps=steps,
        gates=(GateResult("there are listings", f"main.candidate.{after}", passed=True),),
        ids=Identities(
            "aged-wildflower-123456", "br-1", "main", "0/1", "ep-1", "h1", (WorkerIdentity("w", "v", "h1"),)
        ),
        outside=("R2 bucket archive",),
        actor="anna",
        run="https://github.example/o/r/actions/runs/1",
        tool="0.1.0",
    )


def _name(asked):
    to, identity, _ = asked
    return "origin" if to is None else f"r-{to.compact}-{identity}"


def _text(asked):
    import json

    to, identity, reason = asked
    value = "null" if to is None else json.dumps({"to": str(to), "id": identity, "reason": reason})
    return _TEMPLATE.replace('"restore": null,', f'"restore": {value},')


def _data(text):
    return f"data {len(text.encode())}\n{text}\n"
