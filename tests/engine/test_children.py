"""A declared branch is reset to its parent's rows, once: told by rows."""

from tests.support import database
from tests.support.database import DAMAGED


def test_a_reset_takes_the_rows_of_the_parent_keeps_those_of_the_branch_and_comes_once(production):
    def declare(reset):
        shape = {"name": "shape", "schema_only": True}
        production.desired["branches"] = [{"name": "staging", "reset": {"id": reset}, "database": "reports"}, shape]
        production.write()
        return production.apply()

    assert declare("first").converged
    assert production.rows_on("staging") == DAMAGED
    uri = production.uri(production.branch("staging"))
    database.add_clicks(uri, 7)
    database.add_clicks(production.uri(production.branch("main")), 1)
    assert declare("first").taken == ()
    assert production.rows_on("staging").clicks == DAMAGED.clicks + 7
    assert declare("second").converged
    assert production.uri(production.branch("staging")) == uri
    assert production.rows_on("staging").clicks == DAMAGED.clicks + 1
    database.add_clicks(uri, 2)
    assert declare("second").taken == ()
    assert production.rows_on("staging").clicks == DAMAGED.clicks + 3
    assert production.rows_on_held("staging.before-reset.second").clicks == DAMAGED.clicks + 7
    assert "parent_id" not in production.branch("shape")
