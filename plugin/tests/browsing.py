"""Pages in a real browser: Chromium of the system, driven by Playwright, with what it complains of and asks for."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Dialog, Page

# Pixels.
WIDTHS = (360, 1600)
# What lies beyond the window, but for what scrolls in a region of its own, and words of a drawing on top of each other.
BEYOND = """() => {
    const found = [];
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth > width) found.push(`the page is ${document.documentElement.scrollWidth}`);
    for (const one of document.querySelectorAll("body *")) {
        const box = one.getBoundingClientRect();
        const isHidden = !box.width || one.matches(".skip, .tools label") || one.closest("[tabindex='0'][role=region]");
        if (!isHidden && (box.right > width + 1 || box.left < -1)) found.push(`${one.outerHTML.slice(0, 120)} at ${box.left}..${box.right}`);
    }
    return found;
}"""
OVERLAPPING = """() => {
    const found = [];
    for (const drawing of document.querySelectorAll(".plot > svg, svg.axis")) {
        const boxes = [...drawing.querySelectorAll("text")].map((one) => [one.textContent, one.getBoundingClientRect()])
            .filter(([, box]) => box.width);
        for (const [index, [words, a]] of boxes.entries()) for (const [other, b] of boxes.slice(index + 1)) {
            const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (across > 1 && down > 7) found.push(`${words} | ${other}`);
        }
    }
    return found;
}"""
# What should have a size, but has none.
INVISIBLE = """() => [...document.querySelectorAll(
    "h1, h2, h3, th, td:not(:empty), figure, .plot > svg, tbody svg, article, pre, .legend li, nav a, button")]
    .filter((one) => !one.closest("details:not([open])") && !one.matches("td:has(> :empty:only-child)"))
    .filter((one) => !one.closest(".facts thead")
        && !(one.getBoundingClientRect().width && one.getBoundingClientRect().height))
    .map((one) => one.outerHTML.slice(0, 120))"""


@dataclass
class Opened:
    """A page that is open, the messages on its console, and the addresses that it has asked for besides its own."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Assert that all of it is visible, nothing lies beyond the window, and that nothing happens that should not."""
        assert self.page.evaluate(BEYOND) == []
        assert self.page.evaluate(OVERLAPPING) == []
        assert self.page.evaluate(INVISIBLE) == []
        assert self.complaints == []
        assert self.requests == []

    def findings(self) -> list[str]:
        """Return what axe-core finds serious or critical."""
        self.page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
        found: dict[str, Any] = self.page.evaluate("axe.run({resultTypes: ['violations']})")
        return [
            f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for one in found["violations"]
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"][:3]
        ]

    def rows(self, kind: str, cell: int) -> list[str]:
        """Return the text of a cell of each row that is shown in the first table of a kind."""
        shown = self.page.locator(f"table.{kind}").first.locator("tbody tr:not([hidden])")
        return [str(text) for text in shown.evaluate_all(f"rows => rows.map(row => row.cells[{cell}].textContent)")]


@contextmanager
def opened(browser: Browser, path: Path, width: int = 1600, **options: Any) -> Iterator[Opened]:
    """Open a file in a window of this width."""
    context = browser.new_context(viewport={"width": width, "height": 1000}, **options)
    page = context.new_page()
    found = Opened(page)
    page.on("console", lambda message: found.complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))

    def dismiss(dialog: Dialog) -> None:
        found.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.on("request", lambda request: found.requests.append(request.url))
    page.goto(path.as_uri())
    found.requests.remove(path.as_uri())
    yield found
    context.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser; skip where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    pytest.importorskip("axe_playwright_python", reason="axe-core is not installed")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as started:
        # Its sandbox needs privileges that root in a container lacks.
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()
