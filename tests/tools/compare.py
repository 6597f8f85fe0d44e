"""Shows what a change does to the look of the gallery: pictures before, after and the difference.

python -m tests.tools.compare REF    compares the work tree with a commit (make compare REF=main)

It renders every state at both, in light and dark, for a phone and for a screen, and writes those
that look different to `var/compare/index.html`. No picture is kept in the project, since another
machine's fonts make others.
"""

from __future__ import annotations

import argparse
import base64
import filecmp
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from playwright.sync_api import Browser, Page, Route, sync_playwright

from tests.browser_path import chromium_path
from tests.tools.gallery_pages import NOW

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "var" / "compare"
#: Each state is seen so wide: in dark on a phone, in light on a screen.
WIDTHS = {"dark": 390, "light": 1200}
ADDRESS = "http://gallery.test"
#: Whoever compares sees at once that something is different; a page never takes so long.
TIMEOUT_MS = 20_000
KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}

#: Returns how many pixels differ and a picture in which those are red.
DIFFERENCE = """async ([before, after]) => {
  const load = async (data) =>
    createImageBitmap(await (await fetch("data:image/png;base64," + data)).blob());
  const pictures = [await load(before), await load(after)];
  const width = Math.max(...pictures.map((each) => each.width));
  const height = Math.max(...pictures.map((each) => each.height));
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const [first, second] = pictures.map((each) => {
    context.clearRect(0, 0, width, height);
    context.drawImage(each, 0, 0);
    return context.getImageData(0, 0, width, height);
  });
  let count = 0;
  for (let at = 0; at < first.data.length; at += 4) {
    const differs = [0, 1, 2, 3].some((part) => first.data[at + part] !== second.data[at + part]);
    count += differs;
    const grey = 255 - (255 - second.data[at + 1]) * 0.25;
    second.data.set(differs ? [220, 30, 60, 255] : [grey, grey, grey, 255], at);
  }
  context.putImageData(second, 0, 0);
  return [count, canvas.toDataURL("image/png").split(",")[1]];
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A state of the project: its code, and the gallery's pages that it renders."""

    root: Path
    pages: Path


@dataclass(slots=True)
class Comparison:
    """What is different: names of pages, by what became of them."""

    changed: dict[str, int] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    same_count: int = 0

    def __str__(self) -> str:
        return (
            f"{len(self.changed)} look different, {len(self.added)} are new, "
            f"{len(self.gone)} are gone, {self.same_count} are as they were"
        )


@contextmanager
def checkout(ref: str, root: Path = ROOT) -> Iterator[Path]:
    """Keep a commit's files in a folder of their own while the context is open."""
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        archive = subprocess.run(
            ["git", "archive", "--format=tar", ref], cwd=root, check=True, capture_output=True
        )
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        yield Path(folder)


