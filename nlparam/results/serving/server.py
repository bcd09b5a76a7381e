"""The page of a result on the loopback address: one server, a token, no other host or origin."""

import http
import http.server
import json
import secrets
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nlparam.errors import ResultFolderError
from nlparam.results.serving.desk import Desk

HOST = "127.0.0.1"
# A request holds an edit or a mark.
_MOST_BYTES = 1_000_000
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@contextmanager
def serving(desk: Desk, *, port: int = 0) -> Iterator[str]:
    """Serves a desk on the loopback address while the block runs, and gives the address of its page.

    The address has a token in its path. Who does not know it, or comes with the name of another host or from another
    origin, is refused. Raises `ResultFolderError` if the port is taken; 0 takes one that is free.
    """
    token = secrets.token_urlsafe(24)
    try:
        server = _Server((HOST, port), desk, token)
    except OSError as error:
        raise ResultFolderError(f"port {port} cannot be served on ({error}): choose another --port") from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}/{token}/"
    finally:
        server.closed = True
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # Two servers on one port would share its requests.
    allow_reuse_port = False

    def __init__(self, address: tuple[str, int], desk: Desk, token: str):
        super().__init__(address, _Handler)
        # Connections that are open outlive the server, in threads of their own.
        self.desk, self.token, self.closed = desk, token, False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever left before the answer came, as a window that is closed, is no mistake."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] - the only kind that has this handler
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "nlparam", ""
    # A connection that says nothing goes.
    timeout = 60

    def do_GET(self) -> None:
        if (place := self._place()) is None:
            return
        if place == "":
            self._answer(http.HTTPStatus.OK, self.server.desk.html(), "text/html")
        else:
            self._refuse(http.HTTPStatus.NOT_FOUND, "there is nothing here: open the address that nlparam printed")

    def do_POST(self) -> None:
        if (place := self._place()) is None:
            return
        length = self.headers.get("Content-Length", "")
        if self.headers.get_content_type() != "application/json" or not (length.isascii() and length.isdigit()):
            self._refuse(http.HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected JSON of a given length")
        elif len(length) > len(str(_MOST_BYTES)) or int(length) > _MOST_BYTES:
            self._refuse(http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {_MOST_BYTES:,} bytes")
        elif not place.startswith("api/"):
            self._refuse(http.HTTPStatus.NOT_FOUND, "there is nothing here")
        else:
            try:
                given = json.loads(self.rfile.read(int(length)))
            except (ValueError, RecursionError):
                self._refuse(http.HTTPStatus.BAD_REQUEST, "expected JSON")
                return
            said = json.dumps(self.server.desk.call(place.removeprefix("api/"), given))
            self._answer(http.HTTPStatus.OK, said, "application/json")

    def _place(self) -> str | None:
        """What is asked for, behind the token; `None` if the request was refused."""
        if self.server.closed:
            self.close_connection = True
            return None
        port = self.server.server_address[1]
        own = {f"{name}:{port}" for name in (HOST, "localhost")}
        origin = self.headers.get("Origin")
        token, _, place = self.path.removeprefix("/").partition("/")
        # A page elsewhere may have had this address given the name of its own host.
        if self.headers.get("Host", "") not in own or (
            origin is not None and origin.removeprefix("http://") not in own
        ):
            self._refuse(http.HTTPStatus.FORBIDDEN, "this page is served to the address that nlparam printed only")
        elif not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self._refuse(http.HTTPStatus.FORBIDDEN, "the token in the address is wrong: open the one that was printed")
        else:
            return place.partition("?")[0]
        return None

    def _refuse(self, status: http.HTTPStatus, why: str) -> None:
        # The body of the request was not read: the next one cannot follow on this connection.
        self.close_connection = True
        self._answer(status, json.dumps({"error": why}), "application/json")

    def _answer(self, status: http.HTTPStatus, body: str, kind: str) -> None:
        data = body.encode("utf-8", errors="replace")
        self.send_response(status)
        for name, value in {**_HEADERS, "Content-Type": f"{kind}; charset=utf-8", "Content-Length": len(data)}.items():
            self.send_header(name, str(value))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the address has the token, and a terminal is no log."""
