"""Every failure at every point, on a sandbox without PostgreSQL: thousands of runs, in which nothing may be lost.

    python -m tests.exhaustive                   all of it, as CI does
    python -m tests.exhaustive --hidden          all faults in the scenarios, too, that vary another one
    python -m tests.exhaustive --whole           without the shortcuts of `sameness` and `moment`
    python -m tests.exhaustive --scenario "revert" --fault "524 after"
    python -m tests.exhaustive --postgres        fewer of them with rows: see `with_postgres`
    python -m tests.exhaustive.mutations         three ways to break the code, each of which must be seen

A trial is a scenario (`scenarios`), a fault (`faults`) and the request that it befalls, counted from 1 in the order
of the clean run. It is run again until it is done, and the invariants (`invariants`) are judged after every single
request. A scenario that varies another one (`Scenario.varies`) is spared what sending one request again hides from the
rules (423, 429 and 503), and what comes to the same for them as another fault (500, malformed JSON). A trial goes on
from the last moment of the clean run before its fault (`moment`), and ends where it meets a moment from which a run was
watched to a good end (`sameness`). What is found is printed with the three, all that is needed to see it again.

Providers, engine and core are the real ones, over HTTP on loopback; time is the event loop's own, so that no pause
costs any (`timeless`). What is left out: rows (a gate asks `select true`; that it *fails* on the wrong rows is tested
with PostgreSQL, and `with_postgres` looks at rows), the lease and the receipts around an apply, and the real wrangler,
for which `upload_stand_in` stands.

The three mutations: *repeat a create without looking* (a write whose answer is lost is sent again at once), *promote
before gates* (a branch is promoted without its gates), *delete before evidence* (what was replaced is deleted as soon
as its successor is the default branch).
"""
