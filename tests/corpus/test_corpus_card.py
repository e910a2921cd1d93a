"""The data card of a corpus folder: what it says, that it is always the same, and that hub and trainer understand it."""

import dataclasses
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from corpus_samples import Line, completion, contents, line, read_jsonl, write_jsonl
from hypothesis import given
from hypothesis import strategies as st

from mot_plugin.corpus import build, card, facts, reasons, union
from mot_plugin.errors import FileError, MissingInput
from mot_plugin.sources import step as source_step
from mot_plugin.sources.problems import read_problems
from mot_plugin.teachers import sampled
from mot_plugin.teachers.asking import Line as Asking
from mot_plugin.teachers.asking import Sampling, custom_id
from mot_plugin.teachers.draws import Draw
from mot_plugin.teachers.samples import Record
from mot_plugin.teachers.traces import Prompt, Sample
from mot_plugin.teachers.verdicts import ACCEPTABLE, Judge
from mot_plugin.teachers.verify import Verifier

Make = Callable[..., build.Config]

LONG = "This takes a while. " * 100
ROWS = [
    line("a", completion(25), completion(24), completion(25, reason="length")),
    line("b", completion(25, LONG)),
    line("c", {"text": "nothing", "finish_reason": "stop"}, completion(24)),
    line("d", {"text": "", "unusable": "no_answer_from_server"}, completion(25)),
]
TEMPERATURE = Sampling(
    n=4, temperature=0.6, top_p=0.95, top_k=None, max_tokens=160, extra={"min_p": 0.1}, max_tokens_total=9999
)


def text_of(config: build.Config | union.Config) -> str:
    return (Path(config.out) / "README.md").read_text(encoding="utf-8")


def built(config: build.Config) -> str:
    build.run(config)
    return text_of(config)


def front_matter(text: str) -> dict[str, Any]:
    return yaml.safe_load(text.split("---\n")[1])


def section(text: str, title: str) -> str:
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0].strip()


def cells(text: str, title: str) -> list[list[str]]:
    """The table of a section, without its ruler."""
    found = [row for row in section(text, title).split("\n") if row.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in (found[0], *found[2:])]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The folder of a source of ten sums, of which one is a benchmark's and eight are drawn."""
    rows = [
        {"q": f"Ada has {n} red boats and buys {n} more. How many boats has she now?", "a": str(2 * n)}
        for n in range(10)
    ]
    against = write_jsonl(
        tmp_path / "bench.jsonl", [{"id": "b1", "problem": rows[3]["q"]}, {"id": "b2", "problem": "2 + 2?"}]
    )
    made = source_step.Config(
        source_name="SUMS",
        rows=str(write_jsonl(tmp_path / "sums of mine.jsonl", rows)),
        format="columns",
        columns={"problem": "q", "reference": "a"},
        sample=8,
        seed=5,
        deduplicate=False,
        benchmarks={"mot_sums": str(against)},
        out=str(tmp_path / "source"),
    )
    source_step.run(made)
    return Path(made.out)


@pytest.fixture
def live(source: Path, corpus_config: Make, tmp_path: Path) -> build.Config:
    """The corpus of a model that was asked: each time wrong first, right then, and one problem never right."""
    asking = Asking("org/anna@main", TEMPERATURE, seed=5)
    every = read_problems(source / "problems.jsonl")
    answers = {problem.id: problem.references[0] for problem in every}
    never = every[0].id
    drawn = [
        (one, [Draw(0, "wrong", False, 40), *([] if one.id == never else [Draw(1, "correct", True, 60)])])
        for one in every
    ]

    def record(problem: Any, index: int) -> Record:
        said = completion(answers[problem.id] if index else "no idea")
        message = {"role": "assistant", "content": said["text"]}
        body = {"model": "/models/anna.gguf", "choices": [{"message": message, "finish_reason": "stop"}]}
        return Record(custom_id(problem.problem, index), {}, body | {"usage": {"completion_tokens": 50}}, None, {})

    out = tmp_path / "traces"
    out.mkdir()
    sampled.write(out, "anna", "{problem}", asking, drawn, record)
    return corpus_config(
        [],
        teacher="anna",
        traces=str(out / "traces.jsonl"),
        problems=str(source / "problems.jsonl"),
        asked=str(out / "summary.json"),
        source_name="SUMS",
        about={
            "student": "org/student@abc",
            "template": "qwen3",
            "source": str(source / "summary.json"),
            "source_license": "MIT",
            "licenses": {"anna": "apache-2.0"},
        },
    )


