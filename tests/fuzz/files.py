"""Throws bytes at the readers of files and answers, guided by coverage: `tests/fuzz/files.py -max_total_time=600`.

Not a part of the tests: it needs atheris (`pip install atheris`), and ends when told to. What it finds belongs into
tests/cli/test_hostile_files.py or tests/providers/test_provider_bodies.py. Further options are libFuzzer's.
"""

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports():
    import json

    from reconciler.core.file.reading import read_desired_state
    from reconciler.core.records.receipt import parse
    from reconciler.core.values.instant import Instant
    from reconciler.core.values.redaction import Redaction
    from reconciler.errors import ReconcilerError
    from reconciler.providers.http.response import read_object
    from reconciler.providers.wrangler.file import read_wrangler_config

NOW = Instant.parse_strict("2026-11-22T10:00:00Z")
PATH = Path(tempfile.mkdtemp()) / "wrangler.jsonc"


def desired_state(data):
    read_desired_state(data.decode("utf-8", "replace"), file="f", environment="production", now=NOW)


def wrangler_file(data):
    PATH.write_bytes(data)
    read_wrangler_config(PATH, "HYPERDRIVE", None)


def receipt(data):
    with contextlib.suppress(ValueError):
        parse(data.decode("utf-8", "replace"))


def answer(data):
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return
    for item in read_object("Neon", body).each("branches"):
        item.id("id"), item.moment("created_at"), item.maybe_text("name"), item.flag("default")


def redaction(data):
    redact = Redaction()
    redact.hide("canary-0123456789")
    assert "canary-0123456789" not in redact(data.decode("utf-8", "replace"))


TARGETS = (desired_state, wrangler_file, receipt, answer, redaction)


def one(data):
    """Give the bytes to the reader that the first of them chooses. Anything but a sentence is a finding."""
    if not data:
        return
    try:
        TARGETS[data[0] % len(TARGETS)](data[1:])
    except ReconcilerError as error:
        assert error.message


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