def rendered(root: Path, folder: Path, *, only: str = "") -> Tree:
    """Render a tree's gallery by its own code."""
    if not (root / "tests" / "tools" / "gallery_pages.py").is_file():
        sys.exit("That commit is older than the gallery, so there is nothing to compare with.")
    subprocess.run(
        [sys.executable, "-m", "tests.tools.gallery_pages", str(folder), only],
        cwd=root,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return Tree(root=root, pages=folder)


def compare(browser: Browser, before: Tree, after: Tree, report: Path) -> Comparison:
    """Compare two trees' galleries and write the report."""
    shutil.rmtree(report, ignore_errors=True)
    report.mkdir(parents=True)
    found = Comparison()
    names = {tree: set(_pages(tree)) for tree in (before, after)}
    found.added = sorted(names[after] - names[before])
    found.gone = sorted(names[before] - names[after])
    both = sorted(names[before] & names[after])
    if _same_files(before.root / "static", after.root / "static"):
        # With the same styles, the same page looks the same.
        unequal = [name for name in both if not _same_page(before, after, name)]
    else:
        unequal = both
    found.same_count = len(both) - len(unequal)
    if unequal:
        _see(browser, before, after, unequal, found, report)
    (report / "index.html").write_text(_report(found))
    return found


def _see(
    browser: Browser,
    before: Tree,
    after: Tree,
    names: list[str],
    found: Comparison,
    report: Path,
) -> None:
    pages = {
        (theme, tree): _window(browser, tree, theme) for theme in WIDTHS for tree in (before, after)
    }
    for name in names:
        theme = Path(name).suffixes[-2].removeprefix(".")
        pictures = [_picture(pages[theme, tree], name) for tree in (before, after)]
        if pictures[0] == pictures[1]:
            found.same_count += 1
            continue
        encoded = [base64.b64encode(each).decode() for each in pictures]
        count, drawn = pages[theme, after].evaluate(DIFFERENCE, encoded)
        if not count:
            found.same_count += 1
            continue
        found.changed[name] = count
        for kind, picture in zip(
            ("before", "after", "difference"), [*pictures, base64.b64decode(drawn)], strict=True
        ):
            (report / _file(name, kind)).write_bytes(picture)
    for page in pages.values():
        page.context.close()


def _window(browser: Browser, tree: Tree, theme: str) -> Page:
    """Return a window in which the addresses of the gallery are a tree's files."""
    context = browser.new_context(
        viewport={"width": WIDTHS[theme], "height": 200},
        reduced_motion="reduce",
        bypass_csp=True,
        timezone_id="UTC",
    )

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(ADDRESS).partition("?")[0].lstrip("/")
        file = (tree.root if path.startswith("static/") else tree.pages) / path
        if file.is_file():
            route.fulfill(body=file.read_bytes(), content_type=KINDS.get(file.suffix))
        else:
            route.fulfill(status=404)

    page = context.new_page()
    page.route(f"{ADDRESS}/**", answer)
    page.clock.set_fixed_time(NOW)
    page.set_default_timeout(TIMEOUT_MS)
    return page


def _picture(page: Page, name: str) -> bytes:
    page.goto(f"{ADDRESS}/{name}")
    page.evaluate("document.fonts.ready.then(() => true)")
    return page.screenshot(full_page=True, animations="disabled")


def _pages(tree: Tree) -> list[str]:
    return [path.relative_to(tree.pages).as_posix() for path in tree.pages.rglob("*.html")]


def _same_page(before: Tree, after: Tree, name: str) -> bool:
    return (before.pages / name).read_bytes() == (after.pages / name).read_bytes()


def _same_files(one: Path, other: Path) -> bool:
    found = filecmp.dircmp(one, other)
    if found.left_only or found.right_only or found.funny_files:
        return False
    _same, different, unread = filecmp.cmpfiles(one, other, found.common_files, shallow=False)
    return (
        not different
        and not unread
        and all(_same_files(one / name, other / name) for name in found.common_dirs)
    )


def _file(name: str, kind: str) -> str:
    return f"{name.removesuffix('.html').replace('/', '--')}.{kind}.png"


def _report(found: Comparison) -> str:
    rows = "".join(
        f"<section><h2>{escape(name)}</h2><p>{count} pixels</p><div>"
        + "".join(
            f'<figure><figcaption>{kind}</figcaption><img src="{escape(_file(name, kind))}" '
            f'alt="{kind}"></figure>'
            for kind in ("before", "after", "difference")
        )
        + "</div></section>"
        for name, count in found.changed.items()
    )
    others = "".join(
        f"<h2>{title}</h2><ul>{''.join(f'<li>{escape(name)}</li>' for name in names)}</ul>"
        for title, names in (("New", found.added), ("Gone", found.gone))
        if names
    )
    return (
        '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Before and after</title>'
        "<style>body{font:14px/1.5 system-ui;margin:2rem}div{display:flex;gap:1rem;flex-wrap:wrap}"
        "figure{margin:0}img{max-width:40vw;border:1px solid}section{margin-block:2rem}</style>"
        f"<h1>Before and after</h1><p>{found}</p>{rows}{others}</html>"
    )


def main() -> None:
    """Compare the work tree with a commit."""
    parser = argparse.ArgumentParser(prog="python -m tests.tools.compare", description=__doc__)
    parser.add_argument("ref", help="the commit or branch to compare the work tree with")
    parser.add_argument("--only", default="", help="how names begin: console/_tank")
    options = parser.parse_args()
    with checkout(options.ref) as root, tempfile.TemporaryDirectory(prefix="pages-") as folder:
        before = rendered(root, Path(folder) / "before", only=options.only)
        after = rendered(ROOT, Path(folder) / "after", only=options.only)
        if not any(tree.pages.is_dir() for tree in (before, after)):
            sys.exit(
                f"No template's name begins with {options.only!r}. Names have their folder, "
                "as in console/_tank."
            )
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium_path(), args=["--no-sandbox", "--disable-gpu"]
            )
            found = compare(browser, before, after, REPORT)
            browser.close()
    print(found)
    print(REPORT / "index.html")


if __name__ == "__main__":
    main()
