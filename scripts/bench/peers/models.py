"""Writes the benchmark's models, with random weights in bf16: `models.py FOLDER`."""

import itertools
import pathlib
import sys

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
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


def tokenizer(size):
    """Bytes, and as many pairs of them as there are further ids: what it costs to make text of ids, not what it says."""
    single = sorted(pre_tokenizers.ByteLevel.alphabet())
    pairs = list(itertools.islice(itertools.product(single, single), size - len(single)))
    names = [*single, *(first + second for first, second in pairs)]
    made = Tokenizer(models.BPE(vocab={name: place for place, name in enumerate(names)}, merges=pairs))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return made


folder = pathlib.Path(sys.argv[1])
torch.set_default_dtype(torch.bfloat16)
for name, make in SHAPES.items():
    if not (folder / name / "config.json").exists():
        torch.manual_seed(0)
        # Written under another name first, so that an interrupted run leaves no half a model.
        make().save_pretrained(folder / f"{name}.partial")
        (folder / f"{name}.partial").rename(folder / name)

# Over HTTP, text is asked and answered.
words = folder / "toy" / "tokenizer.json"
if not words.exists():
    tokenizer(8192).save(str(words))
