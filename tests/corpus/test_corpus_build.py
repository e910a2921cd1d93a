"""Step `corpus`: from recorded answers to a folder that LLaMA-Factory reads."""

import hashlib
import json
import random
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from corpus_samples import completion, contents, line, read_jsonl
from pydantic import ValidationError

from mot_plugin.corpus.build import Config, run
from mot_plugin.errors import CheckFailed, FileError, MissingInput
from mot_plugin.lengths import token_count

Make = Callable[..., Config]

LONG = "This takes a while. " * 100
ROWS = [
    line("c", completion(24), completion(25, "first"), completion(25, "second"), completion(25, reason="length")),
    line("a", completion("025")),
    line("e", completion(24), {"text": "<think>\n\\boxed{25}", "finish_reason": "length"}),
    line("b", completion(25, LONG)),
    line("d", completion(25, LONG), completion(25, "short"), completion(25, LONG)),
]


def build(config: Config) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Provenance and summary of what the step writes."""
    run(config)
    out = Path(config.out)
    return read_jsonl(out / "provenance.jsonl"), json.loads((out / "summary.json").read_text())


def test_a_corpus_folder(corpus_config: Make) -> None:
    config = corpus_config(ROWS)
    origins, summary = build(config)
    rows = read_jsonl(Path(config.out) / "corpus.jsonl")

    assert [origin["id"] for origin in origins] == ["a", "c", "d"]
    assert list(origins[0]) == ["id", "teacher", "sample", "tokens", "references", "sha256"]
    assert origins[2]["sample"] == 1
    assert origins[1]["sample"] in (1, 2)
    user, assistant = rows[0]["messages"]
    assert user == {"role": "user", "content": "Problem a?\nUse {braces} and \\boxed{}."}
    assert assistant["content"] == "<think>\nLet me add the two numbers.\n</think>\n\nIt is \\boxed{025}."
    assert origins[0]["sha256"] == hashlib.sha256(assistant["content"].encode()).hexdigest()
    tokens = [origin["tokens"] for origin in origins]
    assert tokens[0] == token_count(Path(config.tokenizer))(user["content"], assistant["content"])

    assert summary.pop("rule") == {
        "verify": "answers",
        "compared_by": f"math-verify {version('math-verify')}",
        "overlong": "resample",
        "max_tokens": 1000,
        "seed": 3,
        "prompt": config.prompt,
    }
    file = {"name": "qwq.jsonl", "sha256": hashlib.sha256(Path(config.traces).read_bytes()).hexdigest()}
    assert summary.pop("traces") == {"format": "mot", "named": None, "files": [file]}
    too_long = summary.pop("too_long_samples")
    assert too_long in (1, 2, 3)  # b's one, and those of d that were drawn before its short one
    assert summary == {
        "name": "TOY-3-QWQ",
        "source": "toy-3",
        "teacher": "qwq",
        "prompts": 5,
        "samples": 11,
        "kept": 3,
        "dropped": {"no_correct_sample": 1, "too_long": 1},
        "verdicts": {"correct": 7, "truncated": 2, "wrong": 2},
        "not_in_source": 0,
        "tokens": {"min": min(tokens), "median": sorted(tokens)[1], "max": max(tokens), "total": sum(tokens)},
    }


def test_llama_factory_finds_the_rows(corpus_config: Make) -> None:
    config = corpus_config(ROWS)
    run(config)
    info = json.loads((Path(config.out) / "dataset_info.json").read_text())
    assert info == {
        "qwq": {
            "file_name": "corpus.jsonl",
            "formatting": "sharegpt",
            "columns": {"messages": "messages"},
            "tags": {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
                "system_tag": "system",
            },
        }
    }


def test_the_order_of_the_file_changes_nothing(corpus_config: Make) -> None:
    rows = [line(f"p{n}", *(completion(25, f"thought {k}") for k in range(5))) for n in range(20)]
    run(corpus_config(rows, "one"))
    random.Random(1).shuffle(rows)
    two = corpus_config(rows, "two")
    run(two)
    one, other = contents(Path(two.out).with_name("one")), contents(Path(two.out))
    for files in (one, other):  # these say which file it was
        del files["README.md"]
        files["summary.json"] = json.dumps(json.loads(files["summary.json"]) | {"traces": None}).encode()
    assert one == other


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_rows(corpus_config: Make) -> None:
    rows = [line(f"p{n}", *(completion(25, f"thought {k}") for k in range(5))) for n in range(20)]
    configs = [corpus_config(rows, "one"), corpus_config(rows, "two"), corpus_config(rows, "three", seed=4)]
    for config in configs:
        run(config)
    one, two, three = (contents(Path(config.out)) for config in configs)
    assert one == two
    assert one["corpus.jsonl"] != three["corpus.jsonl"]


def test_more_prompts_change_no_choice(corpus_config: Make) -> None:
    rows = [line(f"p{n}", *(completion(25, f"thought {k}") for k in range(5))) for n in range(10)]
    some, _ = build(corpus_config(rows[3:6], "some"))
    every, _ = build(corpus_config(rows, "every"))
    assert some == every[3:6]


def test_truncated_samples_are_never_chosen(corpus_config: Make) -> None:
    cut = [completion(25, reason="length") for _ in range(15)]
    rows = [line(f"p{n}", *cut[:7], completion(25), *cut[7:]) for n in range(10)]
    origins, summary = build(corpus_config(rows))
    assert {origin["sample"] for origin in origins} == {7}
    assert summary["verdicts"] == {"correct": 10, "truncated": 150}


@pytest.mark.parametrize(("overlong", "kept", "dropped"), [("drop", 0, 2), ("resample", 1, 1), ("truncate", 2, 0)])
def test_overlong(corpus_config: Make, overlong: str, kept: int, dropped: int) -> None:
    other = "short" if overlong == "resample" else LONG  # the other modes look at one sample only, whichever it is
    rows = [line("a", completion(25)), line("b", completion(25, LONG))]
    rows.append(line("d", completion(25, LONG), completion(25, other)))
    config = corpus_config(rows, overlong=overlong)
    origins, summary = build(config)
    assert summary["kept"] == len(origins) == 1 + kept
    assert summary["dropped"] == ({"too_long": dropped} if dropped else {})
    assert summary["too_long_samples"] >= 1
    assert (summary["tokens"]["max"] > config.max_tokens) == (overlong == "truncate")
    if overlong == "resample":
        assert origins[1]["sample"] == 1


def test_a_row_of_exactly_the_limit_fits(corpus_config: Make) -> None:
    rows = [line("a", completion(25))]
    origins, _ = build(corpus_config(rows))
    _, summary = build(corpus_config(rows, "exact", max_tokens=origins[0]["tokens"]))
    assert summary["too_long_samples"] == 0
    with pytest.raises(CheckFailed):
        run(corpus_config(rows, "less", max_tokens=origins[0]["tokens"] - 1))


def test_unverified_samples_are_kept_where_that_is_asked_for(corpus_config: Make) -> None:
    rows = [line("a", completion(1), completion(2), reference=None), line("b", completion(24))]
    origins, summary = build(corpus_config(rows, verify="none"))
    assert [origin["id"] for origin in origins] == ["a", "b"]
    assert origins[0]["references"] == []
    assert summary["verdicts"] == {"unverified": 3}
    assert summary["dropped"] == {}


def test_prompts_without_a_usable_reference_are_dropped(corpus_config: Make) -> None:
    proof = "Suppose that the sum of two odd numbers were odd, then one of them would be even, which it is not."
    rows = [
        line("a", completion(25)),
        line("b", completion(1), reference=None),
        line("c", completion(2), reference=proof),
    ]
    rows.append(line("d", completion(25), reference=[proof, "25"]))
    origins, summary = build(corpus_config(rows))
    assert [origin["id"] for origin in origins] == ["a", "d"]
    assert summary["verdicts"] == {"correct": 2, "unverifiable": 2}
    assert summary["dropped"] == {"unverifiable": 2}


def test_formulas_are_compared(corpus_config: Make) -> None:
    rows = [line("a", completion(r"\sqrt{8}"), completion(3), reference=r"2\sqrt{2}"), line("b", completion("x"))]
    origins, summary = build(corpus_config(rows))
    assert [(origin["id"], origin["sample"]) for origin in origins] == [("a", 0)]
    assert summary["verdicts"] == {"correct": 1, "wrong": 2}


def test_line_separators_stay_inside_a_row(corpus_config: Make) -> None:
    config = corpus_config([line("a", completion(25, "one\u2028two\u0085three\r\n"))])
    run(config)
    assert (Path(config.out) / "corpus.jsonl").read_bytes().count(b"\n") == 1
    assert "one\u2028two\u0085three\r" in read_jsonl(Path(config.out) / "corpus.jsonl")[0]["messages"][1]["content"]


def test_nothing_to_train_on_says_why(corpus_config: Make) -> None:
    config = corpus_config([line("a", completion(24), completion(25, reason="length")), line("b", completion(23))])
    with pytest.raises(CheckFailed) as caught:
        run(config)
    said = str(caught.value)
    assert said.startswith(f"{config.traces}: none of 2 prompts has a sample to train on\n")
    assert "prompts  no_correct_sample 2\n  samples  wrong 2, truncated 1\n" in said
    assert "wrong: the references may be of other problems" in said
    assert not Path(config.out).exists()


def test_only_prompts_without_references_say_what_to_do(corpus_config: Make) -> None:
    rows = [line("a", completion(24), reference=None), line("b", completion(25, reason="length"), reference=None)]
    with pytest.raises(CheckFailed) as caught:
        run(corpus_config(rows))
    said = str(caught.value)
    assert "prompts  unverifiable 2\n  samples  truncated 1, unverifiable 1\n" in said
    assert "set verify: none to train on unverified traces" in said


def test_only_too_long_rows_point_at_the_limit(corpus_config: Make) -> None:
    with pytest.raises(CheckFailed, match=r"too_long 1(?s:.)*may have 9 tokens \(sft\.cutoff_len\)"):
        run(corpus_config([line("a", completion(25))], max_tokens=9))


def test_missing_inputs(corpus_config: Make, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no such file"):
        run(corpus_config([], traces=str(tmp_path / "absent.jsonl")))
    with pytest.raises(MissingInput, match="no chat template"):
        run(corpus_config(ROWS, tokenizer=str(tmp_path)))
    with pytest.raises(FileError, match="is empty"):
        run(corpus_config([]))


@pytest.mark.parametrize(
    "changed",
    [{"prompt": "no place"}, {"max_tokens": 0}, {"overlong": "cut"}, {"verify": True}, {"sede": 1}, {"format": "x"}],
)
def test_wrong_configs_are_refused(corpus_config: Make, changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        corpus_config(ROWS, **changed)
