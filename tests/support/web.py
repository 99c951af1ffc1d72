"""A web server on loopback that answers what a test wants, and remembers what it was asked."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class WebServer:
    """Stands where the Worker's route would. `status` and `body` may be changed at any time.

    `live_status` is the status for who does not ask for a version, where it is another; `on_live` is called first
    for the first of them. `seconds` is how long every answer takes. `kind` is the content type, where one is said.
    """

    def __init__(self):
        self.status, self.body, self.kind = 200, "healthy", ""
        self.live_status, self.on_live, self.seconds = None, None, 0
        self.asked = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                headers = {name.lower(): value for name, value in self.headers.items()}
                is_live = "cloudflare-workers-version-overrides" not in headers
                if is_live and web.on_live is not None:
                    first, web.on_live = web.on_live, None
                    first()
                web.asked.append(headers)
                time.sleep(web.seconds)
                content = web.body.encode()
                self.send_response(web.live_status if is_live and web.live_status else web.status)
                if web.kind:
                    self.send_header("Content-Type", web.kind)
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
