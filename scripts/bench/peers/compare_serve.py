"""Runs the serving engine and transformers + PEFT in turns: `compare_serve.py BENCH_SERVE MODEL ADAPTERS [--rounds N] [ROW...]`.

All programs of a row are loaded first; then each does one unit of work in turn, so that whatever else the machine does meets
all of them alike. Times are medians over the rounds after one that warms up, of the processor time of all threads of a process;
the wall time is shown beside it.
"""

import argparse
import importlib.metadata
import pathlib
import statistics
import sys

from programs import Program, machine

HERE = pathlib.Path(__file__).parent
PROGRAMS = {
    "decode-8": [("ours", "decode", "base", ["batch=8"]), ("ours", "decode", "8 adapters", ["batch=8", "adapters=8"]),
                 ("peft", "decode", "base", ["batch=8"]), ("peft", "decode", "8 adapters", ["batch=8", "adapters=8"])],
    "decode-64": [("ours", "decode", "base", ["batch=64", "tokens=32"]),
                  ("ours", "decode", "64 adapters", ["batch=64", "adapters=64", "tokens=32"])],
    "mixed": [("ours", "mixed", "16 at once", ["batch=16"]), ("ours", "mixed", "8 at once", ["batch=8"]),
              ("peft", "mixed", "8 at once", ["batch=8"]), ("peft", "mixed", "16 at once", ["batch=16"])],
}
# These measure themselves: what they print is what is shown.
SELF = {
    "hot": [("8 adapters, room for 8", "hot", ["slots=8", "hot=8"]), ("16 adapters, room for 8", "hot", ["slots=8", "hot=16"])],
    "cold": [("in memory, on the disk", "cold", [])],
    "api": [("8 streams of 64 tokens", "api", ["clients=8"]), ("1 stream of 64 tokens", "api", ["clients=1"])],
}
SHOWN = {"hot": "to the first token", "cold": "to the first token", "api": "the engine alone, over HTTP"}


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("ours")
    parse.add_argument("model")
    parse.add_argument("adapters")
    parse.add_argument("--rounds", type=int, default=5)
    parse.add_argument("--threads", type=int, default=1)
    parse.add_argument("rows", nargs="*")
    given = parse.parse_intermixed_args()
    known = [*PROGRAMS, *SELF]
    unknown = [row for row in given.rows if row not in known]
    if unknown:
        sys.exit(f"no such row: {', '.join(unknown)}; there are {', '.join(known)}")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers", "peft")]
    print(f"Machine: {machine()}.\nVersions: {', '.join(versions)}. Threads: {given.threads}.\n", flush=True)
    print("| row | program | CPU s | wall s | beside the first | tokens |\n|---|---|---|---|---|---|", flush=True)
    for row in given.rows or known:
        if row in SELF:
            programs = [Program(name, [given.ours, what, given.model, given.adapters, *settings], given.threads) for name, what, settings in SELF[row]]
            for _ in range(given.rounds + 1):
                for program in programs:
                    program.work()
            first = None
            for program in programs:
                program.end()
                columns = [statistics.median(column) for column in zip(*(map(float, answer.split()) for answer in program.answers[1:]))]
                shown = ", ".join(f"{column:.2f} ms" for column in columns)
                first = first or columns[0]
                beside = f"{columns[-1] / (first if len(columns) == 1 else columns[0]):.2f} x"
                print(f"| {row} | {program.name} | {SHOWN[row]}: {shown} | | {beside} | |", flush=True)
            continue
        programs = []
        for whose, what, name, settings in PROGRAMS[row]:
            command = [given.ours, what, given.model] if whose == "ours" else [sys.executable, HERE / "serve.py", what, given.model]
            title = f"{'tributary' if whose == 'ours' else 'transformers + PEFT'}, {name}"
            programs.append(Program(title, [*command, given.adapters, *settings], given.threads))
        for _ in range(given.rounds + 1):
            for program in programs:
                program.work()
        firsts = {}
        for program, (whose, _, name, _) in zip(programs, PROGRAMS[row]):
            program.end()
            cpu, wall = program.seconds()
            first = firsts.setdefault(whose if row != "mixed" else "", cpu)
            same = firsts.setdefault(name if row != "mixed" else "tokens", program.answers[0])
            agree = sum(a == b for a, b in zip(same.split(), program.answers[0].split())) / max(len(same.split()), 1)
            print(f"| {row} | {program.name} | {cpu:.2f} | {wall:.2f} | {cpu / first:.2f} x | {agree:.0%} the same |", flush=True)


main()
