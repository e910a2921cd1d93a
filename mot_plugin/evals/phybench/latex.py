r"""The formula in an answer written in LaTeX, as tokens without dress: no spaces, sizes or fonts, no `y =`, no remarks.

A token is a number, a letter, a sign, a command (`\frac`) or, behind a colon, a word (`:max`). What does not change which
formula it is for somebody who looks at the page is taken out here; what is left is read by `formula`.
"""

import itertools
import re
import unicodedata

from mot_plugin.answers import last_boxed

_TWINS = str.maketrans({
    "\N{MINUS SIGN}": "-", "\N{EN DASH}": "-", "\N{MULTIPLICATION SIGN}": r"\cdot ", "\N{MIDDLE DOT}": r"\cdot ",
    "\N{DOT OPERATOR}": r"\cdot ", "\N{DIVISION SIGN}": "/", "\N{SQUARE ROOT}": r"\sqrt ", "\N{INFINITY}": r"\infty ",
    "\N{SUPERSCRIPT TWO}": "^2", "\N{SUPERSCRIPT THREE}": "^3", "\N{PRIME}": "'", "\N{LATIN SMALL LETTER H WITH STROKE}": r"\hbar ",
    "\N{PLANCK CONSTANT OVER TWO PI}": r"\hbar ", "\N{ALMOST EQUAL TO}": r"\approx ", "\N{LESS-THAN OR EQUAL TO}": r"\le ",
    "\N{GREATER-THAN OR EQUAL TO}": r"\ge ", "\N{GREEK SMALL LETTER PHI}": r"\varphi ", "\N{GREEK PHI SYMBOL}": r"\phi ",
    "\N{GREEK LUNATE EPSILON SYMBOL}": r"\varepsilon ", "\N{GREEK THETA SYMBOL}": r"\vartheta ",
    "\N{FULLWIDTH LEFT PARENTHESIS}": "(", "\N{FULLWIDTH RIGHT PARENTHESIS}": ")", "\N{FULLWIDTH COMMA}": ",",
    "\N{ZERO WIDTH SPACE}": None, "\ue000": None,
})  # fmt: skip
_GREEK = re.compile(r"[\u0370-\u03ff]")

_GROUPING = re.compile(r"\{,\}|(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_LAYOUT = re.compile(
    r"\\(?:begin|end)\s*\{(?:aligned|align|equation|gathered|split)\*?\}|\\tag\*?\s*\{[^{}]*\}|\{\s*\}(?=\s*[\^_])|&|\\\\"
    r"|\\(?:left|right)\s*\."
)
_BAR = re.compile(r"\\(left|right)\s*(?:\||\\[lr]?vert(?![A-Za-z]))")
_PRIMES = re.compile(r"\^\s*(?:\{((?:\s*(?:\\prime(?![A-Za-z])|'))+)([^{}]*)\}|\\prime(?![A-Za-z]))")
_RAISED = re.compile(r"\^\s*(?:\{\s*(?:\\circ|\\ast|\\star|\*)\s*\}|(?:\\circ|\\ast|\\star|\*)(?![A-Za-z]))")
_FONT = re.compile(
    r"\\(text[a-z]*|[mh]box|mathrm|mathbf|mathit|mathsf|mathtt|mathnormal|boldsymbol|operatorname\*?|mathop)\s*\{([^{}]*)\}"
)
_TOKEN = re.compile(r"\ue000[^\ue000]*\ue000|\\[A-Za-z]+|\\.|[0-9]+(?:\.[0-9]+)?|\.[0-9]+|\S", re.DOTALL)

