"""Every fault at every request, on a sandbox without PostgreSQL. Nothing may be lost in any of thousands of runs.

    python -m tests.exhaustive                   all trials (.ci/run --thorough)
    python -m tests.exhaustive --every 8         a fixed sample (.ci/run): see `campaign.sample`
    python -m tests.exhaustive --hidden          all faults, also in scenarios that vary another one
    python -m tests.exhaustive --whole           without the shortcuts of `fingerprints` and `checkpoints`
    python -m tests.exhaustive --scenario "revert" --fault "524 after"
    python -m tests.exhaustive --postgres        fewer trials, with rows: see `with_postgres`
    python -m tests.exhaustive.mutations         breaks the code in three ways, each of which a trial must notice

A trial is a scenario (`scenarios`), a fault (`faults`), and the number of the request at which it happens, counted from
1 in a run without faults. The apply is repeated until it converges. The invariants (`invariants`) are checked after
every request. A failure is printed with these three, which is all you need to repeat it.

- A scenario that varies another one (`Scenario.varies`) skips faults that a retry hides (423, 429, 503), and faults
  that the code turns into the same error as another one (500, malformed JSON).
- A trial resumes from the last checkpoint before its fault (`checkpoints`). It ends when it reaches a state from which
  another run is known to end well (`fingerprints`).

Providers, engine and core are the real ones, over HTTP on loopback, on a clock of their own that skips pauses
(`virtual_time`). Not covered: rows (`with_postgres` checks them), the lease and the receipts around an apply, and the
real wrangler (`upload_stand_in` replaces it).
"""
