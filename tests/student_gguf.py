"""A small Qwen3 checkpoint folder as a GGUF file, so that llama.cpp can serve our own student as a teacher."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from mot_plugin.merging.weights import open_checkpoint

# llama.cpp knows no regular expressions of others, only names for those that it has built in. This one it calls "qwen2".
QWEN_WORD = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
THINKING = {"enable_thinking": "true"}
"""What llama.cpp's `default_template_kwargs` needs to let the student think: it takes the student's template for one of
a model that cannot, passes enable_thinking=false, and the template then writes an empty thought into the prompt."""


def write_gguf(checkpoint: Path, out: Path, name: str = "student") -> Path:
    """Write the model, tokenizer and chat template of `checkpoint` as `out`; weights as float32, which bfloat16 fits into.

    Two runs write the same bytes. Raises ValueError for a model or tokenizer that llama.cpp would read as another one.
    NFC, which the tokenizer does first, llama.cpp leaves out: prompts have to be in it already, as ASCII is.
    """
    import gguf

    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    if config["model_type"] != "qwen3":
        raise ValueError(f"{checkpoint} is a {config['model_type']}, not a qwen3")
    writer = gguf.GGUFWriter(out, gguf.MODEL_ARCH_NAMES[gguf.MODEL_ARCH.QWEN3])
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _add_shape(writer, config)
    _add_tokenizer(writer, checkpoint, config)
    _add_tensors(writer, checkpoint, config)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


def _add_shape(writer: Any, config: dict[str, Any]) -> None:
    rope = config["rope_parameters"]
    if rope["rope_type"] != "default" or config["use_sliding_window"]:
        raise ValueError(f"rope {rope} with sliding window {config['use_sliding_window']} is not written here")
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    # Without these two llama.cpp takes hidden_size / heads, which Qwen3's head_dim need not be.
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])


def _add_tokenizer(writer: Any, checkpoint: Path, config: dict[str, Any]) -> None:
    from gguf import TokenType

    whole = json.loads((checkpoint / "tokenizer.json").read_text(encoding="utf-8"))
    split = whole["pre_tokenizer"]["pretokenizers"][0]
    if split.get("pattern") != {"Regex": QWEN_WORD}:
        raise ValueError(f"{checkpoint / 'tokenizer.json'} splits words by {split}, which llama.cpp's qwen2 does not")
    # The embedding has more rows than the tokenizer has tokens: those that are left get names that no text contains.
    tokens = [f"[PAD{index}]" for index in range(config["vocab_size"])]
    types = [TokenType.UNUSED] * len(tokens)
    for text, index in whole["model"]["vocab"].items():
        tokens[index], types[index] = text, TokenType.NORMAL
    for added in whole["added_tokens"]:
        # A control token is swallowed when text is made of tokens, a user-defined one (`<think>`) is written out.
        kind = TokenType.CONTROL if added["special"] else TokenType.USER_DEFINED
        tokens[added["id"]], types[added["id"]] = added["content"], kind
    merges = [" ".join(pair) for pair in whole["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_add_bos_token(False)
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_bos_token_id(config["pad_token_id"])  # never put in front; left out, llama.cpp would take token 11
    writer.add_chat_template((checkpoint / "chat_template.jinja").read_text(encoding="utf-8"))


def _add_tensors(writer: Any, checkpoint: Path, config: dict[str, Any]) -> None:
    import gguf

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN3, config["num_hidden_layers"])
    stored = open_checkpoint(checkpoint)
    for theirs, info in sorted(stored.tensors.items()):
        ours = names.get_name(theirs, try_suffixes=(".weight",))
        if ours is None:
            raise ValueError(f"{checkpoint}: llama.cpp's Qwen3 has no place for {theirs}")
        values = stored.float32(theirs).reshape(info.shape)
        writer.add_tensor(ours, np.ascontiguousarray(values))
