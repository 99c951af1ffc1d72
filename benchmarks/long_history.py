"""How `reconciler history` grows with a repository: `python -m benchmarks.long_history [COMMITS] [RESTORES]`.

A repository of COMMITS (10,000) with RESTORES (500), each applied and with a receipt, against one with a twentieth of
both. Printed are the medians of the whole command, for each form, and how much longer the large one takes, and the
git commands alone. Numbers depend on the machine, ratios hardly: so nothing is asserted.
"""

import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from reconciler.core.history.entries import compile_history
from reconciler.core.values.instant import Instant
from reconciler.providers.git.history import changes_of
from reconciler.providers.git.notes import Notes
from reconciler.providers.git.repository import Repository
from tests.support.long_history import FILE, make_long_history
from tests.support.plain_words import run_program

SMALLER = 20
RUNS = 7
FORMS = {
    "text": (),
    "json": ("--format", "json"),
    "markdown": ("--format", "markdown"),
    "html": ("--html", "page.html"),
}


def main(commits: int, restores: int) -> None:
    """Measure, and print."""
    now = Instant.of(datetime.now(UTC))  # noqa: TID251  a benchmark has a clock
    with tempfile.TemporaryDirectory() as temporary:
        sizes = ((commits // SMALLER, restores // SMALLER), (commits, restores))
        small, large = (
            make_long_history(Path(temporary) / name, commits=count, restores=asked, now=now)
            for name, (count, asked) in zip(("small", "large"), sizes, strict=True)
        )
        print(f"commits, restores and receipts        {commits}, {restores} (small: {sizes[0][0]}, {sizes[0][1]})")
        for form, arguments in FORMS.items():
            report(f"reconciler history, {form}", *(command(each, arguments) for each in (small, large)))
        report("reconciler --help", *(run("--help") for _ in range(2)))
        for part, work in parts(now).items():
            report(part, *(median(lambda work=work, each=each: work(each)) for each in (small, large)))


def command(directory: Path, arguments: tuple[str, ...]) -> float:
    return median(lambda: run("history", "production", *arguments, directory=directory))


def run(*arguments: str, directory: Path | None = None) -> float:
    begun = time.perf_counter()
    run_program(*arguments, cwd=directory, check=True)
    return time.perf_counter() - begun


def parts(now):
    """What the command consists of, inside one process."""

    def notes(directory):
        return Notes(Repository.containing(directory)).all()

    return {
        "  changes (log, cat-file)": lambda directory: changes_of(directory, FILE),
        "  notes": notes,
        "  all, and compiled": lambda directory: compile_history(
            "production", changes_of(directory, FILE), notes(directory), now
        ),
    }


def median(work) -> float:
    seconds = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def report(what: str, small: float, large: float) -> None:
    print(f"{what:36}  {large:.2f} s (small {small:.2f} s, ratio {large / small:.1f})")


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(*(given or [10_000, 500]))
