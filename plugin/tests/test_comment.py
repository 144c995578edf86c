"""pytest-benchgate comment, against a server that behaves like GitHub's API: what it posts, where, and what it refuses."""

from __future__ import annotations

import argparse
import dataclasses
import html
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import pytest
from github_server import BOT, REPOSITORY, TOKEN, GitHub, Refusal, serving
from hostile import HOSTILE
from pytest_benchgate.publishing import api as api_module
from pytest_benchgate.publishing import command, received
from pytest_benchgate.publishing.api import Api, ApiError
from pytest_benchgate.publishing.comment import Finished, body
from pytest_benchgate.reports import race_json
from test_damage import RACE as DAMAGED
from test_damage import damaged, mutated
from test_reports import RACE, SLOWER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_benchgate.results import RaceReport

SHA, OTHER = "0123456789abcdef0123456789abcdef01234567", "f" * 40
FIRST = "<!-- pytest-benchgate: race -->"
WHOLE = dataclasses.replace(
    RACE, raced=tuple(dataclasses.replace(SLOWER, nodeid=f"t.py::{name}", name=name) for name in "abc")
)


def event(**changes: Any) -> dict[str, Any]:
    """Return an event of type workflow_run, as far as it is read."""
    run = {
        "id": 77, "event": "pull_request", "head_sha": SHA, "head_branch": "change", "conclusion": "failure",
        "head_repository": {"full_name": "someone/fast", "owner": {"login": "someone"}},
        # Empty for a fork's pull request.
        "pull_requests": [],
        **changes,
    }  # fmt: skip
    return {"action": "completed", "workflow_run": run}


