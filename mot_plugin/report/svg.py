"""matplotlib's SVG, made fit to stand inside a page: its colours and its names must be the page's, or nobody's."""

import re
from html import escape

from mot_plugin.report.plots import INK

FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
_STYLE = (
    # Only where it is a document of its own (a file, an <img>): inside a page the text colour is the page's.
    "svg:root{{color:#1f2328}}@media(prefers-color-scheme:dark){{svg:root{{color:#e6edf3}}}}"
    ".{css}{{max-width:100%;height:auto}}.{css} text{{font-family:{fonts}}}"
    ".{css} *{{stroke-linejoin:round;stroke-linecap:butt}}"
)
CLASS = "mot-figure"
_SIZE = re.compile(r'<svg [^>]*?viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*>')
_NUMBERS = re.compile(r'\b(d|x|y|width|height|transform|points)="([^"]*)"')
_DECIMALS = re.compile(r"(-?\d+\.\d{2})\d+")
PIXELS = 4 / 3
"""Of a point."""


def fit(raw: str, name: str, title: str) -> str:
    """One `<svg>` element without a header, whose ids begin with `name` and whose ink is `currentColor`."""
    body = raw[raw.index("<svg ") :]
    size = _SIZE.match(body)
    assert size is not None
    body = body[size.end() :].rpartition("</svg>")[0]
    # Its style would hold for all of the page, and nobody reads its comments.
    body = re.sub(r"<style.*?</style>|<!--.*?-->|<metadata>.*?</metadata>|<defs>\s*</defs>", "", body, flags=re.DOTALL)
    body = body.replace("xlink:href=", "href=").replace(INK, "currentColor")
    body = re.sub(r"font-family:[^;\"]*;? ?", "", body)
    body = re.sub(r' transform="rotate\(-0 [^"]*"', "", body)
    body = _NUMBERS.sub(lambda found: f'{found[1]}="{_DECIMALS.sub(_short, found[2])}"', body)
    body = re.sub(r"\s*\n\s*", "\n", _rename(body, name)).strip()
    width, height = (round(float(side) * PIXELS) for side in size.groups())
    view = f"0 0 {_DECIMALS.sub(_short, size[1])} {_DECIMALS.sub(_short, size[2])}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="{CLASS}" role="img" aria-label="{escape(title)}"'
    style = _STYLE.format(css=CLASS, fonts=FONTS)
    return f'{head} width="{width}" height="{height}" viewBox="{view}">\n<style>{style}</style>\n{body}\n</svg>\n'


def _short(found: re.Match[str]) -> str:
    return found[1]


def _rename(body: str, name: str) -> str:
    """Ids that something refers to become `name-1`, `name-2`, ...; the others go: a page may hold many figures."""
    used = list(dict.fromkeys(re.findall(r'(?:url\(#|href="#)([^)"]+)', body)))
    for number, old in enumerate(used, 1):
        for before, after in (('id="', '"'), ("url(#", ")"), ('href="#', '"')):
            body = body.replace(f"{before}{old}{after}", f"{before}{name}-{number}{after}")
    kept = {f"{name}-{number}" for number in range(1, len(used) + 1)}
    return re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in kept else "", body)
