r"""Stored outputs with a known truth: the forms in which thinking models answer, over invented problems.

A form is an answer with holes: `@` is what it says in the end, `#` is something else that stands there too. Each is filled with the
reference (true) and with another answer (false), behind thoughts of several kinds that name the opposite.
What is said in the end is known because it was put there.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from evaluation_instructions import INSTRUCTIONS


@dataclass(frozen=True)
class Case:
    """One stored text, the row that was asked (as our tasks have it), whether its answer is the right one; None: not known."""

    kind: str
    form: str
    text: str
    doc: dict[str, Any]
    truth: bool | None = None


INTEGERS = r"""
\boxed{@}
**Answer:** $\boxed{@}$
$$\boxed{@}$$
\[\boxed{@}\]
\(\boxed{@}\)
Therefore, the final answer is: $\boxed{@}$. I hope it is correct.
\boxed{@.0}
\boxed{@.}
\boxed{ @ }
\boxed {@}
\boxed @
\fbox{@}
\boxed{+@}
\boxed{\text{@}}
\boxed{\textbf{@}}
\boxed{\mathbf{@}}
\boxed{\mathrm{@}}
\boxed{\displaystyle @}
\boxed{{@}}
\boxed{$@$}
\boxed{@^\circ}
\boxed{@^{\circ}}
\boxed{m+n=@}
\boxed{N = @}
\boxed{\,@\,}
\boxed{@}<|im_end|>
$\boxed{@}$~~So there are @ ways.
At first \boxed{#}, but checking it again gives \boxed{@}.
\boxed{#} was too quick: \boxed{@}
\boxed{\boxed{@}}
\boxed{@} and in other words \boxed{
| result |~| --- |~| $\boxed{@}$ |
```~\boxed{@}~```
答案是 $\boxed{@}$
It costs $5 and $7 to begin with, hence \boxed{@}
Question: what is left?~~\boxed{@}
\boxed{@ \text{ ways}}
\boxed{\frac{2 \cdot @}{2}}
The answer is @.
Answer: @
**@**
The number of ways is $@$.
""".strip().split("\n")
PADDED = [(r"\boxed{0@}", "@"), (r"\boxed{@}", "0@"), (r"\boxed{0@}", "0@")]  # forms, and how the reference is written
THOUSANDS = [r"\boxed{1,@}", r"\boxed{1{,}@}", r"\boxed{1\,@}", r"\boxed{1@}", r"$\boxed{1,\!@}$"]
NO_INTEGER = [
    r"\boxed{@ \text{ or } #}",
    r"\boxed{@, #}",
    r"\boxed{-@}",
    r"\boxed{@.5}",
    r"\boxed{}",
    "",
    "I cannot solve this.",
]

LETTERS = r"""
Answer: @
ANSWER: @
ANSWER: [@]
Answer: (@)
Answer: **@**
**Answer: @**
**Answer:** @
Answer: @.
Answer: @) ~text~
Answer: @. ~text~
Answer: $\boxed{@}$
The answer is (@).
The answer is @.
The answer is **@**.
The correct answer is @) ~text~.
The correct option is @.
Therefore, the best choice is (@).
@
(@)
**@**
@.
\boxed{@}
\boxed{(@)}
\boxed{\text{@}}
$\boxed{\textbf{@}}$
{"answer": "@"}
```json~{"answer": "@"}~```
<answer>@</answer>
### Final answer~~@
Answer: @<|im_end|>
A strong case can be made for #, but it fails. Answer: @
Many would say that the answer is #. They overlook the date. The answer is @.
Answer: #~~Wait, that is not it. Answer: @
Answer: @~~(# is what a hasty reader would take.)
Answer: @, not #
The answer is ~text~.
""".strip().split("\n")
CHINESE = [  # a full-width colon and brackets, and `&` for the letter in full width
    *(
        "答案\uff1a@",
        "答案:@",
        "**答案\uff1a@**",
        "答案\uff1a@。",
        "答案是@",
        "答案为 @",
        "正确答案是\uff08@\uff09。",
        "故选@。",
    ),
    *(
        "因此选@",
        "综上所述\uff0c正确选项为@。",
        "@",
        r"\boxed{@}",
        "答案\uff1a#~~不对\uff0c重新计算。答案\uff1a@",
        "答案\uff1a&",
    ),
]
NO_LETTER = ["Answer: @ or #", "Answer: none of them", "I cannot tell.", "", "Answer: Z"]

CUT_OFF = 8
"""Every so many forms there is a thought that was cut off, with the reference in it."""
OPTIONS = "amber basalt cobalt dolerite enamel flint garnet halite ilmenite jasper".split()
THOUGHTS = ("<think>~Let me try. {}~Hm, wait. Let me do that again.~</think>~~", "It may be that {}~So.~</think>~~", "")
"""With both tags; with the second only, as behind a template that writes the first; an answer without a thought."""


def cases() -> Iterator[Case]:
    """All of them, always the same ones in the same order."""
    yield from integers()
    yield from letters("letters", 4, LETTERS)
    yield from letters("ten letters", 10, LETTERS)
    yield from letters("letters in Chinese", 4, CHINESE)
    yield from instructions()


def integers() -> Iterator[Case]:
    """AIME's kind of answer: 0 to 999, or 1000 more where thousands are parted."""
    plain = [(form, "1@" if form in THOUSANDS else "@") for form in [*INTEGERS, *THOUSANDS, *NO_INTEGER]]
    for number, (form, reference) in enumerate([*plain, *PADDED]):
        start = 11 if (form, reference) in PADDED else 101
        gold, other = start + 17 * number % 80, start + 1 + (29 + 17 * number) % 80
        doc = {"answer": reference.replace("@", str(gold))}
        for says, elsewhere in ((gold, other), (other, gold)):
            for thought in THOUGHTS:
                before = thought.format(rf"\boxed{{{reference.replace('@', str(elsewhere))}}}")
                text = before + form.replace("@", str(says)).replace("#", str(elsewhere))
                yield Case(
                    "integers", f"{form} for {reference}", broken(text), doc, form not in NO_INTEGER and says == gold
                )
        if number % CUT_OFF == 0:
            text = broken(rf"<think>~So \boxed{{{doc['answer']}}}? Let me")
            yield Case("integers", "cut off inside the thought", text, doc, truth=False)


def letters(kind: str, count: int, forms: list[str]) -> Iterator[Case]:
    """Questions with `count` options, each a word."""
    every = "ABCDEFGHIJ"[:count]
    for number, form in enumerate([*forms, *NO_LETTER]):
        gold, other = every[number % count], every[(number * 3 + 1 + number // count) % count]
        other = other if other != gold else every[(number + 1) % count]
        answers = form not in NO_LETTER
        doc = {"letters": every, "options": OPTIONS[:count], "gold": gold}
        for says, elsewhere in ((gold, other), (other, gold)):
            own = form.replace("~text~", OPTIONS[every.index(says)]).replace("@", says).replace("#", elsewhere)
            own = own.replace("&", chr(ord(says) + 0xFEE0))
            for thought in THOUGHTS:
                text = thought.format(f"the answer is ({elsewhere}). Answer: {elsewhere}") + own
                yield Case(kind, form, broken(text), doc, answers and says == gold)
        if number % CUT_OFF == 0:
            text = broken(f"<think>~The answer is ({gold}). But")
            yield Case(kind, "cut off inside the thought", text, doc, truth=False)


def instructions() -> Iterator[Case]:
    """IFEval's: an answer that follows, one that does not, behind thoughts that do the opposite of what is asked."""
    for number, (name, kwargs, follows, breaks) in enumerate(INSTRUCTIONS):
        doc = {"key": number, "prompt": f"Do as told ({name}).", "instruction_id_list": [name], "kwargs": [kwargs]}
        for answer, truth in ((follows, True), (breaks, False)):
            for thought in THOUGHTS:
                text = thought.format(f"{breaks}~{json.dumps(kwargs)}, and So ON; P.P.S. <<x>> * y") + answer
                yield Case("instructions", name, broken(text), doc, truth)
            yield Case(
                "instructions",
                f"{name}, end token",
                broken(f"{THOUGHTS[0].format('Well, ...')}{answer}<|im_end|>"),
                doc,
                truth,
            )
        if number % CUT_OFF == 0:
            yield Case("instructions", "cut off inside the thought", broken(f"<think>~{follows}"), doc, truth=False)


def broken(text: str) -> str:
    """Forms have a line each: `~` is a line break in them."""
    return text.replace("~", "\n")
