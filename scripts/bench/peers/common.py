"""What the peers share."""

import os
import sys

import torch

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


def settings():
    """The `KEY=VALUE` arguments after the model."""
    return dict(argument.split("=", 1) for argument in sys.argv[2:])


def numbers(count, vocabulary):
    """The tokens that all programs compute on."""
    return torch.arange(count) * 7919 % vocabulary


def serve(work):
    """Calls `work` for every line of the standard input and prints what it returns."""
    print("ready", flush=True)
    for _ in sys.stdin:
        print(work(), flush=True)
