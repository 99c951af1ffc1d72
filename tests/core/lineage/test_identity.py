"""A branch that is not what was asked never gets users, and neither does one of which Neon does not tell."""

from dataclasses import replace

import pytest

from reconciler.core.model.desired import Method, Restore
from reconciler.core.model.observed import Annotation, Table
from reconciler.core.rules.restore.identity import check_identity, check_tables
from reconciler.core.values.timeline import candidate_name
from reconciler.errors import GateFailed
from tests.core.files import DESIRED, asking, hours_ago
from tests.core.worlds import MAIN

ASKED = asking(Restore(hours_ago(24), "inc-42"))
CANDIDATE = replace(
    MAIN,
    id="br-candidate",
    name=candidate_name("main", ASKED.timeline),
    default=False,
    parent_id=MAIN.id,
    resolved_at=hours_ago(24),
    mark=Annotation("production", ASKED.timeline),
)


def test_what_was_asked_or_is_live_passes():
    check_identity(ASKED, (MAIN, CANDIDATE), CANDIDATE)
    check_identity(ASKED, (MAIN, replace(CANDIDATE, resolved_at=hours_ago(25))), replace(CANDIDATE))
    check_identity(DESIRED, (MAIN, CANDIDATE), MAIN)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"parent_id": "br-other"}, "its parent is br-other"),
        ({"resolved_at": hours_ago(23)}, "later than"),
        ({"resolved_at": None}, "does not report which moment"),
        ({"name": "main.candidate.other"}, "can't determine which timeline is live"),
        ({"mark": None}, "it does not carry r-"),
        ({"mark": Annotation("staging", ASKED.timeline)}, "it does not carry r-"),
    ],
)
def test_what_differs_fails_with_what_differs(changes, said):
    candidate = replace(CANDIDATE, **changes)
    with pytest.raises(GateFailed, match=said) as failure:
        check_identity(ASKED, (MAIN, candidate), candidate)
    assert failure.value.gate == "identity"


def test_in_place_the_lsn_must_be_known():
    asked, known = (
        asking(ASKED.primary.restore, ASKED, Method.IN_PLACE),
        replace(CANDIDATE, lsn="0/1", resolved_at=None),
    )
    check_identity(asked, (MAIN, known), known)
    unknown = replace(CANDIDATE, lsn="")
    with pytest.raises(GateFailed, match="does not report which moment"):
        check_identity(asked, (MAIN, unknown), unknown)


def test_another_branch_fails():
    with pytest.raises(GateFailed, match="it does not carry"):
        check_identity(ASKED, (MAIN, CANDIDATE), replace(CANDIDATE, id="br-impostor"))


def test_a_branch_may_not_lack_tables():
    had = frozenset(Table("public", f"t{n}") for n in range(7))
    check_tables(CANDIDATE, hours_ago(24), had, had | {Table("public", "more")})
    with pytest.raises(GateFailed, match=r"had public\.t0 at "):
        check_tables(CANDIDATE, hours_ago(24), had, had - {Table("public", "t0")})
    with pytest.raises(GateFailed, match=r"public\.t0, .*public\.t4 and 2 more at "):
        check_tables(CANDIDATE, hours_ago(24), had, frozenset())
