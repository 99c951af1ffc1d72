"""Schedules drawn at random: what is wanted changes, people work by hand, requests fail, runs die, and two run at once.

    python -m tests.randomised                          as CI does: a fixed number of schedules from a fixed seed
    python -m tests.randomised --examples 1000 --steps 30
    python -m tests.randomised --minutes 60 --seed 7    for so long, from another seed
    python -m tests.randomised --replay FILE            what a failing run has printed, once more
    python -m tests.exhaustive.mutations --randomised   three ways to break the code, each of which must be seen

Hypothesis draws the schedules (`machine`), of actions that are plain data (`schedule`); `play` does them on the
worlds of `tests.exhaustive`: providers, engine and core are the real ones, without PostgreSQL, on a time of their own.
Nothing is drawn while a schedule is played (ids and jitter are seeded, and no time passes but by waiting), so that the
script of a failing one, which is printed when it has been made smaller, fails again in the same way.

After every request the invariants are judged (`watch`), and in the end, when nothing goes wrong any more, how it ends:
what is asked for is live in every respect and another apply does nothing, or the refusal is right by what is true and
not by what the reconciler says (`judgement`). Then all that hands have done is put right, and it is judged again.

What is left out: rows, and the lease and the receipts around an apply. So two runs at once always want the same; that
different wishes do not meet is what the lease is for, and tested with Git. What hands do never sends users to a version
that has never served, and nothing is destroyed by them but what is counted as theirs (`hands`).
"""