_OPEN, _CLOSE = ("{", "(", "["), ("}", ")", "]")
_RELATIONS = {"=", "<", ">"} | {
    rf"\{name}" for name in "approx simeq equiv cong sim le leq leqslant ge geq geqslant ll gg lt gt to".split()
}
_ENDS = {",", ";", r"\quad", r"\qquad"}
# Arrows, hats and bold letters say what kind of quantity it is, not which; indices, primes, bars and script letters do.
_DROPPED = {"$", "~", r"\,", r"\;", r"\:", r"\!", r"\ ", r"\(", r"\)", r"\[", r"\]"} | {
    rf"\{name}"
    for name in "displaystyle textstyle scriptstyle scriptscriptstyle limits nolimits rm bf it sf tt mathstrut nonumber "
    "notag thinspace left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr smash ensuremath boxed fbox "
    "vec overrightarrow hat widehat underline text textrm textbf textit mbox hbox mathrm mathbf mathit mathsf mathtt "
    "mathnormal boldsymbol bm pmb mathop operatorname".split()
}
_SAME = {
    r"\{": "(", r"\}": ")", r"\lbrace": "(", r"\rbrace": ")", r"\lbrack": "[", r"\rbrack": "]", r"\vert": "|",
    r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\cfrac": r"\frac", "*": r"\cdot", r"\ast": r"\cdot", r"\times": r"\cdot",
    r"\bullet": r"\cdot", r"\div": "/", r"\prime": "'", r"\epsilon": r"\varepsilon", r"\varOmega": r"\Omega",
    r"\overline": r"\bar", r"\widetilde": r"\tilde", r"\mathscr": r"\mathcal",
}  # fmt: skip


class Unreadable(ValueError):
    """Not one formula that can be compared: nothing, several, broken LaTeX, or mathematics that is not read here."""


def tokens(text: str) -> list[str]:
    r"""The tokens of the formula in `text`: of its last box if there is one, and of `a = b = c` the last side.

    What follows a comma, a `\quad` or words (`v = at, \text{ for } t > 0`) is a remark. Raises Unreadable for no formula.
    """
    text = _GREEK.sub(_spelt, (last_boxed(text) or text).translate(_TWINS))
    text = _LAYOUT.sub(" ", _GROUPING.sub("", text))
    text = _BAR.sub(lambda bar: rf"\{bar[1][0]}vert ", text)
    text = _RAISED.sub(lambda sign: r"\degree " if r"\circ" in sign[0] else r"_{\star}", _PRIMES.sub(_primes, text))
    found = [_SAME.get(token, token) for token in _TOKEN.findall(_FONT.sub(_unfont, text)) if token not in _DROPPED]
    side = _last_side(_unwrapped(found))
    while side and side[-1] == ".":
        side.pop()
    if not side:
        raise Unreadable("no formula")
    return side


def _spelt(letter: re.Match[str]) -> str:
    kind, _, name = unicodedata.name(letter[0], "").partition(" LETTER ")
    return rf"\{name.capitalize() if kind == 'GREEK CAPITAL' else name.lower()} " if name.isalpha() else letter[0]


def _primes(raised: re.Match[str]) -> str:
    r"""`^{\prime 2}` is a prime and a power."""
    return "'" * (raised[0].count("prime") + raised[0].count("'")) + (
        f"^{{{raised[2]}}}" if (raised[2] or "").strip() else ""
    )


def _unfont(font: re.Match[str]) -> str:
    """A word between marks, a remark as a word with a space in it, or the formula that was in this font."""
    command, content = font[1], font[2]
    if re.fullmatch(r"[A-Za-z]{2,}", content):
        return f"\ue000{content}\ue000"
    if command.startswith(("text", "mbox", "hbox")) and not re.fullmatch(r"[A-Za-z0-9]?", content):
        return f"\ue000 {content}\ue000"
    return f"{{{content}}}"


def _unwrapped(found: list[str]) -> list[str]:
    """Without braces around all of it."""
    while found[:1] == ["{"] and found[-1] == "}":
        depths = list(itertools.accumulate({"{": 1, "}": -1}.get(part, 0) for part in found))
        if 0 in depths[:-1]:
            break
        found = found[1:-1]
    return found


def _last_side(found: list[str]) -> list[str]:
    """What stands after the last relation and before the first remark, both outside of brackets; words behind colons."""
    side: list[str] = []
    depth = 0
    for token in found:
        depth += (token in _OPEN) - (token in _CLOSE)
        remark = token in _ENDS or token.startswith("\ue000 ")
        if depth == 0 and token in _RELATIONS:
            side = []
        elif depth == 0 and remark:
            if side:
                break
        else:
            side.append(":" + token.strip("\ue000").replace(" ", "") if token[0] == "\ue000" else token)
    return side
