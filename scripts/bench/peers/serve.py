"""transformers + PEFT: `serve.py decode|mixed MODEL ADAPTERS [KEY=VALUE]...`, as `bench_serve` says, greedy.

A batch holds rows of different adapters by PEFT's `adapter_names`. Requests of mixed lengths are answered in batches of the
size given, in their order; a batch is padded on the left and ends with its longest answer.
"""

import pathlib
import sys

import torch
from common import serve
from peft import PeftModel
from transformers import AutoModelForCausalLM

what, path, folder = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
given = dict(argument.split("=", 1) for argument in sys.argv[4:])
number = lambda key, default: int(given.get(key, default))
order = (folder / "order.txt").read_text().split()
adapters = number("adapters", {"decode": 0, "mixed": 15}[what])
batch = number("batch", 8)

base = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
vocabulary = base.config.vocab_size
model = base
if adapters:
    model = PeftModel.from_pretrained(base, folder / order[0], adapter_name="a0")
    for index in range(1, adapters):
        model.load_adapter(folder / order[index], adapter_name=f"a{index}")
    model.eval()


def tokens(first, count):
    return torch.arange(first, first + count) * 7919 % vocabulary


@torch.inference_mode()
def generate(prompts, names, length):
    width = max(len(prompt) for prompt in prompts)
    ids = torch.zeros(len(prompts), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt):], mask[row, width - len(prompt):] = prompt, 1
    fixed = {"do_sample": False, "min_new_tokens": length, "max_new_tokens": length, "pad_token_id": 0, "eos_token_id": None}
    if adapters:
        fixed["adapter_names"] = names
    return model.generate(input_ids=ids, attention_mask=mask, **fixed)[:, width:]


def text(rows):
    return " ".join(str(token) for row in rows for token in row.tolist())


def decode():
    prompt, length = number("prompt", 4), number("tokens", 64)
    prompts = [tokens(row * prompt, prompt) for row in range(batch)]
    return text(generate(prompts, [f"a{row % max(adapters, 1)}" for row in range(batch)], length))


def mixed():
    answers = []
    requests = [(16 + n * 37 % 145, 8 + n * 53 % 121, n * 29 % (adapters + 1)) for n in range(number("requests", 64))]
    for first in range(0, len(requests), batch):
        part = list(enumerate(requests))[first:first + batch]
        prompts = [tokens(n * 200, prompt) for n, (prompt, _, _) in part]
        names = ["__base__" if which == 0 else f"a{which - 1}" for _, (_, _, which) in part]
        made = generate(prompts, names, max(length for _, (_, length, _) in part))
        answers += [row[:length] for row, (_, (_, length, _)) in zip(made, part)]
    return text(answers)


serve({"decode": decode, "mixed": mixed}[what])
