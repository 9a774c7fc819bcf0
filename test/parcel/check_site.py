"""check_site.py DIR: every relative link of the pages leads to a file there, and to a place
on it; nothing is loaded from elsewhere; no page has a script; tags close; every exported
function has its page and stands in the index."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

VOID = {"meta", "link", "br", "img", "hr", "input", "col", "area", "base", "wbr", "source"}
OPTIONAL = {"p", "li", "td", "tr", "th", "dt", "dd"}


class Page(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loads, self.open, self.bad = set(), [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.bad += ["<%s> stays open" % tag for tag in self.open if tag not in OPTIONAL]

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        self.ids |= {a[k] for k in ("id", "name") if a.get(k)}
        if tag == "a" and a.get("href") is not None:
            self.links.append(a["href"])
        if tag in ("img", "link", "script", "iframe", "source"):
            self.loads.append(a.get("src") or a.get("href") or "")
        if tag == "script":
            self.bad.append("a script")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in VOID:  # <img />
            return
        while self.open and self.open[-1] != tag and self.open[-1] in OPTIONAL:
            self.open.pop()
        if not self.open or self.open.pop() != tag:
            self.bad.append("</%s> closes nothing" % tag)


def main(root):
    root = Path(root).resolve()
    pages = {path: Page(path) for path in sorted(root.rglob("*.html"))}
    bad = ["%s: %s" % (path.relative_to(root), what) for path, page in pages.items()
           for what in page.bad]
    links = 0
    for path, page in pages.items():
        for target in page.links + page.loads:
            url = urlparse(target)
            if url.scheme or url.netloc:
                if target in page.loads:
                    bad.append("%s: loads %s" % (path.relative_to(root), target))
                continue
            links += 1
            there = (path.parent / unquote(url.path)).resolve() if url.path else path
            if there != root and root not in there.parents or not there.exists():
                bad.append("%s: no %s" % (path.relative_to(root), target))
            elif url.fragment and there in pages and unquote(url.fragment) not in pages[there].ids:
                bad.append("%s: no place %s" % (path.relative_to(root), target))
    headers = "".join(p.read_text() for p in Path("include").glob("*.h"))
    index = (root / "functions.html").read_text()
    functions = re.findall(r"^RIJ_API [^;]*?(rij_\w+)\(", headers, re.M)
    for name in functions:
        page = root / "man" / (name + ".3.html")
        if not page.exists() or "SYNOPSIS" not in page.read_text() or name not in page.read_text() or name + ".3.html" not in index:
            bad.append("%s() has no page, or is not in the index" % name)
    print("\n".join(bad) or "site: %d pages, %d links, %d functions" % (
        len(pages), links, len(functions)))
    sys.exit(bool(bad) or not functions)


main(sys.argv[1])
