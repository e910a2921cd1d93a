"""Which option an answer to a multiple-choice question names: one letter that the question has, or none.

Four kinds of places are read, all anchored: after a marker ("Answer: C", JSON's "answer": "C", "the answer is (C)",
"答案是C", "故选C"), in a box, on a last line that is nothing but a letter, and, where none of these says anything, on
the one line that repeats an option's text. The last place that says something counts. Nothing is ever guessed.
"""

import re
from collections.abc import Iterator, Sequence

from mot_plugin.answers import last_boxed

NOTHING = ""
"""What a place says that names several letters, or one that the question does not have: an answer, but no option."""

_LONGEST = 4000  # characters of one place that are read
_MOST = 100  # places that are read, from the last: a text that has more of them runs in circles
_DRESS = 100  # characters that may stand around an option's text where it is repeated

# Full-width letters, digits and signs are read as their ASCII twins, and so are Chinese brackets, quotes and dashes.
_TWINS = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)} | {
    ord(sign): twin
    for signs, twin in [
        ("\N{IDEOGRAPHIC SPACE}\N{NO-BREAK SPACE}", " "),
        ("【", "["),
        ("】", "]"),
        ("\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}", '"'),
        ("\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}", "'"),
        ("\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}", "-"),
    ]
    for sign in signs
}
_TOKENS = re.compile(r"<\|[^<>|\n]{1,40}\|>|</?s>")  # of chat templates, where the engine did not take them out

_WRAPPER = r"\\(?:text(?:bf|it|rm|normal)?|math(?:bf|it|rm|sf)|boxed|fbox|bf|rm)(?![A-Za-z])"
_OPEN = rf"(?:[\s*_`\"'$\[({{<>#]|\\[(\[ ,;:!]|{_WRAPPER})*"
_CLOSE = r"(?:[ \t]*(?:[*_`\"'$\])}]|\\[)\]]))*"
_WORD = rf"(?:(?:(?:option|choice|letter)(?![A-Za-z])|选项){_OPEN})?"
_LETTER = re.compile(rf"{_OPEN}{_WORD}(?P<letter>[A-Za-z])(?P<close>{_CLOSE})", re.IGNORECASE)
_ALONE = re.compile(rf"[-•]?{_LETTER.pattern}[.。]?{_CLOSE}\s*", re.IGNORECASE)
_LABEL = re.compile(rf"[-•]?{_OPEN}(?P<letter>[A-Z])[*_]*[).:、][*_]*(?P<text>.*)", re.DOTALL)

# What may follow a letter without making it a part of a word, a name or a formula.
_ENDS = re.compile(r"\s*$|[ \t]*\n|[,;!?。、…|<]|\.(?![A-Za-z0-9])|:(?![A-Za-z0-9])|-(?![A-Za-z0-9])")
_GOES_ON = re.compile(
    r"\s+(?:(?:because|since|as|due|which|where)(?![A-Za-z])|is\s+(?:the\s+)?(?:correct|right|best|answer)"
    r"|-\s*[^\W\d_]{2})|\s*(?:项|选项|因为|由于|所以|是(?:正确|对)|正确)",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"\s*\(")
_WHOLE_ASIDE = re.compile(r"\s*\([^()\n]*\)\s*(?:[.,;:!。]|\n|$)")
_SEVERAL = re.compile(
    rf"\s*(?:[,/&、+]|(?:and|or)(?![A-Za-z])|[和或及与])\s*(?:(?:and|or|option)(?![A-Za-z])|或|和)?{_OPEN}[A-Z]{_CLOSE}"
    r"\s*(?:$|[\n.,;:!?。、/&+]|(?:and|or|are|both|because|since|as|depending)(?![A-Za-z])|[和或及与都])"
)

