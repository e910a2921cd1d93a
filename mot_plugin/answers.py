"""What a completion finally answers, and whether that is the reference: filters teachers' samples, scores students.

"Correct" in the paper (sec. 3.1 and 4.1) means that the final answer matches the reference. Only the text after the
thought is asked: a box in the middle of a thought that was cut off, or that changed its mind, is not an answer.
"""

import re
import threading
from dataclasses import dataclass

OPEN, CLOSE = "<think>", "</think>"

_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s*")
_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)  # an escaped brace is eaten with its backslash
_UNBRACED = re.compile(r"[^\s${}]+")

_MATH_VERIFY_SECONDS = 5
_LONGEST = 2000  # characters of an answer that is still read: what a looping model boxes would take minutes
# Of 5,744 published answers to exercises (all of MATH-500 among them) 98 in 100 stay below both, of 4,167 solutions 10.
_LONGEST_REFERENCE, _MOST_WORDS = 500, 8

_THIN = r"\\[,;: ]|~|[\u00a0\u2009\u202f]"
_EDGE = rf"(?:\s|{_THIN}|\$|\*\*|\\[()\[\]]|\\(?:displaystyle|textstyle|bf|rm|it)(?![A-Za-z]))+"
_EDGES = re.compile(rf"^{_EDGE}|{_EDGE}$|(?<!\.)\.$")
_DEGREES = re.compile(r"\s*(?:\^\s*\{?\s*(?:\\circ|\\degree|o|°)\s*\}?|°|\\degree|\\textdegree)$")
_STYLE = r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|math(?:bf|it|rm|sf|tt)|boldsymbol|bm|[mhf]box|boxed|emph|underline)\s*"
_STYLED = re.compile(rf"{_STYLE}\{{([^{{}}]*)\}}")
_WRAPPED = re.compile(rf"(?:{_STYLE})?\{{([^{{}}]*)\}}")
_EQUALS = re.compile(r"(?<![<>!])(?<!\\not)=")  # "<=", "!=" and "\not=" say something else
_SEVERAL = re.compile(r"\b(?:or|and)\b|;|&|\\\\|\\(?:lor|vee|pm|mp|quad|qquad)(?![A-Za-z])")
_THOUSANDS_COMMA = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_INTEGER = re.compile(rf"([+-]?)\s*([1-9][0-9]{{0,2}}(?:(?:,|{_THIN})[0-9]{{3}})+|[0-9]+)(?:\.0*)?")
_BASE = re.compile(r"[0-9]\s*_\s*\{?\s*([0-9]+)")
_NOISE = re.compile(rf"\s|{_THIN}|\$|\\(?:left|right)(?![A-Za-z])")
_WORD = re.compile(r"[A-Za-z]{3,}")  # shorter ones may be letters of formulas, where x is not X
_PROSE = re.compile(r"(?<![\\A-Za-z])[^\W\d_]{2,4}")  # the start of a word, or four characters of Chinese
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{[a-z]*\*?\}")
_DERIVATION = re.compile(
    r"####|=>|\\(?:because|therefore|implies|iff|Rightarrow|Longrightarrow|Leftrightarrow)(?![A-Za-z])"
    r"|\\begin\s*\{(?:align|gather|equation)"
)


@dataclass(frozen=True)
class Thought:
    """A completion in two parts. `closed`: a `</think>` was there, so `answer` was said when the thought had ended."""

    reasoning: str | None
    answer: str
    closed: bool


def split_thinking(text: str) -> Thought:
    """Part a completion at its last `</think>`.

    The opening tag may be missing: the templates of QwQ and DeepSeek-R1 write it into the prompt. With an opening tag
    alone the thought is unfinished and the answer empty; a text with neither tag is all answer.
    """
    before, close, after = text.rpartition(CLOSE)
    if close:
        unindented = before.lstrip()
        reasoning = unindented.removeprefix(OPEN) if unindented.startswith(OPEN) else before
        return Thought(reasoning, after, closed=True)
    before, opened, after = text.partition(OPEN)
    if opened:
        return Thought(after, "", closed=False)
    return Thought(None, text, closed=False)


def last_boxed(text: str) -> str | None:
    r"""Content of the last complete, non-empty `\boxed{...}` or `\fbox{...}`; `\boxed 25` counts up to a space or $."""
    closing: dict[int, int] = {}
    opened: list[int] = []
    for brace in _BRACES.finditer(text):
        if brace[0] == "{":
            opened.append(brace.start())
        elif brace[0] == "}" and opened:
            closing[opened.pop()] = brace.start()
    for box in reversed(list(_BOX.finditer(text))):
        start = box.end()
        if text[start : start + 1] == "{":
            content = text[start + 1 : closing.get(start, start)]
        else:
            bare = _UNBRACED.match(text, start)
            content = bare[0].rstrip(".,;:") if bare else ""
        if content.strip():
            return content.strip()
    return None


def final_answer(text: str) -> str | None:
    """The boxed answer after the thought; None if the thought is unfinished or nothing is boxed."""
    return last_boxed(split_thinking(text).answer)


