"""The peers' scores of a run: `attribution_scores.py check|score|few|spans FOLDER`.

`check` compares gradients with PyTorch's and stops where they differ by more than 1e-4 of their length. `few` scores with
the methods that need no choice of damping.
"""

import json
import pathlib
import sys
import time

import torch
from attribution_model import Run, load_file, losses, ours, save

# Largest difference of two gradients, as a part of the length of PyTorch's.
TOLERANCE = 1e-4


def check(run):
    known = load_file(run.folder / "gradients.safetensors")
    worst, count = 0.0, 0
    for name in sorted({key.split(";")[0] for key in known}):
        kind, number = name.split()
        text = (run.samples if kind == "sample" else run.queries)[int(number)]
        tokens, labels = run.batch([text])
        run.model.zero_grad(set_to_none=True)
        sums, counts = losses(run.call(run.model, tokens).logits, labels)
        (sums / counts).sum().backward()
        theirs = {ours(key): one.grad for key, one in run.model.named_parameters() if one.requires_grad}
        mine = {key.split(";")[1]: value for key, value in known.items() if key.startswith(name + ";")}
        if mine.keys() != theirs.keys():
            sys.exit(f"other parameters: {sorted(mine.keys() ^ theirs.keys())[:3]}")
        apart = sum(((mine[key] - theirs[key]).double() ** 2).sum() for key in mine) ** 0.5
        length = sum((theirs[key].double() ** 2).sum() for key in mine) ** 0.5
        worst, count = max(worst, float(apart / length)), count + 1
        expected = (run.data["sample_losses"] if kind == "sample" else run.data["query_losses"])[int(number)]
        if abs(float(sums / counts) - expected) > 1e-4 * max(1.0, expected):
            sys.exit(f"the loss of {name} is {float(sums / counts)} in torch and {expected} here")
    print(f"{run.folder}: {count} gradients differ from PyTorch's by at most {worst:.1e} of their length")
    if not worst <= TOLERANCE:
        sys.exit(f"that is more than {TOLERANCE}: nothing else is compared")
    (run.folder / "check.json").write_text(json.dumps({"gradients": count, "worst": worst}))


def score(run, few):
    from attribution_dattri import Dattri
    from attribution_texts import bm25, likeness

    found, seconds = {}, {}

    def timed(name, work):
        began = time.process_time()
        found.update(work())
        seconds[name] = time.process_time() - began
        print(f"{run.folder}: {name} in {seconds[name]:.0f} s of processor time", flush=True)

    timed("BM25", lambda: {"BM25;;default": bm25(run)})
    timed("likeness of hidden states", lambda: {"likeness of hidden states;;default": likeness(run)})
    dattri = Dattri(run)
    if not few:
        same_formula(run, dattri)
    timed("dattri", lambda: dattri.scores(few))
    if not few:
        from attribution_kronfluence import scores

        timed("kronfluence", lambda: scores(run))
    losses_at_end = torch.tensor(run.data["sample_losses"])
    found["suspicion;loss at the end;"] = losses_at_end
    save(found, run.folder / "scores-peers.safetensors")
    (run.folder / "peers.json").write_text(json.dumps(seconds))


def same_formula(run, dattri):
    """Whether dattri's DataInf and TracIn give this project's scores, for one damping."""
    mine = load_file(run.folder / "scores-ours.safetensors")
    training, asked = dattri.gradients()
    theirs = {
        "DataInf;damping 0.1;default": dattri.datainf_by_matrix(training, asked, 0.1),
        "gradient dot;;default": asked @ training.T,
    }
    result = {}
    for name, scores in theirs.items():
        apart = float((mine[name] - scores).abs().max() / mine[name].abs().max())
        result[name.split(";")[0]] = apart
        print(f"{run.folder}: {name.split(';')[0]} differs from dattri's by at most {apart:.1e} of the largest score")
        if not apart <= 1e-3:
            sys.exit("that is more than 1e-3: one of them is wrong")
    (run.folder / "formula.json").write_text(json.dumps(result))


def main():
    what, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    if what == "spans":
        from attribution_texts import spans

        result = spans(folder)
        print(f"infini-gram: {result['tokens']} tokens indexed in {result['build_seconds']:.1f} s, same spans in {result['same']} of {result['answers']}")
        return
    run = Run(folder)
    if what == "check":
        check(run)
    else:
        score(run, few=what == "few")


main()
