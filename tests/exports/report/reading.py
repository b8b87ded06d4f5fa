"""Read a page as a browser would: its text, its elements, and what it would fetch."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

_VOID = {"meta", "img", "source", "br", "link", "hr", "wbr"}
_SVG = "{http://www.w3.org/2000/svg}"


@dataclass
class Page(HTMLParser):
    """A page's elements, its text outside of charts, and its tables' rows."""

    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def __post_init__(self):
        super().__init__()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if {"svg", "style"} & set(self._open):
            return
        self.words.append(data)
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """Its elements and the names of their attributes: all that is no text."""
        return [(tag, tuple(attributes)) for tag, attributes in self.elements]

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read_page(path: Path) -> Page:
    """Return a page, once it is well formed and needs nothing but itself."""
    html = path.read_text(encoding="utf-8")
    page = Page()
    page.feed(html)
    page.close()
    assert page._open == []
    assert not page.all("script")
    assert not page.all("link")
    assert not page.all("iframe")
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "srcset", "data", "href", "xlink:href", "action"):
            if name in attributes and tag != "a":
                assert attributes[name].startswith(("data:image/", "#")), attributes
    assert not re.search(r"@import|url\((?!#|data:image/)", html)
    # What a state is shown with stands at the state itself.
    known = {*re.findall(r"(--\w+):", html), "--strip", "--size"}
    assert set(re.findall(r"var\((--[\w-]+)", html)) <= known
    return page


def charts_of(path: Path) -> list[ElementTree.Element]:
    """Return the page's charts, once each is whole."""
    html = path.read_text(encoding="utf-8")
    charts = []
    for svg in re.findall(r"<svg .*?</svg>", html, flags=re.DOTALL):
        chart = ElementTree.fromstring(svg.replace("<svg ", f'<svg xmlns="{_SVG[1:-1]}" ', 1))
        assert chart.get("aria-label")
        ids = {element.get("id") for element in chart.iter()}
        for link in re.findall(r'(?:url\(|href=")#([^)"]*)', svg):
            assert link in ids
        # What is drawn in the colours that only stand for others would not follow the style.
        assert not re.search(r"#0[0-9a-f]0[0-9a-f]", svg)
        charts.append(chart)
    return charts


def texts_of(chart: ElementTree.Element) -> list[str]:
    """Return what is written in a chart."""
    return ["".join(text.itertext()) for text in chart.iter(f"{_SVG}text")]
