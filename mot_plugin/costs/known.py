"""Models whose size is known without asking a hub: facts from their config.json and model cards there (docs/costs.md)."""

from typing import Any


def _qwen3(hidden: int, layers: int, heads: int, keys: int, inner: int, **more: Any) -> dict[str, Any]:
    return {
        "model_type": "qwen3_moe" if "num_experts" in more else "qwen3",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": keys,
        "head_dim": 128,
        "intermediate_size": inner,
        "vocab_size": 151936,
        **more,
    }


def _experts(inner: int) -> dict[str, int]:
    return {"num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": inner}


CONFIGS: dict[str, dict[str, Any]] = {
    "qwen3-0.6b": _qwen3(1024, 28, 16, 8, 3072, tie_word_embeddings=True),
    "qwen3-1.7b": _qwen3(2048, 28, 16, 8, 6144, tie_word_embeddings=True),
    "qwen3-4b": _qwen3(2560, 36, 32, 8, 9728, tie_word_embeddings=True),
    "qwen3-8b": _qwen3(4096, 36, 32, 8, 12288),
    "qwen3-14b": _qwen3(5120, 40, 40, 8, 17408),
    "qwen3-32b": _qwen3(5120, 64, 64, 8, 25600),
    "qwen3-30b-a3b": _qwen3(2048, 48, 32, 4, 6144, **_experts(768)),
    "qwen3-235b-a22b": _qwen3(4096, 94, 64, 4, 12288, **_experts(1536)),
    "qwq-32b": {
        **_qwen3(5120, 64, 40, 8, 27648),
        "model_type": "qwen2",
        "vocab_size": 152064,
    },
}
"""By the last part of the hub's name, in small letters."""

STATED: dict[str, dict[str, Any]] = {
    # Latent attention, and weights in 8 bits: its own numbers, 61 layers of 128 heads, keys 192 and values 128 wide.
    "deepseek-r1": {
        "parameters": 671e9,
        "active": 37e9,
        "attention": 61 * 128 * 160,
        "stored": 688e9,
        "experts": True,
    },
}
"""Those that are counted otherwise."""
