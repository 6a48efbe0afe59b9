"""Runs this engine and its peers in turns and prints a table: `compare.py BENCH_TRAIN MODELS [--rounds N] [ROW...]`.

All programs of a row are loaded first; then each does one unit of work in turn, so that whatever else the machine does
meets all of them alike. Time is the processor time of all threads of a process; the median over the rounds after one
that warms up is shown, and the wall time beside it. Memory is the high-water mark of the resident set (`VmHWM`), over the
whole process and, in brackets, from the end of loading on.
"""

import argparse
import importlib.metadata
import os
import pathlib
import statistics
import sys

from programs import Program, machine

from machine import machine

HERE = pathlib.Path(__file__).parent


def rows(ours, models):
    """Name, tokens of a unit, program lists: this engine's first."""
    python = sys.executable
    engine = lambda what, model, *more: [ours, what, str(models / model), *more]
    peft = lambda model, *more: [python, str(HERE / "peft_train.py"), str(models / model), *more]
    text = lambda model, *more: [python, str(HERE / "generate.py"), str(models / model), *more]
    one = ("batch=1", "tokens=512")
    table = {
        "toy": (512, [
            ("tributary f32", engine("train", "toy")),
            ("PEFT f32", peft("toy")),
            ("PEFT bf16", peft("toy", "dtype=bf16")),
        ]),
        "qwen": (512, [
            ("tributary f32", engine("train", "qwen", *one)),
            ("PEFT f32", peft("qwen", *one)),
            ("PEFT bf16", peft("qwen", "dtype=bf16", *one)),
        ]),
        "toy-qlora": (512, [
            ("tributary NF4", engine("train", "toy", "precision=nf4-double")),
            ("bitsandbytes f32", peft("toy", "quant=nf4")),
            ("bitsandbytes bf16", peft("toy", "quant=nf4", "dtype=bf16")),
        ]),
        "qwen-qlora": (512, [
            ("tributary NF4", engine("train", "qwen", "precision=nf4-double", *one)),
            ("bitsandbytes f32", peft("qwen", "quant=nf4", *one)),
            ("bitsandbytes bf16", peft("qwen", "quant=nf4", "dtype=bf16", *one)),
        ]),
    }
    table["toy-checkpointing"] = (512, [
        ("tributary, checkpointing", engine("train", "toy", "checkpointing=yes")),
        ("tributary, everything kept", engine("train", "toy")),
        ("PEFT, checkpointing", peft("toy", "checkpointing=yes")),
        ("PEFT, everything kept", peft("toy")),
    ])
    for batch in (1, 8):
        table[f"generate-{batch}"] = (64 * batch, [
            ("tributary f32", engine("generate", "toy", f"batch={batch}")),
            ("tributary NF4", engine("generate", "toy", "precision=nf4-double", f"batch={batch}")),
            ("transformers f32", text("toy", f"batch={batch}")),
            ("transformers bf16", text("toy", "dtype=bf16", f"batch={batch}")),
        ])
    return table


def same(name, first, second):
    """Whether two programs computed the same thing: a loss within 0.2 %, or one of bf16 within 1 %; nothing for tokens."""
    if " " in first:
        return
    near = 0.01 if "16" in name or "NF4" in name or "bitsandbytes" in name else 0.002
    if abs(float(first) - float(second)) > near * abs(float(first)):
        sys.exit(f"{name} computes a loss of {second} where tributary computes {first}")


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("ours")
    parse.add_argument("models", type=pathlib.Path)
    parse.add_argument("--rounds", type=int, default=5)
    parse.add_argument("--threads", type=int, default=1)
    parse.add_argument("--bf16", action="store_true", help="also peers in bf16, which take minutes where the machine has no such products")
    parse.add_argument("rows", nargs="*")
    given = parse.parse_intermixed_args()
    known = rows(given.ours, given.models)
    unknown = [row for row in given.rows if row not in known]
    if unknown:
        sys.exit(f"no such row: {', '.join(unknown)}; there are {', '.join(known)}")

    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers", "peft", "bitsandbytes")]
    print(f"Machine: {machine()}.\nVersions: {', '.join(versions)}. Threads: {given.threads}.\n", flush=True)
    print("| row | program | tokens/s of CPU | tokens/s of wall | speed of tributary | peak MB (after loading) | its memory |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for row in given.rows or known:
        tokens, programs = known[row]
        programs = [(name, command) for name, command in programs if given.bf16 or "bf16" not in name]
        programs = [Program(name, command, given.threads) for name, command in programs]
        load = []
        for _ in range(given.rounds + 1):
            for program in programs:
                program.work()
                load.append(os.getloadavg()[0])
        for program in programs:
            program.end()
        (cpu, _), (peak, training) = programs[0].seconds(), programs[0].peak_mb()
        for program in programs:
            if program is not programs[0]:
                same(program.name, programs[0].answers[0], program.answers[0])
            (its_cpu, its_wall), (its_peak, its_training) = program.seconds(), program.peak_mb()
            print(
                f"| {row} | {program.name} | {tokens / its_cpu:.1f} | {tokens / its_wall:.1f} | {its_cpu / cpu:.2f} x "
                f"| {its_peak:.0f} ({its_training:.0f}) | {peak / its_peak:.2f} x ({training / its_training:.2f} x) |",
                flush=True,
            )
        print(f"| {row} | | | load of the machine {statistics.mean(load):.1f} | | | |", flush=True)


main()
