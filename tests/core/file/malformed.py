"""Desired-state files with mistakes: the text, and what the answer must hold for each."""

PRIMARY = '"primary": {"project": "aged-wildflower-123456", "branch": "main", "restore": null}'
HYPERDRIVE = '"hyperdrive": {"name": "tech961", "database": "tech961", "role": "app"}'
WORKER = '"worker": {"config": "wrangler.jsonc", "binding": "HYPERDRIVE"}'
MOMENT = '"to": "2026-11-21T09:55:00Z"'


def file(*parts: str) -> str:
    """A file of sections, each on a line of its own."""
    return "{\n" + ",\n".join(parts) + "\n}"


def primary(more: str) -> str:
    return file(PRIMARY[:-1] + ",\n" + more + "}")


def restore(text: str) -> str:
    return file('"primary": {"project": "p", "branch": "main", "restore": ' + text + "}")


def worker(text: str) -> str:
    return file(PRIMARY, HYPERDRIVE, '"worker": {"config": ' + text + ', "binding": "H"}')


def verify(text: str) -> str:
    return file(PRIMARY, HYPERDRIVE, WORKER, '"verify": {' + text + "}")


def http_gate(text: str) -> str:
    return verify('"http": [{"name": "h", "url": "https://x.example/", ' + text + "}]")


def outside(text: str) -> str:
    return file(PRIMARY, '"outside": ' + text)


