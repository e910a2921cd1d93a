"""Scorer of SimpleQA without a judge: does the answer say the reference in so many words? A floor, not a score.

It misses paraphrases, other spellings and other units, and counts the few texts that name the reference to deny it, or
beside others. What SimpleQA calls its score asks a judge (step `judge`, `simpleqa_verdict`); this number is called
`string_match` and must not stand in one column with those.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from mot_plugin.answers import split_thinking

Word = str | Decimal

_CHAT_TOKENS = re.compile(r"<\|[^<>|\n]{1,40}\|>|</?s>")  # of chat templates, where an engine did not take them out
_WORDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+(?:\.\d+)?|[^\W\d_]+")
_DROPPED = {"a", "an", "the"}
_ORDINALS = {"st", "nd", "rd", "th"}
_NAMES = "january february march april may june july august september october november december".split()
_MONTHS = {name[:3]: name for name in _NAMES} | {"sept": "september"} | {name: name for name in _NAMES}
_MOST_DIGITS = 25  # of a number that is compared as one

_KNOWING = "know|sure|certain|recall|remember|find|confirm|verify|determine|aware|provide|able|have|access|identify|say"
_FOUND = "known|available|documented|recorded|disclosed|determined|verified|confirmed"
_DECLINING = re.compile(
    rf"\b(?:i|we)(?: \w+)? (?:(?:do|did|can|could|am|was|were|are)(?: not|n't)|cannot|can't)(?: \w+){{0,2}}? (?:{_KNOWING})\b"
    r"|\bi(?:'m| am) (?:not (?:\w+ )?(?:sure|certain|aware|able|familiar)|unsure|unable|unaware|unfamiliar|sorry)\b"
    r"|\b(?:no|not enough|insufficient) (?:\w+ ){0,3}?(?:information|data|details|records?)\b"
    rf"|\b(?:not|isn't|cannot be|can't be) (?:\w+ )?(?:{_FOUND})\b"
    r"|\bunable to (?:find|determine|verify|confirm|provide|answer|identify)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Grade:
    """What became of one answer. `declined`: it says that it does not know, and not the reference.

    A truncated answer is never a hit and not counted as `no_answer` as well.
    """

    hit: bool
    declined: bool
    truncated: bool
    no_answer: bool


def answer_of(text: str) -> str | None:
    """What a raw text answers: the part after its thought, "" if there is none; None if the thought never ended."""
    thought = split_thinking(text)
    if thought.reasoning is not None and not thought.closed:
        return None
    return _CHAT_TOKENS.sub("", thought.answer).strip()


def grade(text: str, doc: Mapping[str, Any]) -> Grade:
    """Judge one raw answer to `doc` (a row with question and answer) by its words. Nothing inside its thought counts."""
    answer = answer_of(text)
    if not answer:
        return Grade(hit=False, declined=False, truncated=answer is None, no_answer=answer is not None)
    hit = says(answer, doc["answer"], doc["question"])
    declined = not hit and bool(_DECLINING.search(answer.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")))
    return Grade(hit, declined, truncated=False, no_answer=False)


def hits(doc: Mapping[str, Any], texts: Sequence[str]) -> list[float]:
    """1.0 or 0.0 for each of the k raw answers to `doc`: the reference in so many words."""
    return [float(grade(text, doc).hit) for text in texts]


def metrics(doc: Mapping[str, Any], texts: Sequence[str]) -> dict[str, float]:
    """The metrics of one question from its k raw answers, each a share of k.

    score and string_match, the same: the reference in so many words; declined: says that it does not know; truncated:
    thought not closed; no_answer: nothing after it; distinct: different texts. Raises ValueError for no texts.
    """
    k = len(texts)
    if k == 0:
        raise ValueError("a question without answers has no score")
    grades = [grade(text, doc) for text in texts]
    matched = sum(one.hit for one in grades) / k
    return {
        "score": matched,
        "string_match": matched,
        "declined": sum(one.declined for one in grades) / k,
        "truncated": sum(one.truncated for one in grades) / k,
        "no_answer": sum(one.no_answer for one in grades) / k,
        "distinct": len(set(texts)) / k,
    }


def process_results(doc: Mapping[str, Any], results: Sequence[str | Sequence[str]]) -> dict[str, float]:
    """lm-eval's entry: `results` holds one item, the k texts that keep_all left or the one of lm-eval's own filters."""
    kept = results[0]
    return metrics(doc, [kept] if isinstance(kept, str) else kept)


def says(answer: str, reference: str, question: str) -> bool:
    """Whether the words of `reference` stand in `answer` one after the other, as whole words and whole numbers.

    Case, accents, signs, articles and the order of a date do not count; a number may be more exact than the reference. Two
    references could be met by accident, and ask for more: words that the question says itself must be the whole answer,
    a lone number must be the only one in it that the question does not say.
    """
    wanted, asked, said = _words(reference), _words(question), _words(answer)
    if not wanted or len(wanted) > len(said):
        return False
    if _stands_in(wanted, asked):
        return len(said) == len(wanted) and _stands_in(wanted, said)
    if len(wanted) == 1 and isinstance(wanted[0], Decimal):
        numbers = {word for word in said if isinstance(word, Decimal) and word not in asked}
        return len(numbers) == 1 and _same(wanted[0], numbers.pop())
    return _stands_in(wanted, said)


def _stands_in(wanted: Sequence[Word], said: Sequence[Word]) -> bool:
    size = len(wanted)
    return any(
        all(map(_same, wanted, said[start : start + size]))
        for start in range(len(said) - size + 1)
        if _same(wanted[0], said[start])
    )


def _same(wanted: Word, said: Word) -> bool:
    """Equal, or a number that is the wanted one when rounded to the wanted one's last decimal."""
    if wanted == said or isinstance(wanted, str) or isinstance(said, str):
        return wanted == said
    last = int(wanted.as_tuple().exponent)
    return int(said.as_tuple().exponent) < last and said.quantize(Decimal(1).scaleb(last), ROUND_HALF_UP) == wanted


def _words(text: str) -> list[Word]:
    """Words without case, accents and articles, numbers as numbers, and dates as day, month, year."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    words: list[Word] = []
    for written in _WORDS.findall("".join(letter for letter in plain if not unicodedata.combining(letter))):
        digits = written.replace(",", "")
        if digits[0].isdecimal() and len(digits) <= _MOST_DIGITS:
            words.append(Decimal(digits))
        elif written in _DROPPED or (written in _ORDINALS and words and isinstance(words[-1], Decimal)):
            continue
        else:
            words.append(_MONTHS.get(digits, digits))
        _order_date(words)
    return words


def _order_date(words: list[Word]) -> None:
    """At the end of `words`: August 15, the 15th of August -> 15 august."""
    if len(words) >= 3 and words[-2] == "of" and _is_day(words[-3]) and words[-1] in _MONTHS:
        del words[-2]
    if len(words) >= 2 and words[-2] in _MONTHS and _is_day(words[-1]):
        words[-2:] = [words[-1], words[-2]]


def _is_day(word: Word) -> bool:
    return isinstance(word, Decimal) and 1 <= word <= 31
