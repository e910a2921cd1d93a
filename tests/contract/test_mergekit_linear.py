"""mergekit_configs/linear.yaml by hand through the real mergekit, then our check of what it left."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from mot_plugin.merging.merged import Config, run
from mot_plugin.merging.weights import open_checkpoint

SHIPPED = Path(__file__).parents[2] / "mergekit_configs" / "linear.yaml"
MERGEKIT = Path(sys.executable).parent / "mergekit-yaml"
SIZES = {
    "vocab_size": 320,  # more rows than tokens, as the real students have
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "eos_token_id": 1,
    "pad_token_id": 0,
}

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(not MERGEKIT.exists(), reason="mergekit is not installed in this environment"),
]


def save(model: Any, folder: Path) -> None:
    """The model with a small tokenizer, as a trainer saves it."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GenerationConfig, PreTrainedTokenizerFast

    letters = {"<pad>": 0, "<end>": 1} | {c: n for n, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()), 2)}
    plain = Tokenizer(models.BPE(vocab=letters, merges=[]))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<end>", pad_token="<pad>")
    tokenizer.chat_template = "{{ messages[0].content }}"
    model.generation_config = GenerationConfig(eos_token_id=1, pad_token_id=0)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make(folder: Path, names: Sequence[str], model: Any) -> None:
    """`start` in bfloat16 and one float32 branch per name beside it, every weight a little off the start."""
    import torch

    model.to(torch.bfloat16)
    save(model, folder / "start")
    begin = {name: value.clone() for name, value in model.float().state_dict().items()}
    for seed, name in enumerate(names):
        draw = torch.Generator().manual_seed(seed)
        moved = {key: value + 1e-2 * torch.randn(value.shape, generator=draw) for key, value in begin.items()}
        if model.config.tie_word_embeddings:
            moved["lm_head.weight"] = moved["model.embed_tokens.weight"]
        model.load_state_dict(moved)
        model.config.use_cache = False  # what LLaMA-Factory leaves
        model.config.eos_token_id = 7
        save(model, folder / "branches" / name)


def mergekit(folder: Path, config: str = "linear.yaml") -> None:
    """By hand, as the head of the file says."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    argv = [str(MERGEKIT), config, "student", "--no-write-model-card"]
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def qwen3(**changes: Any) -> Any:
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    return Qwen3ForCausalLM(Qwen3Config(**SIZES, tie_word_embeddings=True, **changes))


def check(folder: Path, weights: dict[str, float]) -> None:
    branches = {name: str(folder / "branches" / name) for name in weights}
    student, start = str(folder / "student"), str(folder / "start")
    run(Config(model=student, start=start, branches=branches, weights=weights, sample_tensors=999))


def test_the_shipped_file_as_it_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers")
    make(tmp_path, "ab", qwen3())
    shutil.copy(SHIPPED, tmp_path)
    mergekit(tmp_path)
    student = tmp_path / "student"
    assert json.loads((student / "config.json").read_text())["use_cache"] is False
    check(tmp_path, {"a": 1.0, "b": 1.0})
    count = len(open_checkpoint(tmp_path / "start").tensors)
    assert f"{count} tensors of 2 branches, {count} compared bit for bit" in capsys.readouterr().out
    config = json.loads((student / "config.json").read_text())
    assert (config["use_cache"], config["eos_token_id"], config["dtype"]) == (True, 1, "bfloat16")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    loaded, report = AutoModelForCausalLM.from_pretrained(student, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert loaded.lm_head.weight is loaded.model.embed_tokens.weight
    assert AutoTokenizer.from_pretrained(student).chat_template == "{{ messages[0].content }}"


@pytest.mark.parametrize(
    "weights",
    [
        {"a": 1.0},
        {"a": 1.0, "b": 1.0, "c": 1.0},
        {"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0},
        {"c": 0.3, "a": 0.7, "b": 0.2},
    ],
    ids=["one", "three", "four", "weighted"],
)
def test_any_number_of_branches_is_bit_exact(tmp_path: Path, weights: dict[str, float]) -> None:
    pytest.importorskip("transformers")
    make(tmp_path, list(weights), qwen3())
    filled = yaml.safe_load(SHIPPED.read_text())
    filled["models"] = [
        {"model": f"branches/{name}", "parameters": {"weight": weight}} for name, weight in weights.items()
    ]
    filled["base_model"] = filled["models"][0]["model"]
    (tmp_path / "merge.yaml").write_text(yaml.safe_dump(filled, sort_keys=False))
    mergekit(tmp_path, "merge.yaml")
    check(tmp_path, weights)


def test_a_mixture_of_experts_compares_whichever_way_its_experts_are_saved(tmp_path: Path) -> None:
    """mergekit 0.1.5 saves the experts of a layer in one tensor, the trainer one by one."""
    torch = pytest.importorskip("torch")
    from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM

    torch.manual_seed(0)
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
    make(tmp_path, "ab", Qwen3MoeForCausalLM(Qwen3MoeConfig(**SIZES, **experts, tie_word_embeddings=False)))
    shutil.copy(SHIPPED, tmp_path)
    mergekit(tmp_path)
    check(tmp_path, {"a": 1.0, "b": 1.0})


def test_two_merges_of_the_same_branches_have_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    make(tmp_path, "ab", qwen3())
    shutil.copy(SHIPPED, tmp_path)
    mergekit(tmp_path)
    first = (tmp_path / "student" / "model.safetensors").read_bytes()
    shutil.rmtree(tmp_path / "student")
    mergekit(tmp_path)
    assert (tmp_path / "student" / "model.safetensors").read_bytes() == first
