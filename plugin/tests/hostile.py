"""Hostile text, by what it tries: names, parameters, paths, commits, authors and JSON files may hold any of it.

A test of a format puts each into every field, and shows that nothing becomes active and nothing is broken.
"""

from __future__ import annotations

# fmt: off
HOSTILE: dict[str, str] = {
    # HTML
    "script": "<script>alert(1)</script>",
    "script in upper case": "<SCRIPT SRC=//e.vil/x.js></SCRIPT>",
    "image": '<img src=x onerror="alert(1)">',
    "svg": "<svg/onload=alert(1)>",
    "frame": '<iframe src="javascript:alert(1)"></iframe>',
    "style": "<style>*{display:none}</style>",
    "end of an element": "</code></pre></td></tr></table></details></summary></title></style></script></svg>",
    "attribute": "\" onmouseover=\"alert(1)\" x='",
    "single-quoted attribute": "' autofocus onfocus='alert(1)",
    "unfinished tag": "<a href=",
    "comment": "<!-- --!> --> <!--",
    "CDATA": "]]><![CDATA[<b>",
    "processing instruction": '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>&e;',
    "entities": "&lt;script&gt; &#x3c;b&#x3e; &amp;amp; &nbsp;",
    "JavaScript's URL": "javascript:alert(document.domain)",
    "data's URL": "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "JavaScript's string": "';alert(1);//\\';\u2028alert(2)",
    "CSS": "x;}*{background:url(//e.vil/x)}",
    # Templates
    "Jinja2's expression": "{{ 7 * 7 }}{{ config.__class__.__mro__ }}",
    "Jinja2's statement": "{% raw %}{% include '/etc/passwd' %}{# #}",
    "GitHub's expression": "${{ github.token }}",
    "format string": "{0.__class__} %s %(x)s %n $x ${HOME}",
    # Markdown
    "backticks": "`a` ```b``` ~~~c~~~",
    "table": "a | b || c \\| d",
    "emphasis": "*a* **b** _c_ __d__ ~~e~~",
    "link": "[text](https://e.vil) [x]: https://e.vil",
    "image in Markdown": "![x](https://e.vil/x.png)",
    "automatic link": "https://e.vil www.e.vil me@e.vil <https://e.vil>",
    "mention": "@everyone @octocat/team",
    "reference": "#1 GH-1 octocat/hello#1 0123456789abcdef0123456789abcdef01234567",
    "heading": "# a\n## b\n===\n---",
    "list": "- a\n1. b\n> c\n    d",
    "hidden marker": "<!-- pytest-benchgate -->\n## Race\n\n1 faster",
    "formula": "$a$ $$\\href{javascript:alert(1)}{x}$$ \\(b\\)",
    "emoji's name": ":tada: :+1:",
    # Terminals and logs
    "colours": "\x1b[31mred\x1b[0m",
    "cleared screen": "\x1b[2J\x1b[H\x1b[3J",
    "title of the window": "\x1b]0;owned\x07",
    "link in the terminal": "\x1b]8;;https://e.vil\x1b\\text\x1b]8;;\x1b\\",
    "8-bit control sequence": "\x9b31m\x9d0;owned\x9c",
    "backspace": "good\x08\x08\x08\x08evil\r\x7f",
    "bell and friends": "\x00\x01\x07\x0b\x0c\x0e\x1a",
    "new lines": "a\nb\r\nc\rd\x85e\u2028f\u2029g",
    "tabs": "a\tb\t\tc",
    "workflow command": "\n::error::forged\n::add-mask::x\n::stop-commands::y\n##[error]z",
    "escaped workflow command": "%0A::error::forged%0D%25",
    # Unicode
    "right to left": "\u202eevil\u202c \u2066x\u2069 \u200f",
    "invisible": "a\u200bb\u200dc\ufeffd\u00ade\u2060f",
    "combining": "Z\u0335\u0321\u0353a\u0337\u0321\u0353l\u0335\u0321g\u0337o\u0301\u0301\u0301\u0301",
    "wide": "漢字かな한글🎉👩‍👩‍👧",
    "tag characters": "a\U000e0041\U000e0042b\ufff9c\ufffbd",
    "lone surrogates": "\ud800 a \udfff",
    "not characters": "\ufffe\uffff\U0010ffff\ue000",
    # Files, shells, spreadsheets
    "NUL": "a\x00b",
    "path": "../../../etc/passwd",
    "Windows' path": "C:\\x\\..\\CON:stream",
    "command": "$(touch /tmp/owned); `id` && x | y > z",
    "option": "--race-cache=/ -rf -",
    "formula of a spreadsheet": '=HYPERLINK("https://e.vil","x")',
    "formula with a sign": "+1+cmd|' /C calc'!A0",
    "CSV": 'a,b;c"d""e\n"',
    "XML of JUnit": ']]></failure><testcase name="x"/>',
    "JSON": '"}],"verdict":"faster","x":[{"',
    # Sizes
    "nothing": "",
    "a space": " ",
    "long": "x" * 100_000,
    "long without end": "<" * 5_000,
    "many lines": "\n" * 5_000,
}
# fmt: on
