"""One answer that follows and one that breaks an instruction of IFEval's kinds, written for this comparison: `~` is a line break.

(name of the instruction in lm-eval's registry, its arguments, an answer that follows it, one that does not)
"""

from typing import Any

INSTRUCTIONS: list[tuple[str, dict[str, Any], str, str]] = [
    ("punctuation:no_comma", {}, "It rains and then it stops.", "It rains, then it stops."),
    (
        "change_case:english_lowercase",
        {},
        "the weather is fine today.",
        "The weather is fine today.",
    ),
    (
        "change_case:english_capital",
        {},
        "THE WEATHER IS FINE TODAY.",
        "THE WEATHER IS fine TODAY.",
    ),
    ("detectable_format:json_format", {}, '```json~{"weather": "fine"}~```', "The weather is fine."),
    ("detectable_format:title", {}, "<<A fine day>>~~It was one.", "A fine day~~It was one."),
    ("detectable_format:number_bullet_lists", {"num_bullets": 3}, "* sun~* rain~* wind", "* sun~* rain"),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Section", "num_sections": 2},
        "Section 1~Sun.~~Section 2~Rain.",
        "Section 1~Sun.",
    ),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.S."},
        "It was fine.~~P.S. It rained later.",
        "It was fine. It rained later.",
    ),
    ("startend:quotation", {}, '"It was a fine day."', "It was a fine day."),
    ("startend:end_checker", {"end_phrase": "That is all."}, "It was fine. That is all.", "That is all. It was fine."),
    (
        "keywords:existence",
        {"keywords": ["harbour", "lantern"]},
        "A lantern hung over the harbour.",
        "A lamp hung over the harbour.",
    ),
    ("keywords:forbidden_words", {"forbidden_words": ["rain"]}, "It was dry.", "There was rain."),
    (
        "keywords:frequency",
        {"keyword": "salt", "frequency": 2, "relation": "at least"},
        "Salt on salt.",
        "Salt on bread.",
    ),
    (
        "length_constraints:number_words",
        {"num_words": 8, "relation": "less than"},
        "Four words are enough.",
        "This answer has far more words than it may have.",
    ),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 3, "relation": "less than"},
        "It rained. It stopped.",
        "It rained. It stopped. It rained. It stopped.",
    ),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        "First.~***~Second.",
        "First.~***~Second.~***~Third.",
    ),
    ("combination:two_responses", {}, "It rained.~******~It poured.", "It rained. It poured."),
]
