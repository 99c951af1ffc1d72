"""What is only read from: nothing else is sent, and nothing where there is no token."""

import asyncio

import pytest

from reconciler.core.model.observed import Unknown
from reconciler.core.values.secret import Secret
from reconciler.errors import ProviderError
from reconciler.providers.http.client import ApiPolicy
from reconciler.providers.http.read_only import ReadOnlyApi
from reconciler.providers.neon.access import explain


def sent(web, method, absent=None):
    """What is said of a request of this method."""

    async def ask():
        until = asyncio.get_running_loop().time() + 30
        policy = ApiPolicy("Neon", explain)
        api = ReadOnlyApi(policy, web.url, Secret("napi_of_a_reader"), until=until, absent=absent)
        try:
            await api.send(method, "/projects")
        finally:
            await api.close()

    with pytest.raises(ProviderError) as refused:
        asyncio.run(ask())
    assert web.asked == []
    return refused.value


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_a_write_is_never_sent(web, method):
    assert sent(web, method).message == f"Neon: {method} /projects was not sent: here it is only read"


def test_without_a_token_nothing_is_asked(web):
    error = sent(web, "GET", Unknown("no key", "make one"))
    assert (error.message, error.hint) == ("no key", "make one")
