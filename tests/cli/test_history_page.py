"""The history page, as a file and in a real browser: complete, escaped, silent, and without network.

RECONCILER_TEST_CHROMIUM says where Chromium is, if it is not on the PATH as chromium or google-chrome.
"""

import itertools
import os
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from reconciler.cli.history import write_page
from reconciler.core.history.entries import Change, compile_history
from reconciler.errors import InputError
from reconciler.render.history.page import as_page
from reconciler.render.history.picture import LANES_A_PICTURE, Axis
from tests.core.history.test_history import NOW, ONE, changes, hours_ago, receipt, text

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
    "--disable-extensions", "--no-default-browser-check", "--proxy-bypass-list=*",
)  # fmt: skip
_SECONDS = 60
_LOADS = {"script", "img", "iframe", "object", "embed", "link", "video", "audio", "form", "base", "image", "use"}
_MARKS = "\u202e\u2066\u200f"


class Browser:
    """Chromium, for one page at a time, each time with a profile of its own."""

    def __init__(self, program, directory):
        self._program, self._directory = program, directory
        self._count = 0

    def dom(self, page):
        """Render a page; return the document as the browser has it, and what it logged to its console."""
        done = self._run(page, "--dump-dom")
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    def picture(self, page, width, height, *flags):
        """Take a picture of a page; return its width and height from the file itself."""
        file = self._directory / "picture.png"
        self._run(page, f"--screenshot={file}", f"--window-size={width},{height}", *flags)
        content = file.read_bytes()
        assert content.startswith(b"\x89PNG")
        return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")

    def _run(self, page, *flags):
        self._count += 1
        profile = self._directory / f"profile{self._count}"
        command = [self._program, *_FLAGS, f"--user-data-dir={profile}", *flags, page.resolve().as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
        assert done.returncode == 0, done.stderr
        return done


@pytest.fixture
def browser(tmp_path):
    named = os.environ.get("RECONCILER_TEST_CHROMIUM", "")
    program = shutil.which(named) if named else shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        message = "THE PAGE WAS NOT SEEN IN A BROWSER: set RECONCILER_TEST_CHROMIUM to where Chromium is"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    directory = tmp_path / "browser"
    directory.mkdir()
    return Browser(program, directory)


class Document(HTMLParser):
    """The elements of a document, in order, and its text."""

    def __init__(self, source):
        super().__init__()
        self.elements, self.words = [], []
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] != "style":
            self.words.append(data)

    @property
    def text(self):
        return "".join(self.words)

    def count(self, tag, of_class=None):
        found = [attributes for name, attributes in self.elements if name == tag]
        return len([each for each in found if of_class is None or of_class in (each.get("class") or "").split()])


def hostile(url):
    """A text that runs, loads or turns something wherever it is not escaped."""
    return (
        f"</title></style></td></bdi></svg><script src='{url}'></script><img src={url} onerror=alert(1)>"
        f'<link rel=stylesheet href={url}><iframe src={url}></iframe>" onmouseover="x" \' style=\'background:url({url})'
        f" & &amp; <!-- ]]> {_MARKS} \x00\x1b"
    )


def hostile_history(url):
    evil = hostile(url)
    told = changes(text(), text(ONE, evil), "{ broken " + evil)
    told = [replace(each, author=evil, subject=evil) for each in told]
    applied = replace(receipt(hours_ago(90), "origin", ONE), actor=evil, detail=evil, run=f"javascript:{evil}")
    linked = replace(applied, began=str(hours_ago(80)), run=f'https://x.example/"><script src={url}></script>')
    notes = {"c1": [applied.line, linked.line, evil]}
    return compile_history("production", told, notes, NOW)


def a_history(lanes, now=NOW):
    """One restore after the other, so that there are so many timelines."""
    names = ["origin"]
    receipts = []
    for number in range(1, lanes):
        began = now.before(timedelta(hours=(lanes - number) * 5))
        names.append(f"r-{began.before(timedelta(hours=1)).compact}-{number}")
        receipts.append(receipt(began, names[-2], names[-1]))
    told = [Change("c0", now.before(timedelta(days=900)), "anna", "begin", None, text())]
    return compile_history("production", told, {"c0": [each.line for each in receipts]}, now)


def page_of(history, tmp_path, name="page.html"):
    page = tmp_path / name
    write_page(page, history)
    return page


def trees(history):
    return ET.fromstring(as_page(history).removeprefix("<!DOCTYPE html>"))


# in a browser


def test_a_browser_shows_every_entry_and_timeline(browser, tmp_path):
    history = a_history(30)
    source, logged = browser.dom(page_of(history, tmp_path))
    document = Document(source)
    assert logged == []
    assert document.count("tr") == len(history.entries) + 1
    assert document.count("svg", "timelines") == 2
    assert all(str(lane.timeline) in document.text for lane in history.lanes)
    assert document.count("rect", "live") == 1
    assert "reconciler rollback production --to-timeline" in document.text


def test_hostile_names_are_text_in_a_browser(browser, web, tmp_path):
    source, logged = browser.dom(page_of(hostile_history(web.url), tmp_path))
    document = Document(source)
    assert (logged, web.asked) == ([], [])
    assert not _LOADS & {tag for tag, _ in document.elements}
    assert not [name for _, attributes in document.elements for name in attributes if name.startswith("on")]
    links = [attributes["href"] for tag, attributes in document.elements if tag == "a"]
    assert all(each.startswith("https://x.example/") for each in links)
    assert f"<script src='{web.url}'>" in document.text
    assert "\\u202e\\u2066\\u200f \\u0000\\u001b" in document.text
    assert not [mark for mark in _MARKS if mark in document.text]