def test_a_card_of_recorded_traces(corpus_config: Make) -> None:
    config = corpus_config(ROWS, about={"student": "org/student@abc", "template": "qwen3"})
    text = built(config)
    traces = Path(config.traces).read_bytes()
    assert text.startswith("---\npretty_name: TOY-3-QWQ\nlicense: unknown\n")
    assert "# TOY-3-QWQ\n\n2 rows to fine-tune a student on" in text
    assert f"* `qwq.jsonl`, SHA-256 `{hashlib.sha256(traces).hexdigest()}`" in section(text, "Teachers")
    assert "recorded traces, format `mot`" in section(text, "Teachers")
    assert cells(text, "From samples to rows") == [
        ["teacher", "prompts", "asked", "returned", "stopped", "well-formed", "correct", "short enough", "chosen"],
        ["qwq", "4", "8", "7", "6", "5", "3", "2", "2"],
    ]
    said = section(text, "From samples to rows")
    assert "Prompts without a row: no_correct_sample 1, too_long 1." in said
    for verdict in ("correct", "wrong", "truncated", "unfinished", "no_answer_from_server"):
        assert f"* `{verdict}`: {reasons.of_sample(verdict).sentence}" in said
    assert re.search(r"or by math-verify \d", section(text, "What counts as right"))
    assert "another correct one is taken" in section(text, "What counts as right")
    assert "    Use {braces} and \\boxed{}." in section(text, "What counts as right")
    origins = read_jsonl(Path(config.out) / "provenance.jsonl")
    total = sum(origin["tokens"] for origin in origins)
    assert cells(text, "Tokens")[1][0:2] == ["qwq", "2"]
    assert cells(text, "Tokens")[1][5] == f"{total:,}"
    assert "arXiv" in section(text, "Citation")


def test_the_source_and_a_live_teacher(live: build.Config, source: Path) -> None:
    text = built(live)
    summary = json.loads((source / "summary.json").read_text())
    said = section(text, "Source")
    assert f"* `sums of mine.jsonl`, SHA-256 `{summary['files'][0]['sha256']}`" in said
    assert cells(text, "Source")[1:] == [
        ["rows", "10"],
        ["problems", "10"],
        ["decontaminated", "9"],
        ["drawn", "8"],
    ]
    assert "They were drawn with seed 5. `verdicts.jsonl` has their ids" in said
    assert "Left out, decontaminate: exact 1." in said
    assert {one["id"] for one in read_jsonl(Path(live.out) / "verdicts.jsonl")} == set(summary["ids"])

    asked = section(text, "Teachers")
    assert "* **anna**: `org/anna@main`, which answered as `anna.gguf`\n" in asked
    assert "up to 4 samples of a prompt, up to the first that can be kept" in asked
    assert "temperature 0.6, top_p 0.95, max_tokens 160, min_p 0.1; seed 5" in asked
    assert "top_k" not in asked
    assert "9,999" not in text
    assert "15 samples of 8 prompts, 740 tokens of the teacher; 106 for each kept trace" in asked
    assert "(estimated), asking for 4 of each prompt" in asked
    assert cells(text, "Benchmarks")[1][:4] == ["mot_sums", "2", "exact 1", "none"]


def test_a_source_from_the_hub(live: build.Config) -> None:
    build.run(live)
    found = facts.read(Path(live.out), live.about, Path())
    hub = {"hub": "org/sums", "revision": "0123abcd", "unverifiable": {"proof": 2}, "sample": None}
    review = {"review": [{"id": "x", "against": "b2", "share": 0.333}]}
    source = {**(found.source or {}), **hub}
    source["benchmarks"] = {task: {**one, **review} for task, one in source["benchmarks"].items()}
    text = card.render(dataclasses.replace(found, source=source))
    assert "SUMS: the data set `org/sums` at commit `0123abcd`, rows read as `columns`." in text
    assert "All that were left were taken." in text
    assert "No answer to these can be checked: proof 2." in text
    assert cells(text, "Benchmarks")[1][3] == "x (33% of b2)"


def test_nothing_of_a_place_or_a_time_is_in_a_card(live: build.Config, tmp_path: Path) -> None:
    text = built(live)
    assert str(tmp_path) not in text
    assert "/models" not in text
    assert not re.search(r"\b20(2[6-9]|[3-9]\d)\b|\d\d:\d\d", text)


def test_the_same_corpus_has_the_same_card(corpus_config: Make) -> None:
    configs = [corpus_config(ROWS, name) for name in ("one", "two")]
    assert len({built(config) for config in configs}) == 1
    again = text_of(configs[0])
    card.write(Path(configs[0].out), configs[0].about)
    assert text_of(configs[0]) == again


def test_a_new_name_changes_the_card_and_nothing_else(live: build.Config) -> None:
    before = built(live)
    files = contents(Path(live.out))
    about = live.about.model_copy(update={"licenses": {"anna": "cc-by-4.0"}, "source": "source/summary.json"})
    card.write(Path(live.out), about, Path(live.about.source or "").parents[1])
    after = text_of(live)
    assert front_matter(before)["license"] == ["apache-2.0", "mit"]
    assert front_matter(after)["license"] == ["cc-by-4.0", "mit"]
    assert "* traces of anna: `cc-by-4.0`" in section(after, "Licence")
    assert {name: file for name, file in contents(Path(live.out)).items() if name != "README.md"} == {
        name: file for name, file in files.items() if name != "README.md"
    }


