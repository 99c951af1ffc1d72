"""The TLS certificate of the computes: a new one for every sandbox."""

import hashlib
import ssl
from dataclasses import dataclass

import trustme


@dataclass(frozen=True)
class Identity:
    """A certificate. `binding` is its hash, to which clients can bind their login (RFC 5929)."""

    context: ssl.SSLContext
    binding: bytes


def make_identity() -> Identity:
    """Make a self-issued certificate for loopback: clients can encrypt, but not verify it."""
    certificate = trustme.CA().issue_cert("localhost", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    encoded = ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())
    return Identity(context, hashlib.sha256(encoded).digest())  # RFC 5929: the hash of the signature, SHA-256
