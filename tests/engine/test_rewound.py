"""Roles and databases go back with the rows, as the plan has said."""

from reconciler.core.plan.plan import plan
from tests.support.database import GOOD
from tests.support.shops import PRIMARY, ROLE
from tests.support.waiting import eventually


def names(production, branch, what):
    path = f"/projects/{production.project}/branches/{production.branch(branch)['id']}/{what}"
    return {each["name"] for each in production.sandbox.neon("GET", path)[what]}


def make(production, what, body):
    path = f"/projects/{production.project}/branches/{production.branch(PRIMARY)['id']}/{what}s"
    production.sandbox.neon("POST", path, json={what: body})
    eventually(production.is_idle, f"the {what} to be made")


def test_a_role_and_a_database_that_are_younger_than_the_moment_are_told_and_gone_and_kept_with_what_is_held(
    production,
):
    make(production, "role", {"name": "reporting"})
    make(production, "database", {"name": "stats", "owner_name": ROLE})
    production.ask(production.shop.good)
    planned = plan(*production.observe())
    told = [each.split(", after ")[0] for each in planned.warnings if "will not exist" in each]
    assert [each.split(" was created")[0] for each in told] == ['role "reporting"', 'database "stats"']
    assert production.apply().converged
    production.check_live(GOOD)
    assert "reporting" not in names(production, PRIMARY, "roles")
    assert "stats" not in names(production, PRIMARY, "databases")
    held = f"main.held.origin.before.{production.timeline()}"
    assert ("reporting" in names(production, held, "roles"), "stats" in names(production, held, "databases")) == (
        True,
        True,
    )
    production.ask(None)
    back = [each for each in plan(*production.observe()).warnings if "comes back" in each]
    assert back == [
        f'role "reporting" comes back: it is on "{held}"',
        f'database "stats" comes back: it is on "{held}"',
    ]
