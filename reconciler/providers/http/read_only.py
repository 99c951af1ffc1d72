"""An HTTP API that is only read from, until a moment at which whatever has no answer yet is given up."""

import asyncio
from typing import Any, Self

from reconciler.core.model.observed import Unknown
from reconciler.core.values.secret import Secret
from reconciler.errors import InputError, ProviderError, Unreachable
from reconciler.providers.http.client import Answer, Api, ApiPolicy, Explain, Look

_NOT_LET_IN = frozenset({401, 403, 404})


class ReadOnlyApi(Api):
    """An API that sends nothing but GET, and nothing after `until`, on the clock of the running loop.

    `absent` is why nothing can be asked at all. `refusal` is the first answer that did not let us in (401, 403), or
    not see what was asked for (404), where it is known what helps. `has_answered` tells whether anything was read.
    """

    def __init__(  # noqa: PLR0913  what an Api takes, and how long and whether at all it is asked
        self,
        name: str,
        base_url: str,
        token: Secret,
        explain: Explain,
        manners: ApiPolicy,
        *,
        until: float,
        absent: Unknown | None = None,
    ) -> None:
        super().__init__(name, base_url, token, explain, manners)
        self._until = until
        self._asked_name = name
        self._problems: dict[str, str] = {}
        self.has_answered = False
        self.absent = absent
        self.refusal: ProviderError | None = None

    @classmethod
    def opened(  # noqa: PLR0913  as above
        cls,
        name: str,
        base_url: str,
        token: Secret,
        explain: Explain,
        manners: ApiPolicy,
        *,
        until: float,
        absent: Unknown | None = None,
    ) -> Self:
        """Open it also where the token is none: then nothing is asked, and `absent` says why."""
        try:
            return cls(name, base_url, token, explain, manners, until=until, absent=absent)
        except InputError as error:
            problem = Unknown(error.message, error.hint)
            return cls(name, base_url, Secret(""), explain, manners, until=until, absent=problem)

    def ask_until(self, until: float) -> None:
        """Give up what has no answer by this moment, from now on."""
        self._until = until

    async def send(self, method: str, path: str, *, before_again: Look | None = None, **options: Any) -> Answer:
        """Send a GET. Raises ProviderError, also where there is no token or no time, or where it is no GET."""
        if method != "GET":
            raise ProviderError(f"{self._asked_name}: {method} {path} was not sent: here it is only read")
        if self.absent is not None:
            raise ProviderError(self.absent.reason, hint=self.absent.hint)
        try:
            async with asyncio.timeout_at(self._until):
                answer = await super().send(method, path, before_again=before_again, **options)
        except TimeoutError:
            late = f"{self._asked_name}: GET {path}: no answer came in time"
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
