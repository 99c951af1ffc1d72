"""A web server on loopback that answers what a test wants, and remembers what it was asked."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class WebServer:
    """Stands where the Worker's route would. `status` and `body` may be changed at any time."""

    def __init__(self):
        self.status, self.body = 200, "healthy"
        self.asked = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                web.asked.append({name.lower(): value for name, value in self.headers.items()})
                content = web.body.encode()
                self.send_response(web.status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}/health"

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
