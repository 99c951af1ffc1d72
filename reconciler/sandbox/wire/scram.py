"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677): both sides of the exchange, without input or output.

A server needs no password, only the verifier that PostgreSQL stores in `pg_authid`. The exchange reveals the client's
key to the server, which can use it to log in elsewhere on the client's behalf.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass

PLAIN = "SCRAM-SHA-256"
PLUS = "SCRAM-SHA-256-PLUS"
_BINDING, _UNBOUND = "p=tls-server-end-point,,", "n,,"
_ITERATIONS = 4096


class ScramError(Exception):
    """The other side broke the exchange, or did not prove that it knows the password."""


@dataclass(frozen=True)
class Verifier:
    """The password verifier that a server stores (PostgreSQL: pg_authid.rolpassword)."""

    iterations: int
    salt: str
    stored_key: bytes
    server_key: bytes

    @classmethod
    def parse(cls, text: str | None) -> "Verifier":
        """Read PostgreSQL's format; without a valid one, return a verifier that no password fits."""
        try:
            _, count_and_salt, keys = (text or "").split("$")
            count, salt = count_and_salt.split(":")
            stored, server = (base64.b64decode(key, validate=True) for key in keys.split(":"))
            return cls(int(count), salt, stored, server)
        except ValueError:
            salt = base64.b64encode(secrets.token_bytes(16)).decode()
            return cls(_ITERATIONS, salt, secrets.token_bytes(32), secrets.token_bytes(32))


def make_verifier(password: str) -> str:
    """Return the verifier of a password in PostgreSQL's format."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored, server = hashlib.sha256(_mac(salted, "Client Key")).digest(), _mac(salted, "Server Key")
    written = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(_ITERATIONS, *written)


class ServerSide:
    """An exchange as the server: `first`, then `final`.

    `binding` is the hash of the certificate to which the client must bind its login; None for no binding.
    """

    def __init__(self, verifier: Verifier, binding: bytes | None) -> None:
        self._verifier = verifier
        self._header = _UNBOUND if binding is None else _BINDING
        self._binding = base64.b64encode(self._header.encode() + (binding or b"")).decode()
        self._messages: list[str] = []
        self._nonce = ""

    def first(self, client_first: str) -> str:
        """Answer the client's first message. Raises ScramError."""
        if not client_first.startswith(self._header):
            raise ScramError(f"the client does not begin with {self._header!r}")
        bare = client_first.removeprefix(self._header)
        self._nonce = _attributes(bare)["r"] + secrets.token_urlsafe(18)
        answer = f"r={self._nonce},s={self._verifier.salt},i={self._verifier.iterations}"
        self._messages = [bare, answer]
        return answer

    def final(self, client_final: str) -> tuple[bytes, str]:
        """Check the proof; return the client's key and the answer to its final message. Raises ScramError."""
        without_proof, _, _ = client_final.rpartition(",p=")
        fields = _attributes(client_final)
        if fields["c"] != self._binding or fields["r"] != self._nonce:
            raise ScramError("the client is bound to another channel")
        said = ",".join([*self._messages, without_proof])
        key = _xor(_decoded(fields["p"]), _mac(self._verifier.stored_key, said))
        if not hmac.compare_digest(hashlib.sha256(key).digest(), self._verifier.stored_key):
            raise ScramError("the proof does not fit")
        return key, "v=" + base64.b64encode(_mac(self._verifier.server_key, said)).decode()


class ClientSide:
    """An exchange as a client that knows the key, without channel binding: `first`, then `final`."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._bare = f"n=,r={secrets.token_urlsafe(18)}"

    def first(self) -> str:
        """Return the first message."""
        return f"n,,{self._bare}"

    def final(self, server_first: str) -> str:
        """Return the final message. Raises ScramError."""
        without_proof = f"c=biws,r={_attributes(server_first)['r']}"
        said = ",".join([self._bare, server_first, without_proof])
        proof = _xor(self._key, _mac(hashlib.sha256(self._key).digest(), said))
        return f"{without_proof},p={base64.b64encode(proof).decode()}"


def _attributes(message: str) -> dict[str, str]:
    """Read `a=…,b=…`; reading a missing value raises ScramError."""
    return _Attributes(part.split("=", 1) for part in message.split(",") if "=" in part)


class _Attributes(dict[str, str]):
    def __missing__(self, name: str) -> str:
        raise ScramError(f"the message has no attribute {name}")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ScramError("the proof is not base64") from None


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _xor(left: bytes, right: bytes) -> bytes:
    if len(left) != len(right):
        raise ScramError("the proof has another length")
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
