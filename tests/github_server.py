"""A server on this machine that answers as GitHub's REST API does, and keeps what was asked."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class GitHub(ThreadingHTTPServer):
    """Keeps what was asked and answers what a test tells it to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked = []
        self.answers = {}
        self.pulls = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PATCH = do_GET  # noqa: N815

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        path, _, query = self.path.partition("?")
        self.server.asked.append((self.command, path, query, self.headers["Authorization"], body))
        status, data, headers = self._found(path, body)
        text = json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _found(self, path, body):
        base = f"{self.server.url}/repos/acme/shop"
        if (self.command, path) in self.server.answers:
            return self.server.answers[self.command, path]
        if path == "/repos/acme/shop":
            data = {"default_branch": "main", "owner": {"login": "acme"}, "url": base}
            return 200, data, {}
        if path == "/repos/acme/shop/pulls" and self.command == "GET":
            return 200, self.server.pulls, {}
        if path == "/repos/acme/shop/pulls":
            return 201, pull(self.server, 7), {}
        return 200, pull(self.server, 5), {}

    def log_message(self, *_: object) -> None:
        pass


def pull(server, number):
    return {
        "number": number,
        "html_url": f"https://github.com/acme/shop/pull/{number}",
        "url": f"{server.url}/repos/acme/shop/pulls/{number}",
    }