def test_warnings(corpus_config: Make, live: build.Config) -> None:
    loose = built(corpus_config(ROWS, verify="none", about={"source_license": "mit"}))
    assert "> **Unverified.** Nobody compared the answers of qwq" in loose
    assert "(`verify: none`)" in section(loose, "What counts as right")
    assert "> **Licence unknown.** The recipe names no licence for the traces of qwq:" in loose
    assert "> **Not compared with benchmarks.**" in loose
    assert "**Terms of use.**" not in loose
    asked = built(live)
    assert "> **Terms of use.** anna answered requests." in asked
    for words in ("Unverified", "Licence unknown", "Not compared"):
        assert words not in asked
    neither = built(corpus_config(ROWS, "neither"))
    assert "names no licence for the problems and traces of qwq" in neither


def test_rows_that_a_trainer_will_cut_are_mentioned(corpus_config: Make) -> None:
    text = built(corpus_config(ROWS, overlong="truncate"))
    assert "LLaMA-Factory cuts their ends off" in text
    assert "Chosen, but too long: 1 samples." in text
    assert cells(text, "From samples to rows")[1][-2:] == ["3", "3"]


def test_a_union_speaks_of_every_teacher(corpus_config: Make, live: build.Config, tmp_path: Path) -> None:
    recorded = corpus_config(ROWS, "recorded", source_name="SUMS")
    for config in (recorded, live):
        build.run(config)
    about = live.about.model_copy(update={"licenses": {"anna": "apache-2.0", "qwq": None}})
    config = union.Config(
        corpora={"anna": live.out, "qwq": recorded.out}, source_name="SUMS", about=about, out=str(tmp_path / "union")
    )
    union.run(config)
    text = text_of(config)
    assert front_matter(text)["license"] == "unknown"
    assert front_matter(text)["pretty_name"] == "SUMS-MTD"
    assert "of each of several teachers" in text
    assert [row[0] for row in cells(text, "From samples to rows")] == ["teacher", "anna", "qwq"]
    assert [row[:2] for row in cells(text, "Tokens")[1:]] == [["anna", "7"], ["qwq", "2"], ["all", "9"]]
    assert "`org/anna@main`" in section(text, "Teachers")
    assert "`qwq.jsonl`" in section(text, "Teachers")
    assert "verdicts.jsonl" not in section(text, "Files")
    assert "dataset: union\n" in text


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["mit", "MIT "], {"license": "mit"}),
        (["mit", "apache-2.0"], {"license": ["apache-2.0", "mit"]}),
        (["mit", None], {"license": "unknown"}),
        (["mit", ""], {"license": "unknown"}),
        (["mit", "Our own terms"], {"license": "other", "license_name": "mit, our own terms"}),
    ],
)
def test_the_licence_of_the_whole(names: list[str | None], said: dict[str, Any]) -> None:
    assert card.license_of(names) == said


