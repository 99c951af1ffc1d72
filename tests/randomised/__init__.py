"""Random schedules: the file changes, people change things by hand, requests fail, runs die, and two run at once.

    python -m tests.randomised                          a fixed number of schedules from a fixed seed (.ci/run)
    python -m tests.randomised --examples 1000 --steps 30
    python -m tests.randomised --minutes 60 --seed 7    for so long, from another seed
    python -m tests.randomised --replay FILE            repeat a failure from the script that it printed
    python -m tests.exhaustive.mutations --randomised   breaks the code in three ways, each of which must be noticed

Hypothesis draws the schedules (`machine`). Their actions are plain data (`schedule`); `play` performs them on the
worlds of `tests.exhaustive`. Ids and jitter are seeded, and time passes only by waiting, so a schedule always runs the
same way. The script of a failing one is made smaller (`shrink`) and printed.

The invariants are checked after every request (`watch`). At the end, with no more faults, the apply must either
converge and then do nothing when repeated, or end with a refusal or an error that is right by the state of the sandbox
(`allowed_endings`). Then all manual changes are repaired, and the end is checked again.

Not covered: rows, and the lease and the receipts around an apply. So two runs at once always want the same; tests with
Git show that the lease keeps different ones apart. Manual changes (`manual_changes`) never send users to a version that
has never served, and destroy only data that is recorded as theirs.
"""