def as_integer(text: str) -> int | None:
    r"""The integer that a final answer states, read tolerantly: `025`, `1{,}000`, `\text{25}`, `m+n=25`, `25^\circ`.

    None for whatever is not one integer: `25.5`, `7 or 8`, `x=1, y=25`, `52_8`.
    """
    if len(text) > _LONGEST:
        return None
    for written, meant in (("{,}", ","), (r"\!", ""), (r"\$", ""), ("\N{MINUS SIGN}", "-")):
        text = text.replace(written, meant)
    text = _bare(text)
    head, tail = _at_last_equals(text)
    if head is not None:
        if _SEVERAL.search(text) or _has_outer_comma(_THOUSANDS_COMMA.sub("", head)):
            return None
        text = _bare(tail)
    number = _INTEGER.fullmatch(text)
    if number is None:
        return None
    magnitude = int(re.sub(r"[^0-9]", "", number[2]))
    return -magnitude if number[1] == "-" else magnitude


def same_answer(predicted: str, reference: str) -> bool:
    """Whether two final answers say the same: as integers, else as cleaned text, else by math_verify.

    Both may come boxed or bare, `reference` also as a worked solution that ends in a box. Never raises on odd input;
    math_verify gets a few seconds, after which the two count as different. Its alarm works in a process's main thread
    only, so another thread asks without a limit: `teachers.verify` is for answers that nobody has seen before.
    """
    decided = quickly(predicted, reference)
    if decided is not None:
        return decided
    main = threading.current_thread() is threading.main_thread()
    return by_mathematics(predicted, reference, _MATH_VERIFY_SECONDS if main else None)


def quickly(predicted: str, reference: str) -> bool | None:
    """What `same_answer` says where integers, text or number bases decide, in microseconds; None: it takes mathematics."""
    predicted, reference = _content(predicted), _content(reference)
    if max(len(predicted), len(reference)) > _LONGEST:
        return predicted.strip() == reference.strip()
    ours, theirs = as_integer(predicted), as_integer(reference)
    if ours is not None and theirs is not None:
        return ours == theirs
    cleaned = _cleaned(predicted)
    if not cleaned or cleaned == _cleaned(reference):
        return bool(cleaned)
    bases = _BASE.findall(predicted)
    if bases and bases != _BASE.findall(reference):
        return False  # math_verify drops the base: it would take 52_8 for 52
    return None


def by_mathematics(predicted: str, reference: str, seconds: int | None) -> bool:
    r"""What math_verify says. `seconds` is its own limit, twice (parse, verify), in a main thread only; None: no limit.

    Both sides are boxed, because it reads bare LaTeX worse (392 of 500 MATH references instead of 500). Nothing to catch:
    with `raise_on_error` left off it answers [] and False for all it cannot read or finish, a MemoryError too.
    """
    from math_verify import parse, verify

    gold, guess = (parse(rf"\boxed{{{_content(text)}}}", parsing_timeout=seconds) for text in (reference, predicted))
    return bool(verify(gold, guess, timeout_seconds=seconds))


def unverifiable(reference: str) -> str | None:
    """Why no answer can be checked against a reference, None if it can: `empty`, `long`, `prose` or `derivation`.

    A number, a word, a formula can be checked, and so can a worked solution by its last box. A proof cannot, nor can a
    solution without a box: whatever it is compared with, it would call wrong. Told by looks (length, words, signs of a
    derivation), because math_verify makes something of any text, at the least a string.
    """
    content = _content(reference)
    if len(content) > _LONGEST_REFERENCE:
        return "long"
    if not _cleaned(content):
        return "empty"
    if _DERIVATION.search(content):
        return "derivation"
    return "prose" if len(_PROSE.findall(_ENVIRONMENT.sub("", content))) > _MOST_WORDS else None


def verifiable(reference: str) -> bool:
    """Whether an answer can be checked against a reference at all; `unverifiable` says why not."""
    return unverifiable(reference) is None


def _content(text: str) -> str:
    return last_boxed(text) or text


def _bare(text: str) -> str:
    """Without what is only dress: spaces, dollars, styles, degrees, a final period."""
    while True:
        less = _DEGREES.sub("", _EDGES.sub("", text))
        wrapped = _WRAPPED.fullmatch(less)
        less = wrapped[1] if wrapped else less
        if less == text:
            return text
        text = less


def _at_last_equals(text: str) -> tuple[str | None, str]:
    equals = list(_EQUALS.finditer(text))
    if not equals:
        return None, text
    return text[: equals[-1].start()], text[equals[-1].end() :]


def _has_outer_comma(text: str) -> bool:
    r"""Commas inside brackets separate arguments (`\gcd(50, 75)`), those outside separate answers (`x=1, y`)."""
    depth = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            return True
    return False


def _cleaned(text: str) -> str:
    """Text with the LaTeX that changes only its looks taken out, for comparing as strings."""
    text = _bare(text.replace(r"\!", "").replace(r"\%", "%").replace(r"\dfrac", r"\frac").replace(r"\tfrac", r"\frac"))
    text = _NOISE.sub("", _STYLED.sub(r"\1", text))
    text = re.sub(r"([_^])\{([0-9A-Za-z])\}", r"\1\2", text)
    return text.casefold() if _WORD.fullmatch(text) else text
