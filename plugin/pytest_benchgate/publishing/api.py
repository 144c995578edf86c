"""A client of GitHub's REST API: pages, rate limits, retries; the token goes to the API's own address only.

https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api
"""

from __future__ import annotations

import http.client
import itertools
import json
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit
from urllib.request import Request

from pytest_benchgate.reports.quantity import line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from email.message import Message

# Attempts of a request, the seconds that one may take, and the longest that is waited before another.
ATTEMPTS, TIMEOUT_S, MOST_WAIT_S = 4, 30.0, 120.0
# Bytes of an answer, and pages of a list.
MOST_BYTES, MOST_PAGES = 2**25, 100
PER_PAGE = 100
NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="next"')
LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class ApiError(Exception):
    """GitHub refuses a request, or gives no usable answer.

    Attributes
    ----------
    status : int
        Of HTTP; 0 without an answer.
    may_be_done : bool
        Whether the request may have had its effect all the same.

    """

    def __init__(self, text: str, status: int = 0, *, may_be_done: bool = False) -> None:
        super().__init__(text)
        self.status, self.may_be_done = status, may_be_done


class _SameAddress(urllib.request.HTTPRedirectHandler):
    """Follows redirects within the API only: urllib would send the token anywhere."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            raise urllib.error.HTTPError(newurl, code, "redirected to another address", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@dataclass(frozen=True)
class _Answer:
    """An answer of the API."""

    status: int
    headers: Message
    content: bytes

    def wait_s(self, attempt: int, now_s: float) -> float | None:
        """Return how long to wait before the request is sent again; None if it would be in vain."""
        after = self.headers.get("retry-after", "")
        if after.isdigit():
            return float(after)
        if self.status in {403, 429} and self.headers.get("x-ratelimit-remaining") == "0":
            reset = self.headers.get("x-ratelimit-reset", "")
            return max(float(reset) - now_s, 0.0) + 1 if reset.isdigit() else 60.0
        if self.status == 429 or (self.status == 403 and b"secondary rate limit" in self.content):  # noqa: PLR2004
            return 60.0
        return 2.0**attempt if self.status >= 500 else None  # noqa: PLR2004

    def json(self) -> Any:
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError) as error:
            raise ApiError(f"GitHub's answer is not JSON ({line(str(error))})", self.status) from error

    def reason(self) -> str:
        """Return what GitHub says of a request that it has refused."""
        try:
            said = self.json()
        except ApiError:
            said = None
        said = said if isinstance(said, dict) else {}
        errors = said.get("errors")
        more = (
            [str(one.get("message", "")) for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
        )
        return line(": ".join(filter(None, [str(self.status), str(said.get("message", "")), ", ".join(more)])))


@dataclass(frozen=True)
class Api:
    """GitHub's REST API.

    Attributes
    ----------
    url : str
        Its address, as in GITHUB_API_URL.
    token : str
        Of the job.
    sleep, clock : callable
        Wait, and the seconds since 1970.

    """

    url: str
    token: str
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        scheme, host = urlsplit(self.url).scheme, urlsplit(self.url).hostname
        if scheme != "https" and not (scheme == "http" and host in LOOPBACK):
            raise ValueError(f"GITHUB_API_URL is {line(self.url)!r}; the token is sent to https:// only")
        if not self.token or not self.token.isascii() or not self.token.isprintable():
            raise ValueError("GITHUB_TOKEN is not set, or is no token; give it to this step alone: env: GITHUB_TOKEN")

    def pages(self, path: str, **query: str) -> Iterator[Any]:
        """Yield the items of a list, from all of its pages."""
        url: str | None = f"{self.url}{path}?{urlencode({**query, 'per_page': str(PER_PAGE)})}"
        for _ in range(MOST_PAGES):
            answer = self._send("GET", url or "")
            items = answer.json()
            if not isinstance(items, list):
                raise ApiError(f"{path}: GitHub's answer is not a list", answer.status)
            yield from items
            found = NEXT.search(answer.headers.get("link", ""))
            url = found[1] if found else None
            if url is None:
                return
            if urlsplit(url)[:2] != urlsplit(self.url)[:2]:
                raise ApiError(f"{path}: the next page is at another address: {line(url)}", answer.status)
        raise ApiError(f"{path}: has more than {MOST_PAGES} pages")

    def change(self, method: str, path: str, content: Mapping[str, Any]) -> Any:
        """Return the answer to a PATCH or a POST. Raises ApiError.

        A POST is not sent again where it may have had its effect.
        """
        return self._send(method, f"{self.url}{path}", json.dumps(content).encode()).json()

    def _send(self, method: str, url: str, data: bytes | None = None) -> _Answer:
        for attempt in itertools.count(1):
            try:
                answer = self._send_once(method, url, data)
                text, status, wait_s = answer.reason(), answer.status, answer.wait_s(attempt, self.clock())
            except (OSError, http.client.HTTPException) as error:
                answer, text, status, wait_s = None, line(str(error) or type(error).__name__), 0, 2.0**attempt
            if answer and 200 <= answer.status < 300:  # noqa: PLR2004
                return answer
            may_be_done = method == "POST" and (answer is None or answer.status >= 500)  # noqa: PLR2004
            failed = ApiError(f"{method} {urlsplit(url).path}: {text}", status, may_be_done=may_be_done)
            if wait_s is not None and wait_s > MOST_WAIT_S:
                raise ApiError(f"{failed}; GitHub asks to wait {wait_s:.0f} s, which is too long for a job", status)
            if wait_s is None or may_be_done or attempt == ATTEMPTS:
                raise failed
            self.sleep(wait_s)
        raise AssertionError  # of an endless loop

    def _send_once(self, method: str, url: str, data: bytes | None) -> _Answer:
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "User-Agent": "pytest-benchgate",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        # The scheme is checked.
        request = Request(url, data, headers, method=method)  # noqa: S310
        try:
            response = urllib.request.build_opener(_SameAddress).open(request, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            content = response.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ApiError(
                f"{method} {urlsplit(url).path}: the answer has more than {MOST_BYTES} bytes", response.status
            )
        return _Answer(response.status, response.headers, content)
