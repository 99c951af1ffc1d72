"""Mermaid itself, in a headless Chromium: whether it draws a picture, and what it says where it does not."""

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

VARIABLE = "RECONCILER_TEST_MERMAID"
_BROWSERS = (os.environ.get("RECONCILER_TEST_CHROMIUM", ""), "chromium", "google-chrome")
_PAGE = """<!doctype html><meta charset="utf-8"><body><script src="%s"></script><script>
mermaid.initialize({startOnLoad: false, securityLevel: "strict"})
;(async () => {
  const found = []
  for (const [number, text] of %s.entries()) {
    try { found.push((await mermaid.render("p" + number, text)).svg) } catch (error) { found.push("ERROR " + error) }
  }
  const out = document.createElement("pre")
  out.id = "out"
  out.textContent = JSON.stringify(found)
  document.body.replaceChildren(out)
})()
</script>"""


def require():
    """Return a way to draw. Without Mermaid a test is skipped, and fails in CI."""
    script = os.environ.get(VARIABLE)
    if not script:
        _absent(f"{VARIABLE} must give the path of mermaid.min.js of npm's mermaid")
    found = browser()
    return lambda pictures, directory: _draw(found, script, pictures, directory)


def browser():
    """Return the path of Chromium. Without one a test is skipped, and fails in CI."""
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if not found:
        _absent("Chromium must be on the PATH")
    return found


def _absent(what):
    say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
    say(what)


def _draw(browser, script, pictures, directory):
    """Draw pictures; return for each the text of its SVG. AssertionError where Mermaid refuses one."""
    page = Path(directory) / "page.html"
    data = json.dumps(pictures).replace("<", "\\u003c")
    page.write_text(_PAGE % (Path(script).resolve().as_uri(), data))
    done = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={directory}/profile",
         "--virtual-time-budget=30000", "--dump-dom", page.resolve().as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    found = re.search(r'(?s)<pre id="out">(.*?)</pre>', done.stdout)
    assert found, f"the page did not finish: {done.stdout[-500:]} {done.stderr[-500:]}"
    drawn = json.loads(html.unescape(found[1]))
    for picture, svg in zip(pictures, drawn, strict=True):
        assert not svg.startswith("ERROR"), f"{svg}\n{picture}"
        assert "Syntax error" not in svg, picture
    return [" ".join(html.unescape(re.sub("<[^>]*>", " ", svg)).split()) for svg in drawn]
