"""Diagnostics as one picture: layers by kinds of modules, coloured. Plain SVG, readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_CELL, _ROW, _LEFT, _TOP, _GAP = 46, 18, 34, 140, 76
_STOPS = ((0x2B, 0x2D, 0x6E), (0x24, 0x6E, 0x9C), (0x2F, 0xA8, 0x8D), (0x9A, 0xD0, 0x5A), (0xFB, 0xE6, 0x4D))
"""Dark blue over green to yellow: order is visible in grey and to the colour-blind too."""

_ORDER = "q_proj k_proj v_proj o_proj q_norm k_norm gate gate_proj up_proj down_proj input_layernorm".split()

_STYLE = """
text { font: 11px system-ui, sans-serif; fill: #24292f; } .title { font-weight: 600; font-size: 14px; }
.soft { fill: #57606a; } .none { fill: #d0d7de; } .bright { fill: #ffffff; } .dark { fill: #1b1f24; }
.number { font-size: 10px; text-anchor: middle; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .soft { fill: #9da7b1; } .none { fill: #30363d; }
.bright { fill: #ffffff; } .dark { fill: #1b1f24; } }
"""


def draw(report: Mapping[str, Any]) -> str:
    """Two maps, of consensus and of the mean cosine, and the teachers' cosines over the whole model."""
    cells = {(cell["layer"], cell["module"]): cell for cell in report["cells"]}
    inside = [key for key in cells if key[0] is not None]
    layers = sorted({layer for layer, _ in inside})
    kinds = sorted({kind for _, kind in inside}, key=_kind_order)
    width, height = _LEFT + _CELL * len(kinds), _TOP + _ROW * len(layers)
    parts: list[str] = []
    titles = {
        "consensus": "Consensus: |mean update| / mean |update|",
        "mean_cosine": "Mean cosine of two teachers' updates",
    }
    for number, (key, title) in enumerate(titles.items()):
        parts += _map(number * (width + _GAP), title, key, cells, layers, kinds)
    teachers = report["teachers"]
    right = 2 * (width + _GAP)
    parts += _pairs(right, teachers, report["all"]["cosine"], report["all"]["leave_one_out"])
    total = right + max(300, 150 + _CELL * (len(teachers) + 1))
    lines = _outside(cells)
    bottom = max(height, _TOP + _ROW * (len(teachers) + 2)) + 40
    parts += [_text(0, bottom + 18 * number, line, "soft") for number, line in enumerate(lines)]
    size = (total + 20, bottom + 18 * len(lines) + 20)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 -10 {size[0]} {size[1]}" width="{size[0]}">'
    headline = _text(0, 12, f"Round {report['round']}, {len(teachers)} teachers", "title")
    return "\n".join([head, f"<style>{_STYLE}</style>", headline, *parts, "</svg>\n"])


def _kind_order(kind: str) -> tuple[int, int, str]:
    """Attention, feed-forward, the rest; within a room in the order of the computation."""
    room = 0 if "attn" in kind else 1 if kind.startswith("mlp") else 2
    last = kind.rpartition(".")[2]
    return room, _ORDER.index(last) if last in _ORDER else len(_ORDER), kind


def _column(kind: str) -> str:
    name = kind.removesuffix(".bias").rpartition(".")[2].replace("layernorm", "norm").replace("attention", "attn")
    return name + (" bias" if kind.endswith(".bias") else "")


def _map(
    left: int, title: str, key: str, cells: Mapping[Any, Any], layers: Sequence[int], kinds: Sequence[str]
) -> list[str]:
    values = [cell[key] for (layer, _), cell in cells.items() if layer is not None and cell[key] is not None]
    low, high = _range(values)
    parts = [_text(left, 36, title, "title"), *_legend(left, low, high)]
    for column, kind in enumerate(kinds):
        x, y = left + _LEFT + _CELL * column + _CELL // 2, _TOP - 8
        parts.append(f'<text transform="translate({x} {y}) rotate(-40)">{escape(_column(kind))}</text>')
    for row, layer in enumerate(layers):
        y = _TOP + _ROW * row
        parts.append(_text(left + _LEFT - 8, y + 13, str(layer), "soft", "end"))
        for column, kind in enumerate(kinds):
            cell = cells.get((layer, kind))
            if cell is not None:
                said = f"layer {layer}, {kind}: {_number(cell[key], 3)}"
                parts.append(_cell(left + _LEFT + _CELL * column, y, cell[key], low, high, said))
    return parts


def _pairs(
    left: int, teachers: Sequence[str], cosines: Mapping[str, float | None], alone: Mapping[str, float | None]
) -> list[str]:
    """A matrix of the teachers' cosines; the last column is each one's cosine with the mean of the others."""
    low, high = _range([value for value in (*cosines.values(), *alone.values()) if value is not None])
    parts = [_text(left, 36, "Teachers' cosines, whole model", "title"), *_legend(left, low, high)]
    columns = [*teachers, "the others"]
    for column, name in enumerate(columns):
        x = left + 110 + _CELL * column + _CELL // 2
        parts.append(f'<text transform="translate({x} {_TOP - 8}) rotate(-40)">{escape(_short(name))}</text>')
    for row, one in enumerate(teachers):
        y = _TOP + _ROW * row
        parts.append(_text(left + 102, y + 13, _short(one), "soft", "end"))
        for column, other in enumerate(columns):
            if one != other:
                value = (
                    alone[one]
                    if column == len(teachers)
                    else cosines.get(f"{one}|{other}", cosines.get(f"{other}|{one}"))
                )
                parts.append(
                    _cell(left + 110 + _CELL * column, y, value, low, high, f"{one}, {other}: {_number(value, 3)}")
                )
    return parts


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Where the colours begin and end: the values', widened to whole twentieths and at least a tenth."""
    low = int(min(values, default=0) * 20 // 1) / 20
    return low, max(-int(-max(values, default=1) * 20 // 1) / 20, low + 0.1)


def _legend(left: int, low: float, high: float) -> list[str]:
    parts = [
        f'<rect x="{left + _LEFT + 12 * step}" y="48" width="12" height="10" fill="{_colour(step / 11)[0]}"/>'
        for step in range(12)
    ]
    return [
        *parts,
        _text(left + _LEFT - 6, 57, f"{low:.2f}", "soft", "end"),
        _text(left + _LEFT + 150, 57, f"{high:.2f}", "soft"),
    ]


def _cell(x: int, y: int, value: float | None, low: float, high: float, said: str) -> str:
    size = f'x="{x}" y="{y}" width="{_CELL - 2}" height="{_ROW - 2}" rx="2"'
    title = f"<title>{escape(said)}</title>"
    if value is None:
        return f'<rect {size} class="none">{title}</rect>'
    colour, dark = _colour((value - low) / (high - low))
    number = _text(x + _CELL // 2 - 1, y + 12, _number(value, 2), f"number {'bright' if dark else 'dark'}")
    return f'<g>{title}<rect {size} fill="{colour}"/>{number}</g>'


def _colour(share: float) -> tuple[str, bool]:
    """The colour of a share of the range, and whether it is a dark one."""
    place = min(max(share, 0.0), 1.0) * (len(_STOPS) - 1)
    number = min(int(place), len(_STOPS) - 2)
    mixed = [round(a + (b - a) * (place - number)) for a, b in zip(_STOPS[number], _STOPS[number + 1], strict=True)]
    return "#{:02x}{:02x}{:02x}".format(*mixed), place < 1.5


def _outside(cells: Mapping[Any, Any]) -> list[str]:
    lines = ["A grey cell has no number: too few teachers changed any of its weights, as their files store them."]
    for (layer, kind), cell in cells.items():
        if layer is None:
            both = f"consensus {_number(cell['consensus'], 2)}, mean cosine {_number(cell['mean_cosine'], 2)}"
            lines.append(f"outside the layers: {kind}: {both}")
    return lines


def _number(value: float | None, digits: int) -> str:
    return "none" if value is None else f"{value:.{digits}f}"


def _short(name: str) -> str:
    return name if len(name) <= 16 else name[:15] + "…"


def _text(x: float, y: float, words: str, kind: str, anchor: str = "") -> str:
    more = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x}" y="{y}" class="{kind}"{more}>{escape(words)}</text>'
