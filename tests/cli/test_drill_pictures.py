"""The pictures of a drill's report, drawn by Mermaid and by a browser."""

import re
import subprocess
from dataclasses import replace

from reconciler.core.drill.history import done
from reconciler.core.drill.report import report
from reconciler.core.drill.trend import svg
from tests.core.drill.drills import DRILL, ROUND, slower
from tests.support import mermaid

HOSTILE = ['"];', "end", "%%{init: {}}%%", "<script>alert(1)</script>", "a:b, 3ms", "#35;", "ü 漢 🦊", "title x"]


def charts(*drills):
    return [found for each in drills for found in re.findall(r"(?s)```mermaid\n(.*?)\n```", report(each, None, ()))]


def called(name):
    return replace(DRILL, rounds=(replace(ROUND, destruction=name),))


def test_mermaid_draws_the_phases_of_every_round(tmp_path):
    draw = mermaid.require()
    pictures = charts(DRILL, slower(0.3), slower(9_000.0), *map(called, HOSTILE))
    texts = draw(pictures, tmp_path)
    assert len(texts) == 3 + len(HOSTILE)
    assert all(phase in texts[0] for phase in ("decide and commit", "create branch", "rebind Hyperdrive", "deploy"))
    for name, text in zip(HOSTILE, texts[3:], strict=True):
        assert f"Round 1: {name}" in text


def test_a_browser_shows_the_trend_with_its_words(tmp_path):
    browser = mermaid.browser()
    picture = tmp_path / "dr-trend.svg"
    picture.write_text(svg([done(DRILL), done(slower(2_400))]), encoding="utf-8")
    shown = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile", "--dump-dom",
         picture.as_uri()],
        capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    assert "parsererror" not in shown
    assert "promise 30 min" in shown
    assert "proved, later than promised" in shown
