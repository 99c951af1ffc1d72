"""Ports for the computes of one sandbox, which stay theirs while nobody listens there.

A compute that is put back listens at the port that it had. In between another process might have been given it.
"""

import socket

_PORTS = 32


class ReservedPorts:
    """Has the computes take these ports, the first free one each, so that it is the same one every time.

    A port that something still `leads_to` is not free, though its compute is gone: at Neon no host comes a second time.
    """

    def __init__(self, computes, points_to):
        self._computes = computes
        self._points_to = points_to
        self._open = computes.open
        self._held = [_held() for _ in range(_PORTS)]
        computes.open = self._open_at

    async def _open_at(self, compute, idle_after, port=0):
        taken = self._points_to() | {each.port for each in self._computes._computes.values()}
        free = (held.getsockname()[1] for held in self._held)
        return await self._open(compute, idle_after, port or next(each for each in free if each not in taken))

    def close(self):
        for held in self._held:
            held.close()


def _held():
    """A socket that is bound and does not listen: who connects is refused, and who asks for any port gets another."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held
