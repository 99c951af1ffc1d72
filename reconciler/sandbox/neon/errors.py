"""Refusals, with Neon's statuses and messages where these are public (API description: GeneralError)."""


class NeonError(Exception):
    """A refusal. Rendered as `{request_id, code, message}`; `code` is empty for most, as at Neon."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


def malformed(message: str) -> NeonError:
    """400: the body or the query does not fit the API description."""
    return NeonError(400, message)


def not_found(what: str) -> NeonError:
    """404: absent, or outside the scope of the key."""
    return NeonError(404, f"{what} not found")


def role_not_found(role: str, branch: str) -> NeonError:
    """404, in the words of connection_uri and of the role's own paths."""
    return NeonError(404, f'role not found for branch; role_name:"{role}", branch_id:"{branch}"')


def busy() -> NeonError:
    """423: an operation of the project has not ended. Always safe to repeat."""
    return NeonError(423, "project already has running conflicting operations, scheduling of new ones is prohibited")


def already_exists(what: str) -> NeonError:
    """409: a role, a database or a compute of that name is there."""
    return NeonError(409, f"{what} already exists")


def refused(message: str, code: str = "") -> NeonError:
    """422: the request is well formed, and the state of things forbids it."""
    return NeonError(422, message, code)
