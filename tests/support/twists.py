"""What an answer's values may be twisted into, and copies of answers that are."""

import copy

GONE = object()
TWISTS = [
    GONE, None, "", "text", 7, -1, 10**400, 0.5, True, [], {}, [None], [[]], {"a": None}, [{"id": 1}],
    "\ud800", "\x1b[2J\u202e", "../../../user", "-rf", "x" * 70_000, ["y"] * 3_000, "9999-12-31T23:59:59.999Z",
    "0001-01-01T00:00:00+23:59", "2026-02-30T00:00:00Z", "2026-11-21T09:55:00Z", "doubled",
]  # fmt: skip


def twisted(body, at, twist):
    """A copy of a JSON value in which the node at a path is something else."""
    if isinstance(body, bytes) or not at:
        return body if twist is GONE else twist
    body = copy.deepcopy(body)
    parent = body
    for step in at[:-1]:
        parent = parent[step]
    if twist is GONE:
        del parent[at[-1]]
    elif twist == "doubled" and isinstance(parent, list):
        parent.append(parent[at[-1]])
    else:
        parent[at[-1]] = twist
    return body


def nodes(value, at=()):
    """The path of every node."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from nodes(each, (*at, key))
