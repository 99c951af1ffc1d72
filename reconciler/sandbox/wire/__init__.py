"""PostgreSQL's wire protocol, as far as the ports of the sandbox speak it.

messages   one message, the first packet of a client, and errors
streams    the two directions of a connection, and passing bytes between two connections
login      TLS and the login of a client at a compute's port
scram      SCRAM-SHA-256, both sides, without input or output
tls        the certificate of a sandbox
"""
