"""The run of `bench_attribution` in torch: the same base, adapters and tokens."""

import json
import os
import pathlib

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

# Samples whose gradients are computed at once: bounds the memory.
TOGETHER = 16


class Run:
    """What stands in a folder: `data.json` and the snapshots it names."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.data = json.loads((self.folder / "data.json").read_text())
        self.samples, self.queries = self.data["samples"], self.data["queries"]
        longest = max(len(one["tokens"]) for one in self.samples + self.queries)
        # Every position sees those before it. Samples are filled up behind their end, which nothing before it sees.
        seen = torch.ones(longest, longest, dtype=torch.bool).tril()
        self.mask = torch.zeros(longest, longest).masked_fill(~seen, torch.finfo(torch.float32).min)[None, None]
        self.places = torch.arange(longest)[None]
        self.model = self.load(self.data["snapshots"][-1]["folder"])

    def load(self, adapter):
        base = AutoModelForCausalLM.from_pretrained(self.data["base"], dtype=torch.float32, attn_implementation="eager")
        return PeftModel.from_pretrained(base, adapter, is_trainable=True).eval()

    def batch(self, texts):
        """Tokens, and the label of each position or -100."""
        longest = self.mask.shape[-1]
        tokens = torch.zeros(len(texts), longest, dtype=torch.long)
        labels = torch.full((len(texts), longest), -100)
        for row, text in enumerate(texts):
            ids, start = torch.tensor(text["tokens"]), max(text["trained_from"], 1)
            tokens[row, : len(ids)] = ids
            # The token at a place is predicted at the place before it.
            labels[row, start - 1 : len(ids) - 1] = ids[start:]
        return tokens, labels

    def call(self, model, tokens, parameters=None, **more):
        given = {"input_ids": tokens, "attention_mask": self.mask, "position_ids": self.places, "use_cache": False, **more}
        if parameters is None:
            return model(**given)
        return torch.func.functional_call(model, parameters, kwargs=given)


def losses(logits, labels):
    """The loss of each sample, summed over its trained tokens, and their number."""
    trained = labels != -100
    found = torch.log_softmax(logits, -1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    return -(found * trained).sum(-1), trained.sum(-1)


def ours(name):
    """A parameter's name in the files."""
    return name.replace(".default.", ".")


def save(scores, path):
    save_file({name: value.double().contiguous() for name, value in scores.items()}, path)


__all__ = ["Run", "TOGETHER", "load_file", "losses", "ours", "save"]
