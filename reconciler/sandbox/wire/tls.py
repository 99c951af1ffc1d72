"""The certificate by which the computes of a sandbox are reached with TLS: a new one for every sandbox."""

import hashlib
import ssl
from dataclasses import dataclass

import trustme


@dataclass(frozen=True)
class Identity:
    """A certificate in use. `binding` is its hash, to which a client can bind its login (RFC 5929)."""

    context: ssl.SSLContext
    binding: bytes


def make_identity() -> Identity:
    """Make a certificate for the loopback that nobody trusts: clients encrypt, and need not verify."""
    certificate = trustme.CA().issue_cert("localhost", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    encoded = ssl.PEM_cert_to_DER_cert(certificate.cert_chain_pems[0].bytes().decode())
    return Identity(context, hashlib.sha256(encoded).digest())  # it is signed with SHA-256, which the hash must follow
