"""The pictures of the pages, as SVG: text stays text, and each has its own background, readable in light and dark."""

from __future__ import annotations

import html
import math
import random
from dataclasses import dataclass, field

from pytest_benchgate.race.statistics import Rule
from pytest_benchgate.race.statistics import evidence as e_process

STYLE = """\
.back { fill: #ffffff } .text { fill: #1f2328 } .dim { fill: #59636e } .line { stroke: #59636e } .base { fill: #0969da }
.head { fill: #bc4c00 } .start { fill: #d1d9e0 } .box { fill: #f6f8fa; stroke: #d1d9e0 }
.one { stroke: #0969da } .two { stroke: #bc4c00 } .three { stroke: #1a7f37 }
.one-text { fill: #0969da } .two-text { fill: #bc4c00 } .three-text { fill: #1a7f37 }
@media (prefers-color-scheme: dark) {
.back { fill: #0d1117 } .text { fill: #f0f6fc } .dim { fill: #9198a1 } .line { stroke: #9198a1 } .base { fill: #4493f8 }
.head { fill: #f0883e } .start { fill: #3d444d } .box { fill: #151b23; stroke: #3d444d }
.one { stroke: #4493f8 } .two { stroke: #f0883e } .three { stroke: #3fb950 }
.one-text { fill: #4493f8 } .two-text { fill: #f0883e } .three-text { fill: #3fb950 }
}"""
ARROW = (
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path class="dim" d="M0,0 L8,4 L0,8 z"/></marker></defs>'
)
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"


@dataclass
class Drawing:
    """An SVG of this size in pixels, described in words for those who cannot see it."""

    width: int
    height: int
    description: str
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, words: str, kind: str = "text", anchor: str = "start", size: int = 13) -> None:
        """Write words; y is the baseline."""
        where = f'x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}"'
        self.parts.append(f'<text class="{kind}" {where}>{html.escape(words)}</text>')

    def box(self, x: float, y: float, width: float, height: float, kind: str = "box", corner: float = 3) -> None:
        """Draw a rectangle."""
        size = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{corner:g}"'
        self.parts.append(f'<rect class="{kind}" {size}/>')

    def line(
        self, points: list[tuple[float, float]], kind: str = "line", *, dashed: bool = False, arrow: bool = False
    ) -> None:
        """Draw a line through points."""
        more = (' stroke-dasharray="4 4"' if dashed else "") + (' marker-end="url(#arrow)"' if arrow else "")
        path = " ".join(f"{x:.4g},{y:.4g}" for x, y in points)
        self.parts.append(f'<polyline class="{kind}" fill="none" stroke-width="1.5" points="{path}"{more}/>')

    def finish(self) -> str:
        """Return the file's text."""
        size = f'width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{FONT}">',
                f"<title>{html.escape(self.description)}</title>",
                f"<style>\n{STYLE}\n</style>",
                ARROW,
                f'<rect class="back" width="{self.width}" height="{self.height}" rx="6"/>',
                *self.parts,
                "</svg>\n",
            ]
        )


def race() -> str:
    """Return the picture of a race: its launches, their pairs, and what becomes of their numbers."""
    drawing = Drawing(
        780, 400,
        "Each launch starts a worker for base and one for head, times pairs of blocks in random order, and gives one "
        "number. The numbers add to the evidence, and launches go on until it suffices.",
    )  # fmt: skip
    rng = random.Random(3)
    for launch in range(2):
        top = 18 + 146 * launch
        drawing.box(14, top, 752, 130)
        drawing.text(28, top + 22, f"launch {launch + 1}")
        drawing.text(98, top + 22, "new processes, new seeds (equal on both sides), one processor", "dim")
        lanes = {"base": top + 40, "head": top + 72}
        begin = dict(zip(lanes, rng.sample([84, 98], 2), strict=True))
        for side, y in lanes.items():
            drawing.text(28, y + 16, side, "text")
            drawing.box(begin[side], y, 116, 22, "start")
            drawing.text(begin[side] + 58, y + 15, "start, fixtures", "text", "middle", 11)
        x = 226
        for pair in range(7):
            left = x
            for side in rng.sample([*lanes], 2):
                drawing.box(x, lanes[side], 20, 22, side)
                x += 21
            if pair < 2:
                drawing.line([(left, top + 102), (left, top + 106), (x - 2, top + 106), (x - 2, top + 102)])
                drawing.text((left + x) / 2, top + 121, f"pair {pair + 1}", "dim", "middle", 11)
            x += 5
        drawing.text(x + 2, top + 72, "...", "dim")
        drawing.line([(x + 22, top + 67), (x + 44, top + 67)], arrow=True)
        drawing.text(x + 50, top + 62, "one number", size=12)
        drawing.text(x + 50, top + 80, "ln(head / base)", "dim", size=11)
    drawing.box(14, 310, 752, 76)
    drawing.text(28, 332, "after each launch")
    drawing.text(150, 332, "the evidence of each benchmark is updated, from its number alone", "dim")
    drawing.text(28, 356, "enough evidence:")
    drawing.text(150, 356, "slower, faster or same: reported at once, and not launched again", "dim")
    drawing.text(28, 376, "not yet:")
    drawing.text(150, 376, "another launch, until the budget is spent (unsure)", "dim")
    return drawing.finish()


