"""Writes the benchmark's models, with random weights in bf16: `models.py FOLDER`."""

import pathlib
import sys

import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

SHAPES = {
    # 50 million parameters.
    "toy": lambda: LlamaForCausalLM(
        LlamaConfig(
            hidden_size=768, intermediate_size=2048, num_hidden_layers=6, num_attention_heads=12, num_key_value_heads=4,
            vocab_size=8192, max_position_embeddings=512, tie_word_embeddings=False,
        )
    ),
    # Qwen2.5-0.5B.
    "qwen": lambda: Qwen2ForCausalLM(
        Qwen2Config(
            hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14, num_key_value_heads=2,
            vocab_size=151936, max_position_embeddings=1024, tie_word_embeddings=True,
        )
    ),
}

folder = pathlib.Path(sys.argv[1])
torch.set_default_dtype(torch.bfloat16)
for name, make in SHAPES.items():
    if (folder / name / "config.json").exists():
        continue
    torch.manual_seed(0)
    # Written under another name first, so that an interrupted run leaves no half a model.
    make().save_pretrained(folder / f"{name}.partial")
    (folder / f"{name}.partial").rename(folder / name)
