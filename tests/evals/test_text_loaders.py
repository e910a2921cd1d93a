"""Reading IFEval and SimpleQA from local copies. All rows here are invented."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from text_rows import ifeval_rows, simpleqa_rows, write_csv, write_jsonl

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.evals import ifeval, text_loaders

pytest.importorskip("datasets")


@pytest.fixture
def checks() -> None:
    """lm-eval's checks of IFEval with all that they need."""
    try:
        ifeval.lm_evals_checks()
    except MissingInput as missing:
        pytest.skip(str(missing))


@pytest.mark.usefixtures("checks")
def test_ifeval_from_a_folder(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "ifeval.jsonl", ifeval_rows())
    data = text_loaders.ifeval(mot_data_dir=str(tmp_path), version=1.0, pretrained="ignored")["test"]
    assert len(data) == 541
    assert data.column_names == ["id", "key", "prompt", "instruction_id_list", "kwargs"]
    row = data[1]
    assert (row["id"], row["key"]) == ("1001", 1001)
    assert row["prompt"] == "Write, as text number 1, about a lighthouse.  \n"
    used = [{name: value for name, value in kwargs.items() if value is not None} for kwargs in row["kwargs"]]
    assert used == ifeval_rows()[1]["kwargs"]
    assert ifeval.grade("the lamp turns all night long. the fog listens to it.", row).hit


@pytest.mark.usefixtures("checks")
def test_a_part_of_ifeval_does_not_depend_on_the_order_of_its_rows(tmp_path: Path) -> None:
    rows = ifeval_rows()
    write_jsonl(tmp_path / "ifeval.jsonl", rows)
    part = text_loaders.ifeval(mot_data_dir=str(tmp_path), fraction=0.1)["test"]
    write_jsonl(tmp_path / "ifeval.jsonl", rows[::-1])
    assert sorted(text_loaders.ifeval(mot_data_dir=str(tmp_path), fraction=0.1)["test"]["id"]) == sorted(part["id"])
    assert len(part) == 54


@pytest.mark.usefixtures("checks")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": " "}, "no text in `prompt`; its columns are instruction_id_list, key, kwargs, prompt"),
        ({"key": None}, "no number in `key`"),
        ({"kwargs": [{}, {}]}, "two lists of one length"),
        ({"kwargs": "[]"}, "two lists of one length"),
        ({"instruction_id_list": [], "kwargs": []}, "two lists of one length"),
        (
            {"instruction_id_list": ["punctuation:no_semicolon"]},
            "do not know its instructions .punctuation:no_semicolon",
        ),
        ({"kwargs": [{"commas": 3}]}, "do not know its instructions .punctuation:no_comma.: .*commas"),
    ],
)
def test_rows_that_are_not_ifevals(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    rows = ifeval_rows()
    rows[5] |= change
    write_jsonl(tmp_path / "ifeval.jsonl", rows)
    with pytest.raises(FileError, match=rf"ifeval\.jsonl:6: .*{message}"):
        text_loaders.ifeval(mot_data_dir=str(tmp_path))


@pytest.mark.usefixtures("checks")
def test_ifeval_has_541_prompts(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "ifeval.jsonl", ifeval_rows(540))
    with pytest.raises(FileError, match="540 rows, but the `train` split of google/IFEval has 541"):
        text_loaders.ifeval(mot_data_dir=str(tmp_path))
    with pytest.raises(MissingInput, match=r"no copy of google/IFEval: neither .*ifeval\.jsonl"):
        text_loaders.ifeval(mot_data_dir=str(tmp_path / "empty"))


def test_ifeval_looks_for_what_scores_it_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nltk = pytest.importorskip("nltk")
    pytest.importorskip("langdetect")
    pytest.importorskip("immutabledict")
    monkeypatch.setattr(nltk.data, "path", [])
    ifeval.lm_evals_checks.cache_clear()
    try:
        with pytest.raises(MissingInput, match="punkt_tab"):
            text_loaders.ifeval(mot_data_dir=str(tmp_path))
    finally:
        ifeval.lm_evals_checks.cache_clear()


def test_simpleqa_from_the_official_file(tmp_path: Path) -> None:
    write_csv(tmp_path / "simpleqa.csv", simpleqa_rows())
    data = text_loaders.simpleqa(mot_data_dir=str(tmp_path), version=1.0, judge="none")["test"]
    assert data.column_names == ["id", "question", "answer", "topic", "answer_type"]
    assert {name: data[4][name] for name in data.column_names[1:]} == {
        "question": 'Who, "so to say", was keeper number 4?',
        "answer": "Anna 4 Berg",
        "topic": "Art",
        "answer_type": "Date",
    }
    assert len(set(data["id"])) == len(data) == 4326


def test_simpleqa_in_other_columns_without_metadata(tmp_path: Path) -> None:
    rows = [{"question": row["problem"], "answer": row["answer"], "topic": "Art"} for row in simpleqa_rows(4321)]
    write_jsonl(tmp_path / "simpleqa.jsonl", [rows[0] | {"metadata": "no literal"}, *rows[1:]])
    data = text_loaders.simpleqa(mot_data_dir=str(tmp_path), questions=4321)["test"]
    assert (data[0]["topic"], data[0]["answer_type"], len(data)) == ("Art", "", 4321)


def test_a_part_of_simpleqa_keeps_the_shares_of_topics_and_types(tmp_path: Path) -> None:
    write_csv(tmp_path / "simpleqa.csv", simpleqa_rows())
    part = text_loaders.simpleqa(mot_data_dir=str(tmp_path), fraction=0.1)["test"]
    assert len(part) == 433
    assert set(Counter(zip(part["topic"], part["answer_type"], strict=True)).values()) == {72, 73}


def test_what_is_not_simpleqa(tmp_path: Path) -> None:
    rows = simpleqa_rows()
    write_csv(tmp_path / "simpleqa.csv", rows[:-1])
    with pytest.raises(FileError, match="4325 rows, but the `test` split of basicv8vc/SimpleQA has 4326"):
        text_loaders.simpleqa(mot_data_dir=str(tmp_path))
    rows[2]["answer"] = " "
    write_csv(tmp_path / "simpleqa.csv", rows)
    with pytest.raises(FileError, match="row 3: no text in `answer`"):
        text_loaders.simpleqa(mot_data_dir=str(tmp_path))
    with pytest.raises(FileError, match="questions is 1000, but SimpleQA has 4326 or 4321"):
        text_loaders.simpleqa(mot_data_dir=str(tmp_path), questions=1000)
