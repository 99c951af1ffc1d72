"""Neon's API description (OpenAPI 3.0), compiled into validators.

It is part of the npm package `@neondatabase/api-client` and not ours to publish, so it is never committed. The
environment variable has its path.
"""

import json
import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import yaml
from jsonschema.validators import extend
from openapi_schema_validator import OAS30Validator, oas30_format_checker

VARIABLE = "RECONCILER_TEST_NEON_OPENAPI"
_METHODS = ("get", "post", "put", "patch", "delete")


def _remembering():
    """A validator that checks each object once: answers repeat the same branch many times."""
    fine, follow = set(), OAS30Validator.VALIDATORS["$ref"]

    def referred(validator, reference, instance, schema):
        key = hash((reference, json.dumps(instance)))
        if key in fine:
            return
        errors = list(follow(validator, reference, instance, schema))
        if not errors:
            fine.add(key)
        yield from errors

    return extend(OAS30Validator, {"$ref": referred})


@dataclass(frozen=True)
class Parameter:
    """A parameter in a query."""

    required: bool
    kind: str
    schema: OAS30Validator

    def read(self, text):
        """Convert a text to its type; the validator refuses what cannot be converted."""
        if self.kind == "boolean":
            return {"true": True, "false": False}.get(text, text)
        if self.kind == "integer":
            return int(text) if re.fullmatch(r"-?\d+", text) else text
        return text.split(",") if self.kind == "array" else text


@dataclass(frozen=True)
class Body:
    """A body of a request or an answer. Without a schema there is none, or one that is not JSON."""

    schema: OAS30Validator | None
    required: bool = True


@dataclass(frozen=True, eq=False)
class Endpoint:
    """A method of a path. `answers` are by status or "default"."""

    method: str
    path: str
    parameters: dict[str, Parameter] = field(repr=False)
    request: Body | None = field(repr=False)
    answers: dict[str, Body] = field(repr=False)

    def __str__(self):
        return f"{self.method} {self.path}"

    @cached_property
    def pattern(self):
        """The pattern of its paths."""
        return re.compile("/".join("[^/]+" if part.startswith("{") else part for part in self.path.split("/")))

    @cached_property
    def variables(self):
        """The number of variable parts of the path: of two endpoints that match, the one with fewer is right."""
        return self.path.count("{")


class Description:
    """All endpoints, in the order of the description."""

    def __init__(self, document):
        self._document = json.loads(json.dumps(document, default=str))  # statuses are numbers in YAML
        self._validator = _remembering()
        self.error = self.validator({"$ref": "#/components/schemas/GeneralError"})
        self.endpoints = [
            self._endpoint(method, path, item)
            for path, item in self._document["paths"].items()
            for method in _METHODS
            if method in item
        ]
        self._found = {}

    def find(self, method, path):
        """Return the endpoint of a path below the API's base, or None."""
        key = method, path
        if key not in self._found:
            fitting = [each for each in self.endpoints if each.method == method and each.pattern.fullmatch(path)]
            self._found[key] = min(fitting, key=lambda each: each.variables, default=None)
        return self._found[key]

    def validator(self, schema):
        """Compile a schema. Undescribed fields are allowed, as live answers have some."""
        whole = schema | {"components": self._document["components"]}
        return self._validator(whole, format_checker=oas30_format_checker)

    def properties(self, name):
        """Return the names of the fields that a schema describes."""
        return set(self._document["components"]["schemas"][name]["properties"])

    def _endpoint(self, method, path, item):
        operation = item[method]
        given = map(self._followed, [*item.get("parameters", ()), *operation.get("parameters", ())])
        request = operation.get("requestBody")
        answers = {status: self._body(self._followed(each)) for status, each in operation["responses"].items()}
        return Endpoint(
            method.upper(),
            path,
            {each["name"]: self._parameter(each) for each in given if each["in"] == "query"},
            self._body(self._followed(request)) if request else None,
            answers,
        )

    def _parameter(self, described):
        schema = self._followed(described["schema"])
        return Parameter(described.get("required", False), schema.get("type", "string"), self.validator(schema))

    def _body(self, described):
        content = described.get("content", {}).get("application/json")
        schema = self.validator(content["schema"]) if content else None
        return Body(schema, described.get("required", False))

    def _followed(self, described):
        if "$ref" not in described:
            return described
        found = self._document
        for part in described["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return self._followed(found)


def path_of_description():
    """Return the path of the description; None if the environment has none."""
    path = os.environ.get(VARIABLE)
    return Path(path) if path else None


def read(path):
    """Read a description."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return Description(yaml.load(path.read_text(), loader))
