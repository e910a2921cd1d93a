"""What a real run ships: loaded by transformers from the card's own code, asked by its chat template, made of the same weights."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

TOOLS = ("llamafactory-cli", "mergekit-yaml", "lm_eval")
ABSENT = [tool for tool in TOOLS if not (Path(sys.executable).parent / tool).exists()]

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(bool(ABSENT), reason=f"not installed in this environment: {', '.join(ABSENT)}"),
]

RECIPES = Path(__file__).parents[2] / "recipes"
SECONDS = 1500  # most of it is the evaluation, and slow on a crowded computer


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The student of two teachers, one round of two steps."""
    place = tmp_path_factory.mktemp("shipped")
    recipe = yaml.safe_load((RECIPES / "quickstart.yaml").read_text(encoding="utf-8"))
    teachers = dict(list(recipe["teachers"].items())[:2])
    for teacher in teachers.values():
        teacher["traces"] = str(RECIPES / teacher["traces"])
    recipe |= {"student": str(RECIPES / recipe["student"]), "teachers": teachers, "global_batch_size": 8}
    recipe |= {"methods": {"mot": {"rounds": 1, "steps": 2}}, "student_license": "apache-2.0"}
    (place / "small.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    machine = ["--machine", str(RECIPES / "machines" / "processor.yaml")]
    command = [sys.executable, "-m", "mot_plugin", "run", "small.yaml", *machine]
    ended = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return place / "runs" / "quickstart" / "student"


def test_the_cards_own_code_loads_and_asks_it(shipped: Path) -> None:
    card = ModelCard.load(shipped / "README.md")
    code = card.text.partition("```python\n")[2].partition("```")[0]
    assert "max_new_tokens=" in code
    program = code.replace("max_new_tokens=512", "max_new_tokens=24") + (
        "\nimport json"
        '\nprint(json.dumps([tokenizer.decode(prompt["input_ids"][0]), answer.shape[1] - prompt["input_ids"].shape[1],'
        " str(model.dtype), model.get_output_embeddings().weight.data_ptr() == model.get_input_embeddings().weight.data_ptr(),"
        " model.generation_config.eos_token_id, model.generation_config.temperature, model.config.use_cache]))"
    )
    env = {"PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HOME": str(shipped.parent)}
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=shipped,
        env=env,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    asked, new, dtype, tied, ends, temperature, cached = json.loads(ended.stdout.splitlines()[-1])
    assert asked.startswith("<|im_start|>user\nWhat is 17 + 25?")
    assert asked.endswith("<|im_start|>assistant\n")
    assert 0 < new <= 24
    assert (dtype, tied, ends, temperature, cached) == ("torch.bfloat16", True, [426, 424], 0.6, True)


def test_its_provenance_names_the_real_tools(shipped: Path) -> None:
    found = json.loads((shipped / "provenance.json").read_text(encoding="utf-8"))
    trained = found["plan"]["mot/round-1/branches/columns"]["tools"]
    merged = found["plan"]["mot/round-1/merge"]["tools"]
    evaluated = found["plan"]["mot/round-1/evaluate"]["tools"]
    assert {"llamafactory", "torch", "transformers", "python"} <= found["environments"][
        trained["llamafactory-cli"]
    ].keys()
    assert found["environments"][merged["mergekit-yaml"]]["mergekit"]
    assert found["environments"][evaluated["lm_eval"]]["lm-eval"]
    assert found["student"]["license"] == ModelCard.load(shipped / "README.md").data.license == "apache-2.0"


def test_transformers_counts_what_the_check_counted(shipped: Path) -> None:
    """The folder's own check reads tokenizer and template without transformers; both say the same."""
    from transformers import AutoTokenizer

    from mot_plugin import lengths

    tokenizer = AutoTokenizer.from_pretrained(shipped)
    turns = [("user", "What is 6 x 7?"), ("assistant", "<think>\n6 x 7 = 42\n</think>\n\n42")]
    messages = [{"role": role, "content": content} for role, content in turns]
    assert tokenizer.apply_chat_template(messages, tokenize=False) == lengths.rendered(shipped, turns)
    asked = tokenizer.apply_chat_template(messages[:1], tokenize=False, add_generation_prompt=True)
    assert asked == lengths.rendered(shipped, turns[:1], generate=True)
    assert tokenizer.get_vocab() == lengths.token_ids(shipped)
