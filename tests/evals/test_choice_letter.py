"""Which option an answer names, on answers as thinking models write them. The questions are invented."""
# ruff: noqa: RUF001  (full-width signs are what Chinese answers are written with)

import time

import pytest

from mot_plugin.evals.choice_letter import chosen

CELL = ("The mitochondrion", "The nucleus", "The ribosome", "The Golgi apparatus")
CITIES = ("伦敦", "巴黎", "罗马", "柏林")
SUMS = tuple(f"{number} m/s" for number in range(2, 22, 2))  # 2 m/s to 20 m/s, A to J

# Answers to CELL that name C, its ribosome.
RIGHT = [
    "Answer: C",
    "answer: C",
    "ANSWER: C",
    "ANSWER: [C]",
    "Answer: (C)",
    "Answer: C.",
    "Answer: C\n",
    "Answer: c",
    "Answer: **C**",
    "**Answer: C**",
    "**Answer:** C",
    "**Answer**: C",
    "__Answer:__ `C`",
    "Answer: $C$",
    r"Answer: $\text{C}$",
    r"Answer: \(\boxed{C}\)",
    "Answer: “C”",
    "Answer - C",
    "Answer:\n\nC",
    "**Final Answer:**\n\n**C**",
    "### Final Answer\n\n**C. The ribosome**\n\n### Why\n\nIt reads messenger RNA.",
    "Final answer: Option C",
    "Final answer: option (C)",
    "Answer choice: C",
    "Answer: C) The ribosome",
    "Answer: C. The ribosome",
    "Answer: C.The ribosome",
    "Answer: C The ribosome",
    "Answer: C - The ribosome",
    "Answer: C \N{EM DASH} it reads messenger RNA",
    "Answer: C (the ribosome)",
    "Answer: C, because A and B only store things.",
    "Answer: C, not B",
    "Answer: C is correct.",
    "Answer: The ribosome",
    "Answer: the ribosome.",
    "Answer: The ribosome (C)",
    "The answer is C.",
    "The answer is (C).",
    "The answer is **(C)**, the ribosome.",
    "The correct answer is: **C. The ribosome**",
    "Therefore, the correct answer is:\n\n**C. The ribosome**",
    "So the correct option is C because it reads messenger RNA.",
    "Thus the best choice is **C**",
    "The correct answer to this question is **C**.",
    "The answer should be C.",
    "The answer is therefore C",
    "The correct answer is option C.",
    r"\boxed{C}",
    r"$\boxed{C}$",
    r"\[\boxed{C}\]",
    r"\boxed{\text{C}}",
    r"\boxed{\text{(C)}}",
    r"\boxed{\textbf{C}}",
    r"\boxed{(C)}",
    r"\boxed{C. The ribosome}",
    r"\boxed{C \text{ The ribosome}}",
    r"\boxed{\text{The ribosome}}",
    r"\boxed{\boxed{C}}",
    r"First \boxed{A}, but no: \boxed{C}",
    '"answer": "C"',
    '{"answer": "C"}',
    '{"answer": "(C)"}',
    '{"answer": "C. The ribosome"}',
    '{"answer": "The ribosome", "confidence": 0.9}',
    '{"answer": ["C"]}',
    "{'answer': 'C'}",
    '```json\n{\n  "reasoning": "A is wrong, B is wrong.",\n  "answer": "C"\n}\n```',
    '{"answer_letter": "C"}',
    "<answer>C</answer>",
    "<answer> (C) </answer>",
    "Ribosomes translate.\n\nC",
    "Ribosomes translate.\n\n**C**",
    "Ribosomes translate.\n\n(C)",
    "Ribosomes translate.\n\nC.",
    "Ribosomes translate.\n\n> C)",
    "Ribosomes translate.\n\n- **C**",
    "Ribosomes translate.\n\n### C",
    "Ribosomes translate.\n\nOption C",
    "Ribosomes translate.\n\n$\\mathrm{C}$",
    "C",
    "The ribosome",
    "The ribosome.",
    "Ribosomes translate.\n\n**C) The ribosome**",
    "Ribosomes translate.\n\n(C) The ribosome",
    "**The ribosome**\n\nIt reads messenger RNA and builds proteins.",
    "Answer: A\n\nWait, that stores energy.\n\nAnswer: C",
    "The answer is A at first sight. But proteins come from elsewhere. The answer is C.",
    "A) stores energy\nB) stores DNA\nC) makes proteins\nD) packs them\n\nAnswer: C\n\nI hope this helps! Do ask again.",
    "Is it A? No. B? No.\n\n**Answer: C**\n\n**Explanation:** A gives energy, B holds DNA, D packs.",
    "Answer: C<|im_end|>",
    "Answer: C\n<|im_end|>\n<|endoftext|>",
    "Answer: C</s>",
    "Ribosomes translate.\n\nC<|im_end|>",
    "Ribosomes translate.\n\n**C**<｜end▁of▁sentence｜>",
    "Answer\N{FULLWIDTH COLON} \N{FULLWIDTH LATIN CAPITAL LETTER C}",
    'The last line has the form "Answer: $LETTER".\n\nAnswer: C',
    "The answer is not A. The answer is C.",
]

