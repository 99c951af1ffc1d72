"""Expressions of GitHub Actions, `${{ … }}`, as GitHub's page "Evaluate expressions in workflows and actions" has them.

Whatever is not known is an error: a context that a key may not use, a function, a property that cannot be there.
"""

import json
import math
import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>-?(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))
    |(?P<string>'(?:[^']|'')*')
    |(?P<name>[A-Za-z_][A-Za-z0-9_-]*)
    |(?P<sign>&&|\|\||==|!=|<=|>=|[<>!()\[\].,*])
    )""",
    re.VERBOSE,
)
_EMBEDDED = re.compile(r"\$\{\{((?:[^'}]|'(?:[^']|'')*'|\}(?!\}))*)\}\}")
_KEYWORDS = {"true": True, "false": False, "null": None}
STATUS_FUNCTIONS = ("success", "failure", "always", "cancelled")


class ExpressionError(Exception):
    """An expression that GitHub would not take, or that asks for what cannot be there."""


class Known(dict):
    """A context whose properties are all known: another one is a misspelling, not null."""


@dataclass(frozen=True)
class Scope:
    """What an expression may name. `status` answers success(), failure() and the like; None where they are barred."""

    contexts: dict
    status: dict | None = None

    def value(self, text):
        """Evaluate the inside of `${{ }}`."""
        return _Parser(text, self).parse()

    def render(self, value):
        """Evaluate what YAML gave. An expression alone keeps its type; one within a text becomes text."""
        match value:
            case str():
                return self._text(value)
            case list():
                return [self.render(each) for each in value]
            case dict():
                return {key: self.render(each) for key, each in value.items()}
            case _:
                return value

    def text(self, value):
        """Evaluate to a text, as `env` and `with` have it."""
        return as_text(self.render(value))

    def condition(self, value):
        """Evaluate an `if`. Without a function that asks for the status, success() is asked first."""
        if value is None:
            return bool(self.status["success"])
        text = str(value).strip() if not isinstance(value, bool) else str(value).lower()
        alone = _EMBEDDED.fullmatch(text)
        if "${{" in text and not alone:
            raise ExpressionError(f"an if that mixes text and expressions is always true: {text}")
        text = alone[1] if alone else text
        result = truthy(self.value(text))
        asks = any(re.search(rf"\b{name}\s*\(", _without_strings(text), re.IGNORECASE) for name in STATUS_FUNCTIONS)
        return result and (asks or bool(self.status["success"]))

    def _text(self, text):
        if alone := _EMBEDDED.fullmatch(text.strip()):
            return self.value(alone[1])
        rendered = _EMBEDDED.sub(lambda found: as_text(self.value(found[1])), text)
        if "${{" in _EMBEDDED.sub("", text):
            raise ExpressionError(f"not closed: {text}")
        return rendered


def embedded(text):
    """Give the inside of every expression in a text."""
    return [found[1].strip() for found in _EMBEDDED.finditer(text)]


def truthy(value):
    """Whether a value counts as true."""
    if isinstance(value, float) and math.isnan(value):
        return False
    return value not in (None, False, 0, "") if not isinstance(value, (dict, list)) else True


def as_text(value):
    """Make a text of a value, as GitHub does."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case list():
            return "Array"
        case dict():
            return "Object"
        case _:
            return str(value)


def _without_strings(text):
    return re.sub(r"'(?:[^']|'')*'", "''", text)


def _number(value):
    match value:
        case None:
            return 0.0
        case bool() | int() | float():
            return float(value)
        case str():
            text = value.strip()
            try:
                return float(int(text, 16)) if text.lower().startswith("0x") else float(text or 0)
            except ValueError:
                return math.nan
        case _:
            return math.nan


def _equal(left, right):
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() == right.lower()
    if isinstance(left, (dict, list)) or isinstance(right, (dict, list)):
        return left is right
    if left is None and right is None:
        return True
    return _number(left) == _number(right)


def _less(left, right):
    if isinstance(left, str) and isinstance(right, str):
        return left.lower() < right.lower()
    return _number(left) < _number(right)


def _contains(where, what):
    if isinstance(where, list):
        return any(_equal(each, what) for each in where)
    return as_text(what).lower() in as_text(where).lower()


def _format(pattern, *values):
    def one(found):
        if found[0] in ("{{", "}}"):
            return found[0][0]
        if not found[1].isdigit() or int(found[1]) >= len(values):
            raise ExpressionError(f"format: {found[0]} has no value")
        return as_text(values[int(found[1])])

    return re.sub(r"\{\{|\}\}|\{([^{}]*)\}", one, as_text(pattern))