def evidence() -> str:
    """Return the picture of the evidence over the launches, of simulated races of a suite of five benchmarks."""
    rule, launches = Rule(races=5), 20
    drawing = Drawing(
        780, 330,
        "The evidence for slower over the launches, on a logarithmic scale: for equal builds it falls, for one that is "
        "10 percent slower it passes the line of the alarm at 5000 after 14 launches.",
    )  # fmt: skip
    left, right, top, bottom = 70, 600, 24, 280
    low, high = -3.0, 5.0

    def place(launch: int, value: float) -> tuple[float, float]:
        share = (min(max(math.log10(value), low), high) - low) / (high - low)
        return left + (right - left) * launch / launches, bottom - (bottom - top) * share

    for power in range(int(low), int(high) + 1):
        _, y = place(0, 10.0**power)
        drawing.text(left - 10, y + 4, f"{10.0**power:,.0f}" if power >= 0 else f"{10.0**power:g}", "dim", "end", 11)
        drawing.line([(left - 4, y), (left, y)])
    drawing.line([(left, top), (left, bottom), (right, bottom)])
    for launch in range(0, launches + 1, 5):
        drawing.text(place(launch, 1)[0], bottom + 18, str(launch), "dim", "middle", 11)
    drawing.text((left + right) / 2, bottom + 38, "launches", "dim", "middle")
    alarm = rule.races / rule.alpha
    drawing.line([place(0, alarm), place(launches, alarm)], dashed=True)
    drawing.text(right + 8, place(0, alarm)[1] + 4, "alarm: 5 / 0.001 = 5000", "dim", size=12)
    cases = [("two", 0.10, "10 % slower"), ("three", 0.035, "3.5 % slower"), ("one", 0.0, "equal builds")]
    for kind, slowdown, words in cases:
        rng = random.Random(7)
        numbers = [math.log1p(slowdown) + rng.gauss(0, 0.01) for _ in range(launches)]
        edge = math.log1p(rule.threshold)
        points = [place(0, 1.0)]
        value = 1.0
        for launch, value in enumerate(e_process([number - edge for number in numbers], rule), 1):
            points.append(place(launch, value))
            if value >= alarm or math.log10(value) <= low:
                break
        drawing.line(points, kind)
        x, y = points[-1]
        where = {"one": (x + 8, y - 8, "start"), "two": (x - 4, y - 10, "end"), "three": (x + 8, y + 4, "start")}[kind]
        drawing.text(*where[:2], words, f"{kind}-text", where[2], 12)
    return drawing.finish()


def architecture() -> str:
    """Return the picture of a session: from the command line to the reports."""
    drawing = Drawing(
        780, 300,
        "The command line becomes one frozen config; the session collects results from the gate, from plain benchmarks "
        "and from races; reports see only results.",
    )  # fmt: skip

    def box(x: float, y: float, title: str, *lines: str, width: float = 150) -> None:
        drawing.box(x, y, width, 26 + 17 * len(lines))
        drawing.text(x + 10, y + 18, title)
        for number, words in enumerate(lines):
            drawing.text(x + 10, y + 36 + 17 * number, words, "dim", size=11)

    box(14, 110, "argv, ini, markers", "pytest's parser")
    drawing.line([(166, 131), (196, 131)], arrow=True)
    box(200, 110, "config", "one frozen dataclass", width=140)
    drawing.line([(342, 131), (372, 131)], arrow=True)
    box(376, 110, "session", "one object on", "pytest's config", width=130)
    for y, title, words in (
        (14, "gate", ("call, compare, time, compare",)),
        (206, "race", ("base and head, launch by", "launch; verdicts as outcomes")),
    ):
        box(350, y, title, *words, width=190)
    drawing.line([(441, 58), (441, 106)], arrow=True)
    drawing.line([(441, 204), (441, 174)], arrow=True)
    drawing.line([(508, 131), (548, 131)], arrow=True)
    box(552, 110, "results", "dataclasses", width=86)
    drawing.line([(640, 131), (668, 131)], arrow=True)
    box(672, 66, "reports", "terminal", "JSON", "Markdown", "annotations", "merged runs", width=94)
    box(14, 206, "workers", "a pytest for each side;", "typed JSON lines on pipes", width=190)
    drawing.line([(346, 238), (208, 238)], arrow=True)
    drawing.line([(208, 250), (346, 250)], arrow=True)
    return drawing.finish()
