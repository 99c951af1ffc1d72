"""A provider on loopback that answers whatever a test wants, to any method, byte for byte."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Reply:
    """An answer. A `body` that is no bytes is sent as JSON; `pieces` are sent one after another, without a length."""

    status: int = 200
    body: object = b""
    kind: str = "application/json"
    headers: dict = field(default_factory=dict)
    pieces: object = None

    @property
    def content(self):
        # Lone surrogates are escaped by JSON, and so are what a client reads.
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Answers:
    """`reply` is called with the method and the path (with its query), and returns a Reply."""

    def __init__(self):
        self.reply = lambda *_: Reply()
        self.sent = 0
        """How many bytes of bodies could be sent before the client went away."""
        answers = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                reply = answers.reply(self.command, self.path)
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.kind)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.pieces is None:
                    self.send_header("Content-Length", str(len(reply.content)))
                else:
                    self.send_header("Connection", "close")
                    self.close_connection = True
                self.end_headers()
                try:
                    for piece in reply.pieces if reply.pieces is not None else (reply.content,):
                        self.wfile.write(piece)
                        answers.sent += len(piece)
                except ConnectionError:
                    self.close_connection = True

            def __getattr__(self, name):
                if name.startswith("do_"):
                    return self.answer
                raise AttributeError(name)

            def log_message(self, *arguments):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
