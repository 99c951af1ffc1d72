"""An HTTP API that is only read from, and only until a deadline."""

import asyncio
from typing import Any

from reconciler.core.model.observed import Unknown
from reconciler.core.values.secret import Secret
from reconciler.errors import InputError, ProviderError, Unreachable
from reconciler.providers.http.client import Answer, Api, ApiPolicy, BeforeRetry

_NOT_LET_IN = frozenset({401, 403, 404})


class ReadOnlyApi(Api):
    """An API that sends only GET requests, and none after `until`, a time on the running loop's clock.

    `absent` says why nothing can be requested at all; a token that no header can carry is such a reason. `refusal` is
    the first 401, 403 or 404 for which there is advice. `has_answered` is true once anything was read.
    """

    def __init__(
        self, policy: ApiPolicy, base_url: str, token: Secret, *, until: float, absent: Unknown | None = None
    ) -> None:
        try:
            super().__init__(policy, base_url, token)
        except InputError as error:
            absent = Unknown(error.message, error.hint)
            super().__init__(policy, base_url, Secret(""))
        self._until = until
        self._problems: dict[str, str] = {}
        self.has_answered = False
        self.absent = absent
        self.refusal: ProviderError | None = None

    def ask_until(self, until: float) -> None:
        """Change the deadline."""
        self._until = until

    async def send(self, method: str, path: str, *, before_retry: BeforeRetry | None = None, **options: Any) -> Answer:
        """Send a GET. Raises ProviderError, also for another method, without a token, or after the deadline."""
        name = self._policy.name
        if method != "GET":
            raise ProviderError(f"{name}: {method} {path} was not sent: here it is only read")
        if self.absent is not None:
            raise ProviderError(self.absent.reason, hint=self.absent.hint)
        try:
            async with asyncio.timeout_at(self._until):
                answer = await super().send(method, path, before_retry=before_retry, **options)
        except TimeoutError:
            late = f"{name}: GET {path}: no answer came in time"
            raise Unreachable(self._problems.get(path, late)) from None
        except ProviderError as error:
            if error.status in _NOT_LET_IN and error.hint and self.refusal is None:
                self.refusal = error
            raise
        self.has_answered = True
        return answer

    async def _once(self, method: str, path: str, options: dict[str, Any]) -> Answer:
        try:
            return await super()._once(method, path, options)
        except Exception as error:
            self._problems[path] = str(error)
            raise