# Answers to CELL that name nothing that is an option.
SILENT = [
    "",
    "\n\n",
    "I cannot answer this question.",
    "I'm sorry, but I can't help with that.",
    "I think A cell has many parts.",
    "A is wrong, B is wrong, and C is doubtful, I would say.",
    "It must be C or so, all things considered",
    "Vitamin C",
    "Answer:",
    "Answer: [LETTER]",
    "Answer: $LETTER",
    "Answer: none of them",
    "Answer: A cell without a nucleus",
    "Answer: A (strong) acid would do it",
    "Answer: C-14 dating",
    "Answer: C\N{EN DASH}H bonds",
    "Answer: C atoms are there",
    "Answer: C = 4",
    "Answer: C_6",
    "Answer: Carbon",
    "Answer: 3",
    "Answer: E",
    "Answer: X",
    "Answer: A or C",
    "Answer: A and C",
    "Answer: A, C",
    "Answer: A/C",
    "Answer: AC",
    "The answer is either A or C.",
    "The answer is A or C, depending on the cell.",
    "The answer is not C.",
    "The answer is a matter of taste.",
    "The answer is a, well, hard one.",
    "The answer is A cell.",
    "The answer is I don't know.",
    "The wrong answer is C.",
    "Incorrect option: C",
    r"\boxed{}",
    r"\boxed{C",
    r"\boxed{3}",
    r"\boxed{E}",
    r"\boxed{A \cap C}",
    r"\boxed{C = 4}",
    r"\boxed{x}",
    '{"answer": null}',
    '{"answer": 2}',
    '{"answer": "E"}',
    "Let me think.\n\nE",
    "Let me think.\n\nc",
    "It is the ribosome that does it.",
    "The ribosome or the nucleus",
    "A) The mitochondrion\nB) The nucleus\nC) The ribosome\nD) The Golgi apparatus",
    "C) The nucleus",
    "Answer: C\n\nNo, rather\n\nAnswer: E",
]

CHINESE = [
    "答案：C",
    "答案:C",
    "答案：Ｃ",
    "**答案：C**",
    "**答案**：C",
    "答案： C。",
    "答案：【C】",
    "答案：（C）",
    "答案：[C]",
    "答案：C. 罗马",
    "答案：C、罗马",
    "答案：罗马",
    "答案是C",
    "答案是：C",
    "答案为C。",
    "答案为 **C**，因为罗马是首都。",
    "答案应该是C",
    "正确答案是：**C. 罗马**",
    "正确答案是C选项。",
    "正确选项是 C",
    "因此，答案选C。",
    "故选：C。",
    "故选C",
    "因此选 C",
    "所以本题应选C。",
    "综上所述，选C。",
    "A错误，B错误。\n\n答案：C",
    "答案：A\n\n不对，重新考虑。\n\n答案：C",
    "最后一行应为“答案：$LETTER”。\n\n答案：C",
    "意大利的首都是罗马。\n\n**C**",
    "意大利的首都是罗马。\n\nＣ",
    "罗马",
    "意大利的首都。\n\nC. 罗马",
    '{"答案": "C"}',
    r"因此 \boxed{C}",
]
CHINESE_SILENT = [
    "答案不是C",
    "答案：C语言",
    "答案是C罗",
    "答案：A股",
    "答案：A、C",
    "答案是A或C",
    "答案：E",
    "答案C是错误的",
    "我不知道。",
    "C选项不对，A选项也不对。",
]


