"""A history as one page for a browser: a picture of the timelines and the table of what happened.

The page needs nothing else: no script, no font, no network, which its Content-Security-Policy also forbids. It is
well-formed XML, so that no text can end an element around it. Names and reasons come from commits and notes:
they are escaped, control and direction marks in them are shown by their number, and each is in a <bdi>, so that a
name in Hebrew or Arabic turns nothing around it.
"""

from collections.abc import Iterator
from html import escape

from reconciler import __version__
from reconciler.core.history.entries import History, RollbackTo
from reconciler.render.history.picture import Picture, pictures
from reconciler.render.history.rows import (
    SHORT_COMMIT,
    Row,
    fate,
    live_sentence,
    minute,
    problem_sentence,
    rows,
    undo_command,
)
from reconciler.render.history.style import STYLE
from reconciler.render.history.text import visible

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_COLUMNS = ("When (UTC)", "Who", "What", "Asked moment", "Outcome", "Took", "To undo it")
_PROBLEMS_SHOWN = 20
_KEY = """<p class="key"><span class="swatch live"></span> live
<span class="swatch was-live"></span> was live <span class="swatch held"></span> held
<span class="swatch fork"></span> made from, at the moment asked for <span class="swatch now"></span> now.
Newest on top; moments are in order, distances are not to scale.</p>"""


def as_page(history: History, limit: int | None = None) -> str:
    """Render the page: all entries, or the newest `limit`."""
    title = f"{_safe(history.environment)}: history"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8"/>',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}"/>',
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>',
            '<meta name="color-scheme" content="light dark"/>',
            '<meta name="referrer" content="no-referrer"/>',
            f"<title>{title}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body>",
            *_header(history),
            "<main>",
            *_timelines(history),
            *_problems(history),
            *_table(history, limit),
            "</main>",
            _footer(history),
            "</body>",
            "</html>",
            "",
        ]
    )


def _footer(history: History) -> str:
    made = f"Made by reconciler {_safe(__version__)} at {_safe(history.now.text)} from Git alone"
    of = "the commits that changed the file and the receipts that applies left. What is live is read from Neon"
    return f"<footer><p>{made}: {of}: <code>reconciler status</code>.</p></footer>"


def _header(history: History) -> Iterator[str]:
    yield "<header>"
    yield f"<h1>{_said(history.environment)}</h1>"
    yield f'<p class="live-now">{_safe(live_sentence(history))}</p>'
    if history.suspended:
        yield f"<p>Suspended: {_said(history.suspended)}</p>"
    if history.held:
        yield '<ul class="held-now">'
        for each in history.held:
            command = undo_command(history.environment, RollbackTo(each.timeline))
            yield f"<li><b>{_safe(str(each.timeline))}</b> {_safe(fate(each, history.now))}<br/>{_code(command)}</li>"
        yield "</ul>"
    yield "</header>"


def _timelines(history: History) -> Iterator[str]:
    yield '<section aria-labelledby="timelines">'
    yield '<h2 id="timelines">Timelines</h2>'
    drawn = pictures(history)
    if not drawn:
        yield "<p>No apply has left a receipt yet, so nothing is known of when which timeline was live.</p></section>"
        return
    yield _KEY
    yield from (drawn[0].svg, *(_older(each) for each in drawn[1:]))
    yield "</section>"


def _older(picture: Picture) -> str:
    title = f"{picture.count} older, {minute(picture.first)} to {minute(picture.last)}"
    return f"<details><summary>{_safe(title)}</summary>\n{picture.svg}\n</details>"


def _problems(history: History) -> Iterator[str]:
    if not history.problems:
        return
    yield '<section class="problems" aria-labelledby="problems"><h2 id="problems">Problems</h2><ul>'
    yield from (f"<li>{_said(problem_sentence(each))}</li>" for each in history.problems[:_PROBLEMS_SHOWN])
    if (more := len(history.problems) - _PROBLEMS_SHOWN) > 0:
        yield f"<li>and {more} more</li>"
    yield "</ul></section>"


def _table(history: History, limit: int | None) -> Iterator[str]:
    shown = rows(history, limit)
    yield '<section aria-labelledby="entries"><h2 id="entries">What happened</h2>'
    count = f"the newest {len(shown)} of {len(history.entries)}" if len(shown) < len(history.entries) else "all"
    yield f"<table><caption>Changes of the desired state and applies, {count}, newest first</caption>"
    heads = "".join(f'<th scope="col">{_safe(each)}</th>' for each in _COLUMNS)
    yield f"<thead><tr>{heads}</tr></thead>"
    yield "<tbody>"
    yield from (_row(each) for each in shown)
    yield "</tbody></table></section>"


def _row(row: Row) -> str:
    notes = "".join(f'<p class="note">{_said(note)}</p>' for note in row.notes)
    time = f'<time datetime="{_safe(row.at.text)}">{_safe(row.at.text[:19].replace("T", " "))}</time>'
    cells = (
        time,
        _said(row.who),
        f'<span class="part {row.part}">{row.part}</span> <b>{_safe(row.did)}</b>{notes}{_origin(row)}',
        _asked(row),
        f'<span class="outcome">{_safe(row.outcome)}</span>' if row.outcome else "",
        _safe(row.took),
        _code(row.undo) if row.undo else "",
    )
    row_cells = "".join(
        f'<td data-name="{_safe(name)}">{cell}</td>' if cell else "<td></td>"
        for name, cell in zip(_COLUMNS, cells, strict=True)
    )
    return f'<tr class="{row.part}{" wrong" if row.went_wrong else ""}">{row_cells}</tr>'


def _asked(row: Row) -> str:
    if not row.asked:
        return _safe(row.timeline)
    return f'<time datetime="{_safe(row.asked)}">{_safe(row.asked[:-1].replace("T", " "))}</time>'


def _origin(row: Row) -> str:
    """Name the commit, and link to the log if its address is on the web."""
    commit = f'<span class="commit">{_safe(row.commit[:SHORT_COMMIT])}</span>'
    if not row.run.startswith("https://"):
        return f'<p class="source">{commit}</p>'
    return f'<p class="source">{commit} <a href="{_safe(row.run)}" rel="noreferrer noopener">log</a></p>'


def _code(command: str) -> str:
    return f"<code>{_safe(command)}</code>"


def _said(text: str) -> str:
    """Write text from commits and notes."""
    return f"<bdi>{_safe(text)}</bdi>"


def _safe(text: str) -> str:
    return escape(visible(text))
