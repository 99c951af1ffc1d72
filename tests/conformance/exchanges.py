"""What is wrong with an exchange, and which endpoints an exchange log has called."""

import json
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

PREFIX = "/api/v2"
_KEPT = 50


@dataclass
class Findings:
    """What an exchange log has shown. `outcomes` counts exchanges by endpoint and status."""

    exchanges: int = 0
    violations: Counter = field(default_factory=Counter)
    outcomes: Counter = field(default_factory=Counter)

    def endpoints_with(self, holds):
        """Return the endpoints with an answer whose status fulfils a condition."""
        return {endpoint for endpoint, status in self.outcomes if holds(status)}


def examine(description, *paths):
    """Examine all exchanges with Neon in some logs, and count each violation."""
    findings, known = Findings(), {}
    for exchange in (each for path in paths for each in _exchanges(path)):
        findings.exchanges += 1
        endpoint = description.find(exchange["method"], exchange["path"].removeprefix(PREFIX))
        findings.outcomes[endpoint, exchange["status"]] += 1
        # Clients poll: most exchanges equal one that was examined already.
        key = hash((endpoint, *(exchange[name] for name in ("query", "status", "request_body", "response_body"))))
        if key not in known:
            known[key] = violations(description, exchange)
        findings.violations.update(known[key])
    return findings


def _exchanges(path):
    with path.open() as lines:
        for exchange in map(json.loads, lines):
            if exchange["path"].startswith(f"{PREFIX}/"):
                yield exchange


def violations(description, exchange):
    """Return what is wrong with an exchange, as sentences. A refused request may be wrong itself."""
    endpoint = description.find(exchange["method"], exchange["path"].removeprefix(PREFIX))
    succeeded = 200 <= exchange["status"] < 300
    if endpoint is None:
        place = f"{exchange['method']} {exchange['path']} {exchange['status']}"
        unknown = ["the description has no such endpoint"]
        wrong = unknown if succeeded else _json("the answer", description.error, exchange["response_body"])
    else:
        place = f"{endpoint} {exchange['status']}"
        wrong = _answer(endpoint, exchange, succeeded=succeeded)
        if succeeded:
            wrong += [*_query(endpoint, exchange), *_request(endpoint, exchange)]
    return [f"{place}: {each}" for each in wrong]


def _answer(endpoint, exchange, *, succeeded):
    described = endpoint.answers.get(str(exchange["status"]))
    if described is None and succeeded:
        return [f"the statuses of success are {', '.join(status for status in endpoint.answers if status[0] == '2')}"]
    if described is None or (described.schema is None and not succeeded):
        described = endpoint.answers["default"]
    text = exchange["response_body"]
    if described.schema is None:
        return ["the answer has a body, and should have none"] if text else []
    kind = exchange["headers"].get("Content-Type", "none").partition(";")[0]
    wrong = [] if kind == "application/json" else [f"the content type of the answer is {kind}"]
    return wrong + _json("the answer", described.schema, text)


def _query(endpoint, exchange):
    given = dict(parse_qsl(exchange["query"], keep_blank_values=True))
    for name, parameter in endpoint.parameters.items():
        if parameter.required and name not in given:
            yield f"the query lacks {name}"
    for name, text in given.items():
        parameter = endpoint.parameters.get(name)
        if parameter is None:
            yield f"the query has {name}, which is not described"
            continue
        for error in parameter.schema.iter_errors(parameter.read(text)):
            yield f"{name} in the query: {error.message}"


def _request(endpoint, exchange):
    text, described = exchange["request_body"], endpoint.request
    if not text:
        return ["the request lacks its body"] if described and described.required else []
    if described is None or described.schema is None:
        return ["the request has a body, and should have none"]
    return _json("the request", described.schema, text)


def _json(what, schema, text):
    try:
        value = json.loads(text or "")
    except ValueError:
        return [f"{what} is not JSON"]
    errors = list(schema.iter_errors(value))
    return [f"{what} at {error.json_path}: {error.message[:300]}" for error in errors[:_KEPT]]