@pytest.mark.parametrize(
    ("rows", "said"),
    [(1, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (99_999, "10K<n<100K"), (10**6, "1M<n<10M"), (10**9, "n>1B")],
)
def test_sizes_as_the_hub_calls_them(rows: int, said: str) -> None:
    assert card.size(rows) == said


@pytest.mark.parametrize(
    ("problems", "said"),
    [
        (["What is the sum of 2 and 3?"], ("en",)),
        (["求 2 与 3 的和。"], ("zh",)),
        (["Find the sum of the digits.", "求 2 与 3 的和。"], ("en", "zh")),
        (["Combien font 2 et 3 ?", "2 + 3"], ()),
        (["What is the sum of 2 and 3?"] * 99 + ["求和。"], ("en",)),
        ([], ()),
    ],
)
def test_languages_are_told_by_words(problems: list[str], said: tuple[str, ...]) -> None:
    assert facts.languages(problems) == said


def test_the_instruction_is_no_language_of_the_problems(corpus_config: Make) -> None:
    config = corpus_config(ROWS, prompt="{problem}\nThis is what the answer of the problem is for: how many are there?")
    assert "language" not in front_matter(built(config))


VERDICTS = st.dictionaries(
    st.sampled_from(
        ["correct", "unverified", "wrong", "no_answer", "truncated", "unfinished", "no_answer_from_server", "odd"]
    ),
    st.integers(0, 50),
)


@given(VERDICTS)
def test_samples_fall_one_stage_after_the_other(verdicts: dict[str, int]) -> None:
    left = reasons.through(verdicts)
    assert list(left) == ["asked", "returned", "stopped", "well-formed", "correct"]
    assert list(left.values()) == sorted(left.values(), reverse=True)
    assert left["asked"] == sum(verdicts.values())
    assert left["correct"] == sum(verdicts.get(verdict, 0) for verdict in ACCEPTABLE)


def every_verdict() -> Iterator[str]:
    """What the judge says of samples with each defect."""
    thought = "<think>\nhm\n</think>\n\n"
    texts = [
        "hm",
        "<think>hm",
        f"<think>a<think>{thought}25",
        f"{thought}<|im_end|>",
        "<think>\n</think>\n\n25",
        "<think>hm</think>",
    ]
    samples = [
        Sample(text, "stop") for text in [*texts, f"{thought}25", f"{thought}\\boxed{{24}}", f"{thought}\\boxed{{25}}"]
    ]
    samples += [Sample(thought, "length"), Sample(thought, "content_filter")]
    with Verifier() as verifier:
        yield from Judge("answers", verifier).verdicts(Prompt("p", "?", ("25",), tuple(samples)))
        yield from Judge("answers", verifier).verdicts(Prompt("p", "?", (), (samples[-3],)))
        yield from Judge("none", verifier).verdicts(Prompt("p", "?", (), (samples[-3],)))


def test_every_verdict_has_a_sentence_of_its_own() -> None:
    verdicts = set(every_verdict())
    assert len(verdicts) == 12
    strange = reasons.of_sample("a word of the user's").sentence
    assert strange not in {reasons.of_sample(verdict).sentence for verdict in verdicts}


def test_what_is_no_corpus_has_no_card(corpus_config: Make, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no such file"):
        card.write(tmp_path, facts.About())
    config = corpus_config(ROWS)
    build.run(config)
    with pytest.raises(MissingInput, match=r"gone\.json: no such file; run the step"):
        card.write(Path(config.out), facts.About(source="gone.json"), tmp_path)
    (tmp_path / "gone.json").write_text("{")
    with pytest.raises(FileError, match=r"gone\.json: not JSON"):
        card.write(Path(config.out), facts.About(source="gone.json"), tmp_path)
    with pytest.raises(MissingInput, match=r"lost\.json: no such file; run the step"):
        build.run(corpus_config(ROWS, "live", asked=str(tmp_path / "lost.json")))


def test_odd_names_stay_inside_their_marks(corpus_config: Make) -> None:
    config = corpus_config(
        ROWS, about={"student": "a`b|c\nd", "licenses": {"qwq": "mine | `yours`"}, "source_license": "x: y"}
    )
    text = built(config)
    assert front_matter(text)["license_name"] == "mine | `yours`, x: y"
    assert "`a'b|c d`" in text


@pytest.mark.contract
def test_the_hub_s_own_library_reads_the_card_and_the_rows(live: build.Config, tmp_path: Path) -> None:
    """In a process of its own: the library's caches are found through the environment."""
    build.run(live)
    program = (
        "import json, sys; from datasets import load_dataset; from huggingface_hub import DatasetCard\n"
        "data = DatasetCard.load(sys.argv[1] + '/README.md').data.to_dict()\n"
        "rows = load_dataset(sys.argv[1])\n"
        "print(json.dumps([data['license'], data['size_categories'], data['language'], {k: v.num_rows for k, v in rows.items()},"
        " rows['train'].column_names]))"
    )
    environment = {"HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", program, live.out], env=environment, capture_output=True, text=True, check=True
    )
    said = json.loads(done.stdout)
    assert said == [["apache-2.0", "mit"], ["n<1K"], ["en"], {"train": 7}, ["messages"]]


CLI = Path(sys.executable).parent / "llamafactory-cli"
STUDENT = Path(__file__).parents[2] / "recipes" / "quickstart" / "student"


@pytest.mark.contract
@pytest.mark.skipif(not CLI.exists(), reason="not installed in this environment: llamafactory-cli")
def test_llama_factory_trains_as_the_card_says(corpus_config: Make, tmp_path: Path) -> None:
    rows: list[Line] = [line(f"p{number}", completion(25)) for number in range(4)]
    config = corpus_config(rows, tokenizer=str(STUDENT), about={"student": "student", "template": "qwen3"})
    block = section(built(config), "Training on it").partition("```yaml\n")[2].partition("```")[0]
    folder = Path(config.out)
    shutil.copytree(STUDENT, folder / "student")
    quick = "learning_rate: 1.0e-4\nmax_steps: 1\nuse_cpu: true\nreport_to: none\nsave_strategy: 'no'\n"
    (folder / "train.yaml").write_text(block + quick, encoding="utf-8")
    done = subprocess.run(
        [CLI, "train", "train.yaml"], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((folder / "trained" / "train_results.json").read_text())["train_loss"] > 0