def test_the_browser_reports_requests_and_errors(browser, web, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(f"<img src='{web.url}'><script>undefined.undefined</script>")
    _, logged = browser.dom(page)
    assert len(web.asked) == 1
    assert "TypeError" in logged[0]


def test_the_policy_forbids_scripts_and_requests(browser, web, tmp_path):
    page = page_of(a_history(3), tmp_path)
    smuggled = f"<img src='{web.url}'><script>document.title = 'run'</script><iframe src='{web.url}'></iframe></body>"
    page.write_text(page.read_text().replace("</body>", smuggled))
    source, logged = browser.dom(page)
    assert web.asked == []
    assert "<title>run" not in source
    assert any("Content Security Policy" in line for line in logged)


@pytest.mark.parametrize(("width", "flags"), [(390, ()), (1200, ("--force-dark-mode",))])
def test_a_page_fits_phones_and_screens(browser, tmp_path, width, flags):
    page = page_of(a_history(30), tmp_path)
    assert browser.picture(page, max(width, 500), 900, *flags) == (max(width, 500), 900)


# as a file


def test_the_page_is_well_formed_and_stands_alone():
    source = as_page(hostile_history("http://127.0.0.1:1/"))
    document = Document(source)
    metas = [attributes for tag, attributes in document.elements if tag == "meta"]
    policy = next(each["content"] for each in metas if each.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert ET.fromstring(source.removeprefix("<!DOCTYPE html>")).tag == "html"
    style = source[source.index("<style>") : source.index("</style>")]
    assert not re.search(r"url\(|@import|//", style)
    assert not _LOADS & {tag for tag, _ in document.elements}


def test_parts_have_headings_and_columns_names():
    root = trees(a_history(3))
    assert [each.text for each in root.iter("th")] == [
        "When (UTC)", "Who", "What", "Asked moment", "Outcome", "Took", "To undo it",
    ]  # fmt: skip
    assert {each.get("scope") for each in root.iter("th")} == {"col"}
    assert len(list(root.iter("h1"))) == len(list(root.iter("main"))) == len(list(root.iter("caption"))) == 1
    identities = [each.get("id") for each in root.iter() if each.get("id")]
    assert len(identities) == len(set(identities))
    assert {each.get("aria-labelledby") for each in root.iter() if each.get("aria-labelledby")} <= set(identities)


def test_many_timelines_are_several_pictures():
    root = trees(a_history(3 * LANES_A_PICTURE))
    assert len(list(root.iter("svg"))) == 3
    assert len(list(root.iter("details"))) == 2
    names = [each.text for each in root.iter("text") if (each.get("class") or "").startswith("name")]
    assert len(names) == 3 * LANES_A_PICTURE
    assert names[-1] == "origin"
    assert names[:-1] == sorted(names[:-1], reverse=True)


def test_everything_in_a_picture_lies_in_it():
    for count in (1, 2, 3, 60):
        for svg in trees(a_history(count)).iter("svg"):
            height = float(svg.get("height"))
            for each in svg.iter():
                for name in {"x", "x1", "x2", "cx"} & set(each.keys()):
                    assert 0 <= float(each.get(name).removesuffix("%")) <= 100
                right = float((each.get("x") or "0").removesuffix("%"))
                if each.tag == "rect":
                    assert right + float(each.get("width").removesuffix("%")) <= 100
                for name in {"y", "y1", "y2", "cy"} & set(each.keys()):
                    assert 0 <= float(each.get(name)) <= height


def test_the_axis_gives_every_moment_room():
    year = [hours_ago(9000), hours_ago(2), hours_ago(1.5), hours_ago(1), NOW]
    axis = Axis(year)
    places = [axis.place(each) for each in year]
    assert places == sorted(places)
    assert min(after - before for before, after in itertools.pairwise(places)) > 100 / len(year) / 3
    told = [axis.moment((place - places[0]) / (places[-1] - places[0])) for place in places]
    assert all(abs(one - other) < timedelta(seconds=1) for one, other in zip(told, year, strict=True))
    assert Axis([NOW]).place(NOW) == pytest.approx(98.5)


def test_without_receipts_no_timeline_is_drawn():
    page = as_page(compile_history("production", changes(text(), text(ONE)), {}, NOW))
    assert "No apply has left a receipt yet" in page
    assert "<svg" not in page


def test_500_restores_are_all_on_the_page():
    history = a_history(501)
    root = trees(history)
    assert len(list(root.iter("tr"))) == 502
    assert len([each for each in root.iter("text") if (each.get("class") or "").startswith("name")]) == 501


# written


def test_the_page_replaces_the_old_one_whole(tmp_path):
    page = tmp_path / "history.html"
    page.write_text("old")
    page.chmod(0o600)
    write_page(page, a_history(3))
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert page.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["history.html"]


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "real.html").write_text("old")
    (tmp_path / "link.html").symlink_to("real.html")
    write_page(tmp_path / "link.html", a_history(3))
    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "real.html").read_text().startswith("<!DOCTYPE html>")


def test_only_a_file_is_overwritten(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(InputError, match="is not a file"):
            write_page(place, a_history(3))
    with pytest.raises(InputError, match="cannot be written"):
        write_page(tmp_path / "missing" / "page.html", a_history(3))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_page(tmp_path / "file" / "page.html", a_history(3))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "pipe"]
