"""A local Neon and Cloudflare on real PostgreSQL. It imports nothing else of the project, so it shares no mistake.

server            the sandbox: starts and stops everything below
process           runs a sandbox as a process; `pid_file` finds a running one, `cleanup` follows one that was killed
workspace         the directory of a sandbox
middleware        what every request passes: logs, latency, faults; `exchange_log` is for conformance tests
control_api       the sandbox's own API, under /sandbox; `faults` are set there
neon, cloudflare  the two APIs; `example_project` is in a new sandbox
workers           runs the deployed Workers
computes          the ports of Neon's computes; `wire` is PostgreSQL's protocol
storage           the interface to the data: with PostgreSQL (`postgres`) or without (`without_postgres`)
timestamps        the clock, and times as the APIs write them
"""
