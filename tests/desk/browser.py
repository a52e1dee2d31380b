"""A real browser that opens a page and says how it looks to it."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""

_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=2000",
    "--dump-dom",
)

# Measures the page that it frames; the page itself runs no script.
_MEASURE = """<!DOCTYPE html><meta charset="utf-8"><body style="margin:0">
<iframe id="page" style="border:0;width:%(width)dpx;height:2000px"></iframe>
<pre id="found"></pre>
<script>
const page = document.getElementById("page");
page.onload = () => {
  const seen = page.contentDocument, root = seen.documentElement;
  const edge = root.clientWidth;
  const inside = [...seen.querySelectorAll("main, h1, h2, p, .card, section, svg.picture")];
  const words = [...seen.querySelectorAll("svg.picture text")]
    .filter(t => t.getBoundingClientRect().width);
  const overlaps = (a, b) => a.left < b.right - 1 && b.left < a.right - 1
    && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  const clashes = words.flatMap((one, n) => words.slice(n + 1)
    .filter(two => one.ownerSVGElement === two.ownerSVGElement
      && overlaps(one.getBoundingClientRect(), two.getBoundingClientRect()))
    .map(two => [one.textContent, two.textContent]));
  document.getElementById("found").textContent = JSON.stringify({
    width: edge,
    scroll_width: root.scrollWidth,
    beyond: inside.filter(e => e.getBoundingClientRect().right > edge + 1).map(e => e.className),
    charts: seen.querySelectorAll("svg.picture").length,
    bars: [...seen.querySelectorAll("svg.picture rect")]
      .filter(r => r.getBoundingClientRect().width > 0).length,
    clashes: clashes,
    cut: words
      .filter(t => getComputedStyle(t.ownerSVGElement).overflow === "hidden")
      .filter(t => t.getBoundingClientRect().right
        > t.ownerSVGElement.getBoundingClientRect().right + 1)
      .map(t => t.textContent),
    language: root.lang,
    background: getComputedStyle(seen.body).backgroundColor,
  });
};
page.srcdoc = %(page)s;
</script>"""


def measure(page: str, folder: Path, *, width: int, dark: bool = False) -> dict[str, Any]:
    """How `page` looks at a width in pixels; "console" holds what the browser complained of."""
    framed = folder / "framed.html"
    script = json.dumps(page).replace("</", "<\\/")
    framed.write_text(_MEASURE % {"width": width, "page": script}, encoding="utf-8")
    scheme = [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    profile = folder / "profile"
    done = subprocess.run(
        [CHROMIUM, *_OPTIONS, *scheme, f"--user-data-dir={profile}", framed.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = re.search(r'<pre id="found">(.+?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return {**json.loads(html.unescape(found[1])), "console": complaints}