@pytest.mark.parametrize("text", RIGHT)
def test_forms_of_an_answer(text: str) -> None:
    assert chosen(text, "ABCD", CELL) == "C"


@pytest.mark.parametrize("text", SILENT)
def test_what_names_no_option(text: str) -> None:
    assert chosen(text, "ABCD", CELL) is None


@pytest.mark.parametrize("text", CHINESE)
def test_chinese_forms(text: str) -> None:
    assert chosen(text, "ABCD", CITIES) == "C"


@pytest.mark.parametrize("text", CHINESE_SILENT)
def test_chinese_that_names_no_option(text: str) -> None:
    assert chosen(text, "ABCD", CITIES) is None


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Answer: I", "I"),
        ("Answer: I.", "I"),
        ("Answer: J", "J"),
        ("Answer: K", None),
        ("Answer: I think it is J", None),
        ("The speed doubles.\n\nI", "I"),
        (r"\boxed{18\ \text{m/s}}", None),
        (r"\boxed{18 m/s}", "I"),
        ("Answer: 18 m/s", "I"),
        ("v = 18 m/s\n\n18 m/s", "I"),
        ("10 m/s\n18 m/s", None),  # two options
        (r"So v = \boxed{18} m/s, which is option I." + "\n\nAnswer: I", "I"),
    ],
)
def test_ten_options(text: str, letter: str | None) -> None:
    assert chosen(text, "ABCDEFGHIJ", SUMS) == letter


@pytest.mark.parametrize(
    ("options", "text", "letter"),
    [
        (("I only", "II only", "I and II", "neither"), "Answer: I and II", "C"),
        (("A only", "B only", "A and B", "neither"), "Answer: A and B", "C"),  # the option's text, not two letters
        (("K", "T", "P", "V"), r"\boxed{K}", "A"),  # letters as options
        (("K", "T", "P", "V"), "Answer: T", "B"),
        (("B", "C", "D", "A"), "Answer: B", "B"),  # a label before a text
        (("mM", "Mm", "MM", "mm"), "Answer: mM", "A"),
        (("mM", "Mm", "MM", "mm"), "Answer: $MM$", "C"),
        (("$x^2$", "$x^3$", "x", "2x"), r"\boxed{x^2}", "A"),
        (("D. melanogaster", "E. coli", "S. cerevisiae", "H. sapiens"), "Answer: D. melanogaster", "A"),
        (("the same", "the same", "other", ""), "Answer: the same", None),
        (("A strong acid", "A weak acid", "A base", "A salt"), "The answer is A strong acid.", "A"),
        (("A strong acid", "A weak acid", "A base", "A salt"), "Answer: A salt", "D"),
        (("5", "25", "125", "625"), "Answer: 25", "B"),
        (("5", "25", "125", "625"), "It is 25 in all", None),
    ],
)
def test_options_that_look_like_something_else(options: tuple[str, ...], text: str, letter: str | None) -> None:
    assert chosen(text, "ABCD", options) == letter


@pytest.mark.parametrize(
    "text",
    [
        "Answer: " * 30000,
        "Answer:\n" * 30000,
        "* " * 100000,
        "**" * 100000 + "x",
        r"\boxed{" * 30000,
        " " * 200000 + "x",
        "Answer: " + "(" * 100000,
        "the answer to " * 20000,
        "The ribosome\n" * 20000 + "or not",
    ],
    ids=range(9),
)
def test_a_text_that_runs_in_circles_is_read_in_no_time(text: str) -> None:
    started = time.process_time()
    chosen(text, "ABCD", (*CELL[:3], "long " * 1000))
    assert time.process_time() - started < 5