_GAP = r"[ \t*_`\"')\]]*"
_MARK = re.compile(
    rf"""
    (?<![A-Za-z])(?<!wrong[ ])(?<!incorrect[ ])
    (?:answers?(?:[ _-](?:choice|option|letter|key))?|(?:correct|right|best|final)[ ](?:option|choice|letter))
    (?: {_GAP}(?:[:=]|[ ]-(?=[ ]))
      | {_GAP}(?:[ ](?:to|for|of|among|from|here)(?![A-Za-z])[^\n.:;]{{0,80}}?)?
        [ ](?:is|(?:would|should|must|will)[ ]be)(?![A-Za-z])
        (?:[ ](?:therefore|thus|hence|clearly|indeed)(?![A-Za-z]))?{_GAP}:?
    )
  | (?:答案(?:选项)?|正确的?选项){_GAP}(?:应该|应当|应|就)?(?:(?:是|为|选){_GAP}:?|:)
  | (?:故|应|因此|所以|综上(?:所述)?),?[ ]*(?:本题|此题|答案)?应?选(?:择)?{_GAP}:?
  | <answer>
  | (?:^|\n)[ \t]*[#*_]+[ \t]*(?:the[ ]|final[ ]|correct[ ])*(?:answer|答案)[*_#: \t]*(?=\n)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])")
_QUOTED = re.compile(r"\s*\"([^\"\n]*)\"")
_LETTER_BEHIND = re.compile(r"(?P<text>.+?)\s*\((?:option\s+)?(?P<letter>[A-Z])\)", re.IGNORECASE)
_EDGE = r"(?:[\s*_`$\"'.。]|\\[()\[\]])+"
_EDGES = re.compile(rf"^{_EDGE}|{_EDGE}$")
_WRAPPED = re.compile(rf"{_WRAPPER}\s*\{{([^{{}}]*)\}}")


def chosen(answer: str, letters: str, options: Sequence[str]) -> str | None:
    """The one letter of `letters` that `answer` (a text after its thought) names, None if it names none or several.

    `letters` are the question's own ("ABCD"), capital, in the order of `options`.
    """
    text = _TOKENS.sub("", answer.translate(_TWINS)).strip()
    texts = [_plain(option.translate(_TWINS)) for option in options]
    said = None
    for place, strict in _places(text):
        said = _named(place, letters, texts) if strict else _alone(place, letters)
        if said is not None:
            break
    return (_echoed(text, letters, texts) if said is None else said) or None


def _places(text: str) -> Iterator[tuple[str, bool]]:
    """The places of a text from the last to the first; the last line comes with False, for it may hold a letter only."""
    yield text.rpartition("\n")[2], False
    boxes = [box.start() for box in _BOX.finditer(text)]
    starts = [(start, text[start:end]) for start, end in zip(boxes, [*boxes[1:], len(text)], strict=False)]
    ends = [(mark.end(), None) for mark in _MARK.finditer(text)]
    for start, box in sorted([*starts, *ends], key=lambda one: one[0], reverse=True)[:_MOST]:
        place = _line(text, start) if box is None else last_boxed(box)
        if place:
            yield place, True


def _line(text: str, start: int) -> str:
    """What is left of the line, or the next line with something on it when only signs are left."""
    end = start
    while end < len(text):
        newline = text.find("\n", end)
        end = len(text) if newline < 0 else newline
        if any(character.isalnum() for character in text[start : min(end, start + _LONGEST)]):
            break
        end += 1
    return text[start : min(end, start + _LONGEST)]


def _alone(line: str, letters: str) -> str | None:
    """A line that is a capital letter in any dress but a box. One that the question does not have says nothing here."""
    match = None if _BOX.search(line) else _ALONE.fullmatch(line[:_LONGEST])
    return match["letter"] if match and match["letter"] in letters else None


def _named(place: str, letters: str, texts: Sequence[str]) -> str | None:
    """The letter at the head of a place, or of the option that it spells out; NOTHING; None if it is about other things."""
    quoted = _QUOTED.match(place)
    for spelt in [place, *(quoted.groups() if quoted else ())]:
        echoed = _option(spelt, letters, texts)
        if echoed and len(_plain(spelt)) > 1:
            return echoed
    behind = _LETTER_BEHIND.match(place[: max(map(len, texts)) + _DRESS])
    if behind and _option(behind["text"], letters, texts) == behind["letter"]:
        return behind["letter"]
    match = _LETTER.match(place[:_LONGEST])
    if match is None:
        return None
    letter, rest = match["letter"].upper(), place[match.end() :]
    lone = not rest.strip(" \t.。!")
    if not lone and (match["letter"].islower() or not _stands_alone(match, rest, letters, texts)):
        return None
    if _SEVERAL.match(rest):
        return NOTHING
    if letter in letters:
        return letter
    # Options may be letters themselves: elements, variables. A lower-case letter that is none of them is just a symbol.
    return _option(match["letter"], letters, texts) or (NOTHING if match["letter"].isupper() else None)


def _stands_alone(match: re.Match[str], rest: str, letters: str, texts: Sequence[str]) -> bool:
    """Whether the letter is a label, and not the first word or sign of something else ("A strong acid", "C = 4")."""
    if _ENDS.match(rest) or _GOES_ON.match(rest) or _SEVERAL.match(rest):
        return True
    if _ASIDE.match(rest):
        return match["letter"] not in "AI" or bool(_WHOLE_ASIDE.match(rest))
    if rest[:1].isalnum() or rest[:1] in "^=+-/\\":
        return False
    own = texts[letters.index(match["letter"])] if match["letter"] in letters else ""
    return bool(match["close"]) or (bool(own) and _plain(rest[: len(own) + _DRESS].lstrip(" .:")).startswith(own))


def _echoed(text: str, letters: str, texts: Sequence[str]) -> str | None:
    """The option that a line of its own repeats, with or without its label, if no other option is repeated as well."""
    found = set()
    for line in (text, *text.split("\n")):
        label = _LABEL.match(line)
        labelled = label and _option(label["text"], letters, texts) == label["letter"]
        found.add(label["letter"] if label and labelled else _option(line, letters, texts))
    found.discard(None)
    return found.pop() if len(found) == 1 else None


def _option(spelt: str, letters: str, texts: Sequence[str]) -> str | None:
    """The letter of the only option with this text; case counts when it tells two options apart."""
    if len(spelt) > max(map(len, texts)) + _DRESS:
        return None
    plain = _plain(spelt)
    pairs = [(letter, text) for letter, text in zip(letters, texts, strict=True) if text]
    found = [letter for letter, text in pairs if text == plain]
    found = found or [letter for letter, text in pairs if text.casefold() == plain.casefold()]
    return found[0] if len(found) == 1 else None


def _plain(text: str) -> str:
    """Without what is only dress at its ends, and with single spaces."""
    while True:
        less = _EDGES.sub("", text)
        wrapped = _WRAPPED.fullmatch(less)
        less = wrapped[1] if wrapped else less
        if less == text:
            return " ".join(text.split())
        text = less
