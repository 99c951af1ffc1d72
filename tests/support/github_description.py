"""GitHub's own description of its REST API (OpenAPI 3.0), by which requests are judged and answers are made.

It is `generated/api.github.com.json` of the npm package `@octokit/openapi`: 13 MB, so it is read once and each endpoint
is compiled when it is first used. The environment variable says where it is.
"""

import copy
import functools
import json
import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from openapi_schema_validator import OAS30Validator, oas30_format_checker

VARIABLE = "RECONCILER_TEST_GITHUB_OPENAPI"
_KEPT = 5


@dataclass(frozen=True)
class Parameter:
    """A parameter in a path or a query."""

    name: str
    required: bool
    schema: OAS30Validator
    kind: str

    def judge(self, text):
        """Say what is wrong with a value."""
        value = int(text) if self.kind == "integer" and re.fullmatch(r"-?\d+", text) else text
        value = {"true": True, "false": False}.get(text, text) if self.kind == "boolean" else value
        return [f"{self.name} is {text!r}: {error.message}" for error in self.schema.iter_errors(value)]


@dataclass(frozen=True, eq=False)
class Endpoint:
    """A method of a path, with what the description says of it."""

    method: str
    path: str
    description: "Description" = field(repr=False)
    described: dict = field(repr=False)

    def __str__(self):
        return f"{self.method} {self.path}"

    @cached_property
    def pattern(self):
        """What its paths look like."""
        return re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", self.path))

    @cached_property
    def _parameters(self):
        given = [self.description.followed(each) for each in self.described.get("parameters", ())]
        return {(each["in"], each["name"]): self._parameter(each) for each in given}

    def _parameter(self, described):
        schema = self.description.followed(described["schema"])
        validator = self.description.validator(schema)
        return Parameter(described["name"], described.get("required", False), validator, schema.get("type", ""))

    @cached_property
    def _sent(self):
        """The schema of the request's body and its validator; None where there is to be no body."""
        content = self.description.followed(self.described.get("requestBody", {})).get("content", {})
        schema = content.get("application/json", {}).get("schema")
        return (schema, self.description.validator(schema)) if schema else None

    @cached_property
    def _answers(self):
        return {}

    def judge_request(self, path, query, body):
        """Say what is wrong with a request. Fields that are not described are wrong: GitHub would ignore them."""
        wrong = []
        for name, text in self.pattern.fullmatch(path).groupdict().items():
            wrong += self._parameters["path", name].judge(text)
        given = dict(parse_qsl(query, keep_blank_values=True))
        for name, text in given.items():
            parameter = self._parameters.get(("query", name))
            wrong += parameter.judge(text) if parameter else [f"the query has {name}, which is not described"]
        if int(given.get("per_page", 1)) > 100:
            wrong.append("per_page is more than 100")
        needed = [name for (place, name), each in self._parameters.items() if place == "query" and each.required]
        wrong += [f"the query lacks {name}" for name in needed if name not in given]
        return wrong + self._judge_body(body)

    def _judge_body(self, body):
        if self._sent is None:
            return ["there is to be no body"] if body is not None else []
        schema, validator = self._sent
        if body is None:
            return ["the body is missing"] if self.described["requestBody"].get("required") else []
        unknown = set(body) - set(schema["properties"]) if isinstance(body, dict) and "properties" in schema else ()
        return [f"the body has {name}, which is not described" for name in sorted(unknown)] + _errors(validator, body)

    def judge_answer(self, status, body):
        """Say what is wrong with an answer."""
        described = self.described["responses"].get(str(status))
        if described is None:
            return [f"the description has no answer {status}"]
        content = self.description.followed(described).get("content", {}).get("application/json")
        if content is None:
            return [] if body is None else ["the answer is to have no body"]
        if status not in self._answers:
            self._answers[status] = self.description.validator(content["schema"])
        return _errors(self._answers[status], body)

    def example(self, status):
        """Give a copy of the first example of an answer."""
        content = self.description.followed(self.described["responses"][str(status)])["content"]["application/json"]
        example = self.description.followed(next(iter(content["examples"].values())))
        return copy.deepcopy(example["value"])


class Description:
    """All endpoints. Of two whose paths fit, the one with fewer variables is meant."""

    def __init__(self, path):
        self._document = json.loads(Path(path).read_bytes())
        self._items = {
            path: (re.compile(re.sub(r"{\w+}", "[^/]+", path)), item) for path, item in self._document["paths"].items()
        }
        self._endpoints = {}

    def find(self, method, path):
        """Give the endpoint that serves a path, or None."""
        fitting = [
            (template.count("{"), template)
            for template, (pattern, item) in self._items.items()
            if method.lower() in item and pattern.fullmatch(path)
        ]
        return self.endpoint(method, min(fitting)[1]) if fitting else None

    def endpoint(self, method, template):
        """Give an endpoint by its path as it is described."""
        if (method, template) not in self._endpoints:
            described = self._items[template][1][method.lower()]
            self._endpoints[method, template] = Endpoint(method, template, self, described)
        return self._endpoints[method, template]

    def validator(self, schema):
        """Compile a schema, with only the part of the description that it refers to."""
        parts, waiting = {}, [schema]
        while waiting:
            for reference in _references(waiting.pop()):
                name = reference.removeprefix("#/components/schemas/")
                if name not in parts:
                    parts[name] = self._document["components"]["schemas"][name]
                    waiting.append(parts[name])
        return OAS30Validator(schema | {"components": {"schemas": parts}}, format_checker=oas30_format_checker)

    def followed(self, described):
        """Follow references."""
        while "$ref" in described:
            found = self._document
            for part in described["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            described = found
        return described


@functools.cache
def read(path):
    """Read a description, once."""
    return Description(path)


def require():
    """Read the description. Without it a test is skipped, and fails in CI."""
    path = os.environ.get(VARIABLE)
    if not path:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say(f"{VARIABLE} must give the path of GitHub's API description, api.github.com.json of @octokit/openapi")
    return read(path)


def _references(schema):
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for each in schema.values():
            yield from _references(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _references(each)


def _errors(validator, value):
    return [f"at {error.json_path}: {error.message[:300]}" for error in list(validator.iter_errors(value))[:_KEPT]]
