"""What is noted in the name of a compute; a fence above all, which is a branch whose database takes no writes.

The setting itself is seen only by logging in, which wakes a compute and takes seconds. So the name of the branch's
read-write compute says it too, in front of the name that its owner gave it: what every look reads anyway.

Source: Neon's API description, EndpointUpdateRequest: a name has 1 to 64 characters, so it can't be taken away again.
"""

from reconciler.core.model.observed import Endpoint

_MARK = "fenced by reconciler"
_LONGEST_NAME = 64
_NOTE = "the primary was protected, by reconciler"


def is_marked(name: str) -> bool:
    """Whether the name of a compute says that a fence was begun."""
    return name == _MARK or name.startswith(f"{_MARK}: ")


def marked(endpoint: Endpoint) -> str:
    """Return the compute's name with the mark. Of more than 42 characters of its own, the rest is lost."""
    if is_marked(endpoint.name):
        return endpoint.name
    if endpoint.name in ("", endpoint.id):
        return _MARK
    return f"{_MARK}: {endpoint.name}"[:_LONGEST_NAME]


def unmarked(endpoint: Endpoint) -> str:
    """Return the name that its owner gave the compute; its id where it had none, as no name can't be set."""
    return endpoint.name.removeprefix(_MARK).removeprefix(": ") or endpoint.id


def noted(_endpoint: Endpoint) -> str:
    """Return the name of a candidate's compute, which is ours, that says that the primary has to be protected again.

    Annotations can't be added later, so this is where it is said of a candidate that was made before.
    """
    return _NOTE


def is_noted(name: str) -> bool:
    """Whether the name of a candidate's compute says that."""
    return name == _NOTE