def _from_json(text):
    try:
        return json.loads(as_text(text))
    except ValueError as error:
        raise ExpressionError(f"fromJSON: {error}: {text!r}") from error


_FUNCTIONS = {
    "contains": _contains,
    "startswith": lambda text, start: as_text(text).lower().startswith(as_text(start).lower()),
    "endswith": lambda text, end: as_text(text).lower().endswith(as_text(end).lower()),
    "format": _format,
    "join": lambda values, by=",": as_text(by).join(as_text(each) for each in values),
    "tojson": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
    "fromjson": _from_json,
}


@dataclass
class _Parser:
    text: str
    scope: Scope
    tokens: list = field(init=False)

    def __post_init__(self):
        self.tokens, position, text = [], 0, self.text.rstrip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if not found:
                raise ExpressionError(f"not understood from here: {text[position:]}")
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            position = found.end()
        self.tokens.append(("end", ""))

    def parse(self):
        value = self._or()
        if self.tokens[0][0] != "end":
            raise ExpressionError(f"one expression expected: {self.text}")
        return value

    def _take(self, *signs):
        kind, text = self.tokens[0]
        if kind == "sign" and text in signs:
            return self.tokens.pop(0)[1]
        return None

    def _need(self, sign):
        if not self._take(sign):
            raise ExpressionError(f"{sign} expected: {self.text}")

    # Both sides are always looked at, so that a mistake shows in each test; neither has an effect.

    def _or(self):
        value = self._and()
        while self._take("||"):
            other = self._and()
            value = value if truthy(value) else other
        return value

    def _and(self):
        value = self._equality()
        while self._take("&&"):
            other = self._equality()
            value = other if truthy(value) else value
        return value

    def _equality(self):
        value = self._comparison()
        while sign := self._take("==", "!="):
            value = _equal(value, self._comparison()) is (sign == "==")
        return value

    def _comparison(self):
        value = self._unary()
        while sign := self._take("<", "<=", ">", ">="):
            other = self._unary()
            less, equal = _less(value, other), _equal(value, other)
            more = _less(other, value)
            value = {"<": less, "<=": less or equal, ">": more, ">=": more or equal}[sign]
        return value

    def _unary(self):
        if self._take("!"):
            return not truthy(self._unary())
        return self._property(self._primary())

    def _primary(self):
        if self._take("("):
            value = self._or()
            self._need(")")
            return value
        kind, text = self.tokens.pop(0)
        match kind:
            case "number":
                return int(text, 16) if "x" in text else float(text)
            case "string":
                return text[1:-1].replace("''", "'")
            case "name" if text.lower() in _KEYWORDS:
                return _KEYWORDS[text.lower()]
            case "name" if self._take("("):
                return self._call(text, self._arguments())
            case "name":
                if text not in self.scope.contexts:
                    raise ExpressionError(f"the context {text} is not available here: {self.text.strip()}")
                return self.scope.contexts[text]
        raise ExpressionError(f"a value expected: {self.text}")

    def _arguments(self):
        values = []
        while not self._take(")"):
            if values:
                self._need(",")
            values.append(self._or())
        return values

    def _call(self, name, values):
        lower = name.lower()
        if lower in STATUS_FUNCTIONS:
            if self.scope.status is None or values:
                raise ExpressionError(f"{name}() is not available here: {self.text}")
            return self.scope.status[lower]
        if lower not in _FUNCTIONS:
            raise ExpressionError(f"the function {name} is not known: {self.text}")
        try:
            return _FUNCTIONS[lower](*values)
        except TypeError as error:
            raise ExpressionError(f"{name}: {error}") from error

    def _property(self, value):
        while True:
            if self._take("."):
                value = self._dereferenced(value, "*" if self._take("*") else self.tokens.pop(0)[1])
            elif self._take("["):
                key = "*" if self._take("*") else self._or()
                self._need("]")
                value = self._dereferenced(value, key)
            else:
                return value

    def _dereferenced(self, value, key):
        if key == "*":
            raise ExpressionError(f"object filters are not known here: {self.text}")
        if isinstance(value, list):
            index = _number(key)
            return value[int(index)] if 0 <= index < len(value) else None
        if not isinstance(value, dict):
            return None
        found = next((each for each in value if str(each).lower() == as_text(key).lower()), None)
        if found is None and isinstance(value, Known):
            raise ExpressionError(f"there is no {key}, only {', '.join(value)}: {self.text.strip()}")
        return None if found is None else value[found]
