"""Stands in for `wrangler versions upload`: it asks for the versions, uploads one, and builds nothing.

The real one takes seconds, and has tests of its own. Bare sockets, as any import would cost more than all the rest.
"""

import os
import re
import socket
import sys


def _options(arguments):
    return dict(each.removeprefix("--").split("=", 1) for each in arguments if each.startswith("--"))


def _ask(method, path, body=b"", kind="application/json"):
    base = os.environ["CLOUDFLARE_API_BASE_URL"]
    host, port, prefix = re.fullmatch(r"http://([^:]+):(\d+)(/.*)", base).groups()
    path = f"{prefix}/accounts/{os.environ['CLOUDFLARE_ACCOUNT_ID']}{path}"
    head = (
        f"{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        f"Authorization: Bearer {os.environ['CLOUDFLARE_API_TOKEN']}\r\nUser-Agent: wrangler/4\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + body)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    status = answer.split(b" ", 2)[1:2]
    if status != [b"200"] or not answer.rstrip().endswith(b"}"):
        sys.exit(f"{method} {path}: {answer[:200]!r}")


def main():
    arguments = sys.argv[1:]
    options = _options(arguments)
    with open(arguments[arguments.index("-c") + 1], encoding="utf-8") as file:  # noqa: PTH123  pathlib is an import
        text = file.read()
    name = re.search(r'"name": "([^"]*)"', text)[1]
    config = re.search(r'"id": "([^"]*)"', text)[1]
    _ask("GET", f"/workers/scripts/{name}/versions")
    metadata = (
        '{"main_module": "index.js", "compatibility_date": "2025-09-01", "bindings": '
        f'[{{"name": "HYPERDRIVE", "type": "hyperdrive", "id": "{config}"}}], '
        f'"annotations": {{"workers/message": "{options["message"]}", "workers/tag": "{options["tag"]}"}}}}'
    )
    parts = [
        ('name="metadata"', "application/json", metadata),
        ('name="index.js"; filename="index.js"', "application/javascript+module", "export default {}"),
    ]
    body = "".join(
        f"--b\r\nContent-Disposition: form-data; {head}\r\nContent-Type: {kind}\r\n\r\n{content}\r\n"
        for head, kind, content in parts
    )
    _ask("POST", f"/workers/scripts/{name}/versions", (body + "--b--\r\n").encode(), "multipart/form-data; boundary=b")


if __name__ == "__main__":
    main()