Comment: TypeAlias = Callable[..., tuple[int, str]]
HandOver: TypeAlias = Callable[..., None]


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as served:
        served.open_pull(6, OTHER, "someone:change")
        served.open_pull(7, SHA, "someone:change")
        served.open_pull(8, SHA, "somebody:change")
        yield served


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give the seconds that were waited, none of which pass; it is 1000 s after 1970."""
    waited: list[float] = []
    make = Api

    def instant(url: str, token: str) -> Api:
        return make(url, token, sleep=waited.append, clock=lambda: 1000.0)

    monkeypatch.setattr(command, "Api", instant)
    return waited


@pytest.fixture
def comment(github: GitHub, tmp_path: Path, capsys: pytest.CaptureFixture[str], waits: list[float]) -> Comment:
    """Give comment(*options, event=, **environment) -> (exit status, what is printed)."""
    assert waits == []
    (tmp_path / "results").mkdir()

    def run(*options: str, event: Any = event(), **environment: str) -> tuple[int, str]:  # noqa: B008
        place = tmp_path / "event.json"
        place.write_text(json.dumps(event), "utf-8")
        parser = argparse.ArgumentParser()
        command.declare(parser.add_subparsers())
        status = command.run(
            parser.parse_args(["comment", str(tmp_path / "results"), *options]),
            {
                "GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": REPOSITORY,
                "GITHUB_EVENT_PATH": str(place), "GITHUB_SERVER_URL": "https://github.example", **environment,
            },
        )  # fmt: skip
        printed = capsys.readouterr()
        assert TOKEN not in printed.out + printed.err
        return status, printed.out + printed.err

    return run


@pytest.fixture
def hand_over(tmp_path: Path) -> Callable[..., None]:
    """Give hand_over(report, name="race-1.json"): what the untrusted job has uploaded."""

    def write(report: RaceReport | bytes, name: str = "race-1.json") -> None:
        (tmp_path / "results").mkdir(exist_ok=True)
        content = report if isinstance(report, bytes) else json.dumps(race_json.render(report, {})).encode()
        (tmp_path / "results" / name).write_bytes(content)

    return write


def test_a_comment_is_created_once_and_then_updated(github: GitHub, comment: Comment, hand_over: HandOver) -> None:
    github.add_comment(7, "I like it", "someone")
    hand_over(WHOLE)
    assert comment() == (0, "pytest-benchgate: the comment on #7 is created\n")
    (text,) = github.bodies(7)
    assert text.startswith(f"{FIRST}\n## Race\n\n3 slower")
    assert f"{SHA[:10]}, [the run](https://github.example/{REPOSITORY}/actions/runs/77)" in text
    assert comment() == (0, "pytest-benchgate: the comment on #7 is unchanged\n")
    hand_over(dataclasses.replace(WHOLE, raced=WHOLE.raced[:1]))
    assert comment() == (0, "pytest-benchgate: the comment on #7 is updated\n")
    (text,) = github.bodies(7)
    assert "1 slower" in text
    assert github.bodies(7, "someone") == ["I like it"]
    assert not github.bodies(6)
    assert not github.bodies(8)


def test_each_key_has_its_own_comment(github: GitHub, comment: Comment, hand_over: HandOver) -> None:
    hand_over(WHOLE)
    assert [comment(f"--key={key}")[0] for key in ("linux", "macos", "linux")] == [0, 0, 0]
    assert [text.splitlines()[0] for text in github.bodies(7)] == [
        f"<!-- pytest-benchgate: {key} -->" for key in ("linux", "macos")
    ]
    assert comment("--key=a --> b")[0] == 2


def test_the_comment_is_found_on_a_later_page(github: GitHub, comment: Comment, hand_over: HandOver) -> None:
    for number in range(250):
        github.add_comment(7, f"{number}", "someone")
    github.add_comment(7, f"{FIRST}\r\nold")
    for number in range(40):
        github.add_comment(7, f"{number}", "someone")
    hand_over(WHOLE)
    assert comment()[1].endswith("updated\n")
    assert len(github.bodies(7)) == 1
    assert github.requests.count(f"GET /repos/{REPOSITORY}/issues/7/comments") == 3


def test_nobody_else_s_comment_is_written_to(github: GitHub, comment: Comment, hand_over: HandOver) -> None:
    """Anybody can write the hidden line, and could change the comment later."""
    planted = github.add_comment(7, f"{FIRST}\nmine", "someone")
    github.add_comment(7, f"> {FIRST}\nquoted")
    hand_over(WHOLE)
    assert comment()[1].endswith("created\n")
    assert planted["body"] == f"{FIRST}\nmine"
    assert comment("--author=someone")[1].endswith("updated\n")
    assert planted["body"].startswith(f"{FIRST}\n## Race")


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"head_sha": "1" * 40}, 0, "no open pull request has the head 1111111111 (any more): nothing to comment on"),
        ({"head_branch": "gone&state=all"}, 0, "nothing to comment on"),
        ({"event": "push"}, 2, "the workflow ran for 'push', not for a pull_request"),
        ({"event": None}, 2, "the workflow ran for 'None'"),
        ({"head_sha": "main"}, 2, "the event names no commit or no run"),
        ({"head_sha": f"{SHA}\n"}, 2, "the event names no commit or no run"),
        ({"id": "7"}, 2, "the event names no commit or no run"),
        ({"head_repository": None}, 2, "the fork may have been deleted"),
        ({"head_branch": ""}, 2, "the fork may have been deleted"),
    ],
)
def test_only_the_pull_request_that_was_raced_gets_a_comment(
    github: GitHub, comment: Comment, hand_over: HandOver, changes: dict[str, Any], status: int, words: str
) -> None:
    hand_over(WHOLE)
    done, printed = comment(event=event(**changes))
    assert (done, words in printed) == (status, True), printed
    assert not any(one.startswith(("POST", "PATCH")) for one in github.requests)


def test_other_events_and_environments_are_refused(comment: Comment, hand_over: HandOver, github: GitHub) -> None:
    hand_over(WHOLE)
    assert "is not a workflow_run" in comment(event={"pull_request": {"number": 7}})[1]
    assert "is not a workflow_run" in comment(event=[])[1]
    for name, value, words in (
        ("GITHUB_REPOSITORY", "owner/fast/../../x", "not OWNER/NAME"),
        ("GITHUB_REPOSITORY", "", "not OWNER/NAME"),
        ("GITHUB_TOKEN", "", "GITHUB_TOKEN is not set"),
        ("GITHUB_TOKEN", "a\nb", "GITHUB_TOKEN is not set, or is no token"),
        ("GITHUB_API_URL", "http://api.github.com", "the token is sent to https:// only"),
        ("GITHUB_API_URL", "file:///etc", "the token is sent to https:// only"),
        ("GITHUB_EVENT_PATH", "/nonexistent", "GITHUB_EVENT_PATH: /nonexistent cannot be read"),
    ):
        status, printed = comment(**{name: value})
        assert (status, words in printed) == (2, True), printed
    assert github.requests == []


def test_a_branch_with_several_pull_requests(github: GitHub, comment: Comment, hand_over: HandOver) -> None:
    github.open_pull(9, SHA, "someone:change")
    hand_over(WHOLE)
    status, printed = comment()
    assert (status, "#7, #9 have the same head; say by --pull-request=N" in printed) == (2, True)
    assert comment("--pull-request=9")[0] == 0
    assert [len(github.bodies(number)) for number in (7, 9)] == [0, 1]


@pytest.mark.parametrize(
    ("pattern", "refusals", "waited"),
    [
        ("GET .*/pulls", [Refusal(502), Refusal(503)], [2.0, 4.0]),
        ("GET .*/comments", [Refusal(429, headers={"Retry-After": "7"})], [7.0]),
        ("GET .*/comments", [Refusal(0)], [2.0]),
        ("POST", [Refusal(403, "API rate limit exceeded", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1030"})], [31.0]),
        ("POST", [Refusal(403, "You have exceeded a secondary rate limit")], [60.0]),
        ("POST", [Refusal(429)], [60.0]),
        # Whether it was created is not known: the comments are looked through again.
        ("POST", [Refusal(500)], []),
        ("POST", [Refusal(500, done=True)], []),
        ("POST", [Refusal(0, done=True)], []),
    ],
)  # fmt: skip
def test_what_passes_is_tried_again(
    github: GitHub,
    comment: Comment,
    hand_over: HandOver,
    waits: list[float],
    pattern: str,
    refusals: list[Refusal],
    waited: list[float],
) -> None:
    github.refuse(pattern, *refusals)
    hand_over(WHOLE)
    status, printed = comment()
    assert status == 0, printed
    assert waits == waited
    assert github.refusals == []
    assert len(github.bodies(7)) == 1


def test_a_comment_that_is_deleted_meanwhile_is_created_anew(
    github: GitHub, comment: Comment, hand_over: HandOver
) -> None:
    github.add_comment(7, f"{FIRST}\nold")
    github.refuse("PATCH", Refusal(404, "Not Found", deletes=True))
    hand_over(WHOLE)
    assert comment()[1].endswith("created\n")
    assert len(github.bodies(7)) == 1


@pytest.mark.parametrize(
    ("pattern", "refusal", "times", "words"),
    [
        ("GET", Refusal(401, "Bad credentials"), 1, "401: Bad credentials"),
        ("GET .*/pulls", Refusal(404, "Not Found"), 1, "GET /repos/owner/fast/pulls: 404: Not Found"),
        ("POST", Refusal(403, "Resource not accessible by integration"), 1, "403: Resource not accessible by integration"),
        ("GET", Refusal(500, "x\x1b[31m\n::error::y"), 4, "500: x\\x1b[31m\\n::error::y"),
        ("GET", Refusal(200, content=b"<html>"), 1, "GitHub's answer is not JSON"),
        ("GET", Refusal(200, content=b"{}"), 1, "GitHub's answer is not a list"),
        ("GET", Refusal(200, content=b"[]", headers={"Link": '<http://127.0.0.2:9/x>; rel="next"'}), 1, "another address"),
        ("GET", Refusal(301, headers={"Location": "http://127.0.0.2:9/x"}), 1, "GET /repos/owner/fast/pulls: 301"),
        ("GET", Refusal(403, headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": "4600"}), 1, "asks to wait 3601 s"),
        ("GET", Refusal(429, headers={"Retry-After": "900"}), 1, "asks to wait 900 s"),
    ],
)  # fmt: skip
def test_what_github_refuses_is_an_error_with_its_reason(
    github: GitHub, comment: Comment, hand_over: HandOver, pattern: str, refusal: Refusal, times: int, words: str
) -> None:
    github.refuse(pattern, *(dataclasses.replace(refusal) for _ in range(times)))
    hand_over(WHOLE)
    status, printed = comment()
    assert (status, words in printed) == (1, True), printed
    assert len(printed.splitlines()) == 1
    assert github.refusals == []
    assert github.bodies(7) == []


def test_locked_and_too_long(github: GitHub, comment: Comment, hand_over: HandOver, waits: list[float]) -> None:
    github.locked.add(7)
    hand_over(WHOLE)
    assert "403: Unable to create comment because issue is locked." in comment()[1]
    with pytest.raises(ApiError, match=r"422: Validation Failed: body is too long"):
        Api(github.url, TOKEN).change("POST", f"/repos/{REPOSITORY}/issues/8/comments", {"body": "x" * 65_537})
    assert waits == []


def test_the_token_goes_to_the_api_only(github: GitHub) -> None:
    with serving() as other:
        github.refuse("GET", Refusal(302, headers={"Location": f"{other.url}/repos/{REPOSITORY}/pulls"}))
        with pytest.raises(ApiError, match="302"):
            [*Api(github.url, TOKEN).pages(f"/repos/{REPOSITORY}/pulls")]
        assert other.requests == []
    # A repository that was renamed.
    github.refuse("GET", Refusal(301, headers={"Location": f"{github.url}/repos/{REPOSITORY}/pulls?state=open&head=someone:change"}))  # fmt: skip
    assert len([*Api(github.url, TOKEN).pages("/repos/owner/old/pulls")]) == 2


def test_endless_answers_and_lists_end(github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "MOST_BYTES", 100)
    github.refuse("GET", Refusal(200, content=b" " * 101))
    with pytest.raises(ApiError, match="more than 100 bytes"):
        [*Api(github.url, TOKEN).pages("/x")]
    monkeypatch.setattr(api_module, "MOST_PAGES", 5)
    following = Refusal(200, content=b"[1]", headers={"Link": f'<{github.url}/x?page=1>; rel="next"'})
    github.refuse("GET", *(dataclasses.replace(following) for _ in range(9)))
    with pytest.raises(ApiError, match="more than 5 pages"):
        [*Api(github.url, TOKEN).pages("/x")]


RACED = json.dumps(race_json.render(WHOLE, {})).encode()


def link(place: Path) -> None:
    secret = place.parents[1] / "secret.json"
    secret.write_bytes(RACED)
    place.symlink_to(secret)


def too_many(place: Path) -> None:
    for number in range(received.MOST_FILES + 1):
        place.with_name(f"{number}.json").write_bytes(RACED)


def too_large(place: Path) -> None:
    with place.open("wb") as file:
        file.truncate(received.MOST_BYTES + 1)


def two_races(place: Path) -> None:
    place.write_bytes(RACED)
    place.with_name("race-2.json").write_bytes(RACED.replace(b"the working tree", b"another"))


# What the untrusted job's file may be in the place of a race.
REFUSED: dict[str, Callable[[Path], object]] = {
    "a link": link,
    "a folder": Path.mkdir,
    "a pipe": lambda place: os.mkfifo(place),  # noqa: PLW0108  # Windows has none
    "too many": too_many,
    "too large": too_large,
    "other JSON": lambda place: place.write_bytes(b'{"body": "## Race\\n\\n@everyone 1 faster"}'),
    "Markdown": lambda place: place.write_bytes(b"## Race\n\n@everyone 1 faster"),
    "two races": two_races,
    "nested": lambda place: place.write_bytes(b"[" * 100_000),
}


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("a link", "is not a regular file"),
        pytest.param("a pipe", "is not a regular file", marks=pytest.mark.skipif(os.name != "posix", reason="POSIX")),
        ("a folder", "is not a regular file"),
        ("too many", "has 257 JSON files; a race has at most 256"),
        ("too large", "have 33554433 bytes; a race has at most 33554432"),
        ("other JSON", "race-1.json is not a pytest-benchgate race of schema 1"),
        ("Markdown", "race-1.json is not valid JSON"),
        ("two races", "the files are not shards of one race: head: the working tree in file 1, another in file 2"),
        ("nested", "is nested too deeply"),
    ],
)
def test_what_is_handed_over_is_checked(
    github: GitHub, comment: Comment, tmp_path: Path, what: str, words: str
) -> None:
    REFUSED[what](tmp_path / "results" / "race-1.json")
    status, printed = comment()
    assert (status, words in printed) == (1, True), printed
    # The comment says that there are no results; nothing of the files is in it.
    (text,) = github.bodies(7)
    assert text.splitlines()[:4] == [FIRST, "## Race", "", "There are no results: see the run for what went wrong."]
    assert "everyone" not in text
    assert "secret" not in text


def test_no_results_and_parts_of_them(github: GitHub, comment: Comment, hand_over: HandOver, tmp_path: Path) -> None:
    assert comment()[0] == 0
    hand_over(b"", "race-2.json")
    assert comment()[0] == 0
    (text,) = github.bodies(7)
    assert "There are no results: see the run for what went wrong." in text
    hand_over(dataclasses.replace(WHOLE, shard=(1, 2)), "race-1.json")
    assert comment()[0] == 0
    (text,) = github.bodies(7)
    assert "- of 2 shards, these are missing: 2\n- race-2.json is empty: its race could not begin\n" in html.unescape(
        text
    )
    for path in (tmp_path / "results").iterdir():
        path.unlink()
    (tmp_path / "results").rmdir()
    assert comment()[0] == 1


def test_hostile_results_make_nothing_active_and_fit(github: GitHub, comment: Comment, hand_over: HandOver) -> None:
    fields = ("nodeid", "name", "path", "repeat", "side", "reason", "accepted")
    raced = [
        dataclasses.replace(SLOWER, verdict=verdict, **cast("Any", dict.fromkeys(fields, f"{name} {text}")))
        for verdict in ("slower", "error", "gone")
        for name, text in HOSTILE.items()
    ]
    notes = tuple(HOSTILE.values())
    for part in range(0, len(raced), 20):
        report = dataclasses.replace(
            RACE, base=notes[part % len(notes)], head=notes[-1], raced=tuple(raced[part : part + 20]), notes=notes
        )
        hand_over(report)
        assert comment()[0] == 0
        (text,) = github.bodies(7)
        assert text.count(FIRST) == 1
        assert text.count("<!--") == 1
        check(text)


# With more of what a race may have.
RELINKED = {
    **DAMAGED, "relinked": True, "claims": False,
    "raced": [{**one, "verdict": "unsure", "placements": [0.1], "instructions": None} for one in DAMAGED["raced"]],
}  # fmt: skip


@pytest.mark.parametrize("files", [300, pytest.param(1500, marks=pytest.mark.thorough)])
def test_no_damage_is_a_traceback_or_active(tmp_path: Path, files: int) -> None:
    run, draw = Finished(SHA, "someone", "change", "https://github.example/x"), random.Random(7)
    ends = {"read": 0, "refused": 0}
    for number in range(files):
        content = json.dumps(mutated(draw.choice([DAMAGED, RELINKED]), draw)).encode()
        (tmp_path / "race.json").write_bytes(damaged(content, draw) if number % 4 == 0 else content)
        try:
            text = body(*received.read(tmp_path), "race", run)
        except received.Invalid:
            ends["refused"] += 1
        else:
            check(text)
            assert len(text) < 65_536
            ends["read"] += 1
    assert min(ends.values()) > files / 20, ends


def test_a_comment_on_a_thousand_benchmarks_is_cut_and_taken(
    github: GitHub, comment: Comment, hand_over: HandOver
) -> None:
    raced = tuple(
        dataclasses.replace(SLOWER, nodeid=f"t.py::{number}", name=f"@{number}{'|' * 150}") for number in range(1000)
    )
    hand_over(dataclasses.replace(WHOLE, races=1000, raced=raced))
    assert comment()[0] == 0
    (text,) = github.bodies(7)
    assert 40_000 < len(text.encode()) < 65_536
    assert "lines are left out: GitHub limits the size." in text
    assert "[the run]" in text
    assert text.count("<details>") == text.count("</details>")


def check(text: str) -> None:
    """Assert that nothing in a comment is active that the plugin did not write itself."""
    assert not any(char in text for char in "\x00\x07\x08\x1b\x9b\r\u202e\u2066\u200b\ud800\x85\u2028")
    tags = {*re.findall(r"<[^>]*>?", text.replace(FIRST, ""))}
    own = {f"<{slash}{tag}>" for tag in ("code", "pre", "sub", "details", "summary") for slash in ("", "/")}
    assert tags <= own, tags - own
    outside = re.sub(r"<(code|pre)>.*?</\1>", "", text.replace(FIRST, ""), flags=re.DOTALL)
    outside = re.sub(r"\[the run\]\([^)]*\)", "", outside)
    assert "<code>" not in outside
    shown = re.sub(r"&#(\d+);", lambda found: chr(int(found[1])), outside)
    assert not re.search(r"@\w|#\d|GH-\d|://|www\.|\$|:\w+:", shown), shown
    # As written: an escape of each character that Markdown gives a meaning.
    written = re.sub(r"&#?\w+;", "", outside).replace("## Race", "")
    assert not re.search(r"[`\[\]~\\]", written), written


def test_the_check_of_hostile_results_can_fail() -> None:
    for text in ("<b>", "@everyone", "see #1", "`x`", "[a](b)", "https://e.vil", "\x1b", "<code>x", "&#64;all"):
        with pytest.raises(AssertionError):
            check(f"{FIRST}\n## Race\n{text}\n")
    check(f"{FIRST}\n## Race\n<code>&#64;all #1</code>\n")


def test_the_command_itself(github: GitHub, hand_over: HandOver, tmp_path: Path) -> None:
    hand_over(WHOLE)
    (tmp_path / "event.json").write_text(json.dumps(event()), "utf-8")
    environment = {
        **os.environ, "GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"), "NO_PROXY": "127.0.0.1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "pytest_benchgate.cli", "comment", str(tmp_path / "results")],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "pytest-benchgate: the comment on #7 is created\n", "")
    assert github.bodies(7, BOT)
