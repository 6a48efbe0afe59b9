"""transformers generate: `generate.py MODEL [dtype=f32|bf16] [batch=1] [prompt=32] [tokens=64]`, greedy."""

import sys

import torch
from common import numbers, serve, settings
from transformers import AutoModelForCausalLM

given = settings()
dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[given.get("dtype", "f32")]
batch, prompt, tokens = int(given.get("batch", 1)), int(given.get("prompt", 32)), int(given.get("tokens", 64))
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=dtype).eval()
inputs = numbers(batch * prompt, model.config.vocab_size).view(batch, prompt)
fixed = {"do_sample": False, "min_new_tokens": tokens, "max_new_tokens": tokens, "pad_token_id": 0, "eos_token_id": None}


@torch.inference_mode()
def generate():
    made = model.generate(inputs, attention_mask=torch.ones_like(inputs), **fixed)
    return " ".join(str(token) for token in made[:, prompt:].flatten().tolist())


serve(generate)