GATE = '{"name": "a", "query": "select true"}'
# name -> (text, {what stands at the place that must be named: words that the mistake there must be told with})
MALFORMED: dict[str, tuple[str, dict[str, str]]] = {
    "an empty file": ("", {"": "end of the file"}),
    "only a comment": ("// nothing yet\n", {"": "end of the file"}),
    "a list": ("[]", {"[]": "must be an object"}),
    "null": ("null", {"null": "must be an object"}),
    "an empty object": ("{}", {"{}": "primary is missing"}),
    "an object that is not closed": ('{\n  "primary": {', {"": "end of the file"}),
    "a missing comma": ("{\n  " + PRIMARY + "\n  " + HYPERDRIVE + "\n}", {'"hyperdrive": ': "expected ','"}),
    "single quotes": ("{'primary': 1}", {"'primary': 1}": "JSON5"}),
    "content after the end": (file(PRIMARY) + "\n}", {"}": "end of the file"}),
    "an unknown key at the top": (file(PRIMARY, '"hyperdive": {}'), {'"hyperdive": {': 'did you mean "hyperdrive"?'}),
    "an unknown key deep inside": (
        restore("{" + MOMENT + ', "resaon": "x"}'), {'"resaon": "x"}': 'did you mean "reason"?'}
    ),
    "an unknown key that is like no other": (file(PRIMARY, '"zzz": 1'), {'"zzz": 1': "known here: $schema, primary"}),
    "a duplicate key": (primary('"restore": null'), {'"restore": nul': "given twice"}),
    "a number for a name": (
        PRIMARY.replace('"aged-wildflower-123456"', "961").join("{}"), {'961, "branch":': "must be text, and is 961"}
    ),
    "text for an object": (file(PRIMARY, '"hyperdrive": "tech961"'), {'"tech961"': "must be an object"}),
    "no restore line": ('{"primary": {"project": "p", "branch": "main"}}', {'{"project": "p': '"restore": null'}),
    "a time without a zone": (restore('{"to": "2026-11-21T09:55:00"}'), {'"2026-11-21T09': "no time zone"}),
    "a date without a time": (restore('{"to": "2026-11-21"}'), {'"2026-11-21"}}': "no time of day"}),
    "a time finer than milliseconds": (restore('{"to": "2026-11-21T09:55:00.0001Z"}'), {'"2026-11-21T09': "finer"}),
    "a day that does not exist": (restore('{"to": "2026-02-30T09:55:00Z"}'), {'"2026-02-30T09': "does not exist"}),
    "a time in words": (restore('{"to": "yesterday"}'), {'"yesterday"}}': "RFC 3339"}),
    "a time in the future": (restore('{"to": "2027-01-01T00:00:00Z"}'), {'"2027-01-01T00': "in the future"}),
    "a restore to nothing": (restore('{"reason": "x"}'), {'{"reason"': "primary.restore.to is missing"}),
    "a restore to a moment and to an LSN": (
        restore("{" + MOMENT + ', "from": "origin", "to_lsn": "0/1A2B3C8"}'), {'"0/1A2B3C8"}': "both to and to_lsn"}
    ),
    "an LSN of no timeline": (restore('{"to_lsn": "0/1A2B3C8"}'), {'"0/1A2B3C8"}': "needs from"}),
    "an LSN without its slash": (restore('{"to_lsn": "1A2B3C8", "from": "origin"}'), {'"1A2B3C8"': "is not an LSN"}),
    "the LSN that is none": (restore('{"to_lsn": "0/0", "from": "origin"}'), {'"0/0"': "uses for none"}),
    "a restore that is only a time": (restore('"2026-11-21T09:55:00Z"'), {'"2026-11-21T09': "must be an object"}),
    "an id with blanks": (restore("{" + MOMENT + ', "id": "inc 42"}'), {'"inc 42"}}': "inc-42"}),
    "an unknown method": (primary('"method": "overwrite"'), {'"overwrite"}': "'branch' or 'in-place'"}),
    "a hold in words": (primary('"hold": "a week"'), {'"a week"}': '"7d"'}),
    "a worker without hyperdrive": (file(PRIMARY, WORKER), {'{"config": "wr': "worker needs hyperdrive"}),
    "a config outside the repository": (worker('"../wrangler.jsonc"'), {'"../wrangler.j': "inside the repository"}),
    "an HTTP gate without a worker": (
        file(PRIMARY, '"verify": {"http": [{"name": "health", "url": "https://x.example/"}]}'),
        {'[{"name": "hea': "verify.http needs worker"},
    ),
    "an address that is none": (verify('"http": [{"name": "h", "url": "x"}]'), {'"x"}]}': "https://"}),
    "a JSON pointer without a slash": (http_gate('"json": {"status": "ok"}'), {'"ok"}}]}': 'it begins with "/"'}),
    "a JSON pointer to a list": (http_gate('"json": {"/a": [1]}'), {"[1]}": "must be true, false, a number or text"}),
    "an answer within a day": (http_gate('"within": "1d"'), {'"1d"}': 'must look like "500ms" or "2s"'}),
    "an answer within a minute": (http_gate('"within": "1m"'), {'"1m"}': "must be at most 10s, and is 1m"}),
    "an hour of tries": (http_gate('"for": "60m"'), {'"60m"}': "must be at most 600s, and is 60m"}),
    "an unknown answer to a failure": (verify('"on_failure": "ignore"'), {'"ignore"}': "'rollback' or 'hold'"}),
    "gates that log in as somebody else": (
        verify('"role": "owner"'), {'"owner"}': 'verify.role is "owner", and hyperdrive.role is "app"'}
    ),
    "a fence without a database": (
        file(PRIMARY[:-1] + ',\n"fence": true}', '"verify": {"role": "app"}'),
        {"true": "primary.fence does not know which database"},
    ),
    "a fence that is no choice": (primary('"fence": "yes"'), {'"yes"': "primary.fence must be true or false"}),
    "more history than Neon keeps": (
        primary('"history_retention": "5w"'), {'"5w"': "primary.history_retention must be at most 30d, and is 5w"}
    ),
    "a history for ever": (primary('"history_retention": "forever"'), {'"forever"': '"6h", "7d" or "4w"'}),
    "a compute of no size": (
        primary('"compute": {"min": 0.25,\n"max": 99}'), {"99": "primary.compute.max must be from 0.25 to 56 CU"}
    ),
    "half a size": (primary('"compute":\n{"max": 2}'), {'{"max"': "primary.compute has only one of min and max"}),
    "sizes the wrong way round": (
        primary('"compute": {"max": 1, "min":\n2}'), {"2}": "primary.compute.min is 2, and max is 1"}
    ),
    "a suspension in words": (primary('"compute": {"suspend":\n"soon"}'), {'"soon"': '"5m", "1h" or "never"'}),
    "a suspension that Neon does not take": (
        primary('"compute": {"suspend":\n"30s"}'),
        {'"30s"': "primary.compute.suspend must be from 1m to 7d, or never, and is 30s"},
    ),
    "two gates of one name": (verify(f'"sql": [{GATE}, {GATE}]'), {'"a", "query": ': 'two sql gates are named "a"'}),
    "two things outside of one name": (
        outside('[{"name": "Axiom"}, {"name": "Axiom", "retention": "30d"}]'),
        {'"Axiom", "retention"': 'two entries of outside are named "Axiom"'},
    ),
    "something outside without a name": (
        outside('[{"retention": "30d"}]'), {'{"retention": "30d"}]': "outside[0].name is missing"}
    ),
    "a retention in words": (
        outside('[{"name": "Axiom", "retention": "a month"}]'), {'"a month"}]': 'must look like "30d"'}
    ),
    "an unknown key outside": (
        outside('[{"name": "Axiom", "recover": "by hand"}]'), {'"recover": "by': 'did you mean "recovery"?'}
    ),
    "a recovery of two lines": (
        outside('[{"name": "Axiom", "recovery": "a\\nb"}]'), {'"a\\nb"}]': "control characters"}
    ),
    "one thing outside that is no list": (outside('{"name": "Axiom"}'), {'{"name": "Axiom"}': "must be a list"}),
    "an unknown way to write back": (file(PRIMARY, '"write_back": "force"'), {'"force"': "'push' or 'pull-request'"}),
    "a role that is too long": (
        file(PRIMARY, HYPERDRIVE.replace("app", "ä" * 32)), {'"äääääääääääää': "64 bytes"}
    ),
    "an empty query": (verify('"sql": [{"name": "n", "query": ""}]'), {'""}]}': "at least one character"}),
    "a text that is too long": (
        http_gate('"contains": "' + "y" * 1_001 + '"'), {'"yyyy': "must have at most 1000 characters, and has 1001"}
    ),
    "two problems at once": (
        '{\n  "primary": {"project": "P!", "branch": "main",\n    "restore": {"to": "2026-11-21T09:55:00"}}\n}',
        {'"P!", "branch"': "aged-wildflower-123456", '"2026-11-21T09': "no time zone"},
    ),
    "SQL gates of nobody": (
        file(PRIMARY, '"verify": {"sql": [{"name": "n", "query": "select true"}], "role": "app"}'),
        {'[{"name": "n"': "does not know which database and role to use"},
    ),
    "a status that HTTP has not": (http_gate('"status": 99'), {"99}]}": "must be from 100 to 599, and is 99"}),
    "a status that is too high": (http_gate('"status": 600'), {"600}]}": "must be from 100 to 599, and is 600"}),
    "a very long method": (primary('"method": "' + "x" * 41 + '"'), {'"xxxx': 'and is "' + "x" * 40 + '…"'}),
    "a source that is no timeline": (
        restore("{" + MOMENT + ', "from": "yesterday"}'),
        {'"yesterday"}}': 'is not the name of a timeline; it is "origin" or like'},
    ),
    "a config that is no JSON": (worker('"wrangler.toml"'), {'"wrangler.toml"': "must end in .jsonc or .json"}),
    "an address with half a bracket": (
        verify('"http": [{"name": "h", "url": "https://[x"}]'),
        {'"https://[x"': "is not an address that begins with https://"},
    ),
    "a key that looks like a mark of ours": (file(PRIMARY, '"[key]": 1'), {'"[key]": 1': 'unknown key "[key]"'}),
    "a pointer that looks like a mark of ours": (
        http_gate('"json": {"[key]": 1}'),
        {"1}}]}": 'verify.http[0].json.[key] is not a JSON pointer (RFC 6901): it begins with "/"'},
    ),
}  # fmt: skip
