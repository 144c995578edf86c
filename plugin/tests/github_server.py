"""A server on 127.0.0.1 that behaves like the parts of GitHub's REST API that a comment on a pull request needs.

As documented: https://docs.github.com/rest/pulls/pulls, /rest/issues/comments, /rest/using-the-rest-api/pagination and
/rest/using-the-rest-api/rate-limits-for-the-rest-api.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "ghs_0123456789abcdef"  # noqa: S105
BOT = "github-actions[bot]"
REPOSITORY = "owner/fast"
MOST_CHARACTERS = 65_536
COMMENTS = re.compile(rf"/repos/{REPOSITORY}/issues/(\d+)/comments")
COMMENT = re.compile(rf"/repos/{REPOSITORY}/issues/comments/(\d+)")


@dataclass
class Refusal:
    """How the server answers in the place of what it would do.

    `done` is whether it does it all the same, `deletes` whether all comments are deleted meanwhile.
    """

    status: int
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    done: bool = False
    deletes: bool = False
    content: bytes | None = None


@dataclass
class GitHub:
    """The state of one repository, and what was asked of it.

    Attributes
    ----------
    pulls, comments : list of dict
        The pull requests, and the comments on any of them, oldest first.
    locked : set of int
        Pull requests that are locked.
    requests : list of str
        Each request's method and path, in their order.
    refusals : list of (pattern, Refusal)
        What happens to the next requests whose method and path match, one each.

    """

    url: str = ""
    pulls: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    locked: set[int] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    refusals: list[tuple[str, Refusal]] = field(default_factory=list)

    def open_pull(self, number: int, sha: str, label: str = "owner:change") -> None:
        self.pulls.append({"number": number, "state": "open", "head": {"sha": sha, "label": label}})

    def add_comment(self, number: int, body: str, author: str = BOT) -> dict[str, Any]:
        comment = {"id": 1000 + len(self.comments), "issue": number, "user": {"login": author}, "body": body}
        self.comments.append(comment)
        return comment

    def bodies(self, number: int, author: str = BOT) -> list[str]:
        return [one["body"] for one in self.comments if (one["issue"], one["user"]["login"]) == (number, author)]

    def refuse(self, pattern: str, *refusals: Refusal) -> None:
        self.refusals += [(pattern, refusal) for refusal in refusals]

    def answer(self, method: str, path: str, query: dict[str, str], content: Any) -> tuple[int, Any]:
        """Do what is asked; return the status and the answer."""
        if (method, path) == ("GET", f"/repos/{REPOSITORY}/pulls"):
            return 200, [
                one for one in self.pulls
                if one["state"] == query.get("state") and one["head"]["label"] == query.get("head")
            ]  # fmt: skip
        if found := COMMENTS.fullmatch(path):
            number = int(found[1])
            if number not in {one["number"] for one in self.pulls}:
                return 404, {"message": "Not Found"}
            if method == "GET":
                return 200, [one for one in self.comments if one["issue"] == number]
            if number in self.locked:
                return 403, {"message": "Unable to create comment because issue is locked."}
            return self._written(content) or (201, self.add_comment(number, content["body"]))
        if found := COMMENT.fullmatch(path):
            matching = [one for one in self.comments if one["id"] == int(found[1])]
            if not matching:
                return 404, {"message": "Not Found"}
            refused = self._written(content)
            if not refused:
                matching[0]["body"] = content["body"]
            return refused or (200, matching[0])
        return 404, {"message": "Not Found"}

    @staticmethod
    def _written(content: Any) -> tuple[int, Any] | None:
        if len(content["body"]) <= MOST_CHARACTERS:
            return None
        error = {"resource": "IssueComment", "message": "body is too long (maximum is 65536 characters)"}
        return 422, {"message": "Validation Failed", "errors": [error]}


class Handler(BaseHTTPRequestHandler):
    """Speaks HTTP for the state that its server has."""

    server: Server

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PATCH(self) -> None:
        self._handle()

    def log_message(self, *_: object) -> None:
        pass

    def _handle(self) -> None:
        github, url = self.server.github, urlsplit(self.path)
        request = f"{self.command} {url.path}"
        size = int(self.headers.get("content-length") or 0)
        content = json.loads(self.rfile.read(size)) if size else None
        github.requests.append(request)
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            self._send(401, {"message": "Bad credentials"})
            return
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        refusal = next((one for pattern, one in github.refusals if re.search(pattern, request)), None)
        if refusal is not None:
            github.refusals[:] = [entry for entry in github.refusals if entry[1] is not refusal]
            if refusal.deletes:
                github.comments.clear()
            if refusal.done:
                github.answer(self.command, url.path, query, content)
            if refusal.status:
                self._send(refusal.status, {"message": refusal.message}, refusal.headers, refusal.content)
            # Otherwise the connection ends without an answer.
            return
        status, answer = github.answer(self.command, url.path, query, content)
        headers = {}
        if isinstance(answer, list):
            page, per_page = int(query.get("page", 1)), int(query.get("per_page", 30))
            if per_page > 100:
                status, answer = 422, {"message": "per_page is too large"}
            elif len(answer) > page * per_page:
                following = urlencode({**query, "page": page + 1})
                headers["Link"] = f'<{github.url}{url.path}?{following}>; rel="next", <{github.url}/x>; rel="last"'
            if isinstance(answer, list):
                answer = answer[(page - 1) * per_page : page * per_page]
        self._send(status, answer, headers)

    def _send(
        self, status: int, answer: Any, headers: dict[str, str] | None = None, content: bytes | None = None
    ) -> None:
        content = json.dumps(answer).encode() if content is None else content
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """Serves one repository."""

    def server_bind(self) -> None:
        """Bind without the look-up of a name that HTTPServer makes, which takes a second."""
        TCPServer.server_bind(self)
        self.server_port = self.server_address[1]

    def __init__(self, github: GitHub) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.github = github
        github.url = f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving() -> Iterator[GitHub]:
    """Give a repository on GitHub, as long as the block lasts."""
    github = GitHub()
    with Server(github) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield github
        finally:
            server.shutdown()
            thread.join()
