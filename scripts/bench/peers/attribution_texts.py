"""Methods without gradients: BM25, likeness of hidden states, and infini-gram's search for spans."""

import json
import pathlib
import subprocess
import sys
import time

import numpy
import torch
from attribution_model import TOGETHER
from rank_bm25 import BM25Okapi


def bm25(run):
    """On the tokens of prompt and answer."""
    index = BM25Okapi([sample["tokens"] for sample in run.samples])
    return torch.tensor(numpy.array([index.get_scores(query["tokens"]) for query in run.queries]))


@torch.no_grad()
def likeness(run):
    """Cosine of the last hidden states' means."""

    def means(texts):
        tokens, _ = run.batch(texts)
        rows = []
        for part, of_part in zip(tokens.split(TOGETHER), range(0, len(texts), TOGETHER)):
            hidden = run.call(run.model, part, output_hidden_states=True).hidden_states[-1]
            lengths = [len(text["tokens"]) for text in texts[of_part : of_part + TOGETHER]]
            rows += [row[:length].mean(0) for row, length in zip(hidden, lengths)]
        rows = torch.stack(rows)
        return rows / rows.norm(dim=-1, keepdim=True)

    return means(run.queries) @ means(run.samples).T


def spans(folder):
    """infini-gram's index of the tokens in `spans.json`: times, and whether it finds the same maximal spans."""
    from infini_gram.engine import InfiniGramEngine

    folder = pathlib.Path(folder).resolve()
    given = json.loads((folder / "spans.json").read_text())
    index = folder / "infini-gram"
    empty = folder / "nothing"
    index.mkdir(exist_ok=True)
    empty.mkdir(exist_ok=True)
    (index / "table.0").unlink(missing_ok=True)
    # Its indexing knows no other tokenizers than three; it takes tokens that lie there already.
    end, offset = numpy.array([65535], dtype=numpy.uint16).tobytes(), 0
    with open(index / "tokenized.0", "wb") as tokens, open(index / "offset.0", "wb") as offsets:
        for sample in given["samples"]:
            content = end + numpy.array(sample, dtype=numpy.uint16).tobytes()
            tokens.write(content)
            offsets.write(numpy.array([offset], dtype=numpy.uint64).tobytes())
            offset += len(content)
    binary = pathlib.Path(sys.modules["infini_gram"].__file__).parent / "rust_indexing"
    binary.chmod(0o755)
    command = [sys.executable, "-m", "infini_gram.indexing", "--data_dir", str(empty), "--save_dir", str(index), "--token_dtype", "u16"]
    began = time.monotonic()
    subprocess.run(command + ["--cpus", "1", "--mem", "2", "--ulimit", "4096"], check=True, stdout=subprocess.DEVNULL)
    build = time.monotonic() - began
    engine = InfiniGramEngine(index_dir=str(index), eos_token_id=2**15, vocab_size=2**16 - 1, token_dtype="u16", precompute_unigram_logprobs=True)
    times, same = [], 0
    for answer, expected in zip(given["answers"], given["spans"]):
        began = time.monotonic()
        found = engine.attribute(input_ids=answer, delim_ids=[], min_len=2, max_cnt=10**9, enforce_bow=False)["spans"]
        times.append(1e3 * (time.monotonic() - began))
        same += sorted([span["l"], span["r"]] for span in found) == [span for span in expected if span[1] - span[0] >= 2]
    result = {"build_seconds": build, "query_ms": sorted(times), "same": same, "answers": len(times), "tokens": given["tokens"]}
    (folder / "spans-infini-gram.json").write_text(json.dumps(result))
    return result
