"""A reset of a declared branch, by rows."""

from tests.support import database
from tests.support.database import DAMAGED


def test_a_reset_takes_the_parents_rows_once(production):
    def declare(reset):
        shape = {"name": "shape", "schema_only": True}
        production.desired["branches"] = [{"name": "staging", "reset": {"id": reset}, "database": "reports"}, shape]
        production.write()
        return production.apply()

    assert declare("first").converged
    uri = production.uri(production.branch("staging"))
    assert "parent_id" not in production.branch("shape")
    assert production.rows_on("staging") == DAMAGED
    database.add_clicks(uri, 7)
    database.add_clicks(production.uri(production.branch("main")), 1)
    assert declare("first").taken == ()
    assert production.rows_on("staging").clicks == DAMAGED.clicks + 7
    assert declare("second").converged
    assert production.uri(production.branch("staging")) == uri
    assert production.rows_on("staging").clicks == DAMAGED.clicks + 1
    assert production.rows_on_held("staging.before-reset.second").clicks == DAMAGED.clicks + 7
    assert declare("second").taken == ()
