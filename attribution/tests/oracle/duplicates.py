#!/usr/bin/env python3
"""What datasketch finds, for the search for duplicates to be compared with.

Set up once:  python3 -m venv VENV && VENV/bin/pip install datasketch==2.0.0
    duplicates.py golden > attribution/tests/data/duplicates.json
    cargo run --release -p tributary-attribution --example duplicates -- signatures FILE.jsonl | duplicates.py compare FILE.jsonl

The division into words, the rules and the numbers follow docs/protocol/duplicates.md; signatures and bands are datasketch's.
"""

import json
import random
import sys

import datasketch
import numpy
from datasketch import MinHash, MinHashLSH
from datasketch.hashfunc import sha1_hash32

SEED, PERMUTATIONS, BANDS, ROWS, WORDS = 20261121, 128, 32, 4, 3
COPY, PARAPHRASE = 800_000, 500_000

SIGNS = set("#$%&*+-/<=>@\\^_|~")
INVISIBLE = [(0xAD, 0xAD), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xE0000, 0xE0FFF)]
SEPARATORS = [
    (0x00, 0xA9), (0xAB, 0xB4), (0xB6, 0xB9), (0xBB, 0xBF), (0x1680, 0x1680), (0x2000, 0x205F), (0x3000, 0x303F),
    (0xFF00, 0xFF0F), (0xFF1A, 0xFF20), (0xFF3B, 0xFF40), (0xFF5B, 0xFF65),
]  # fmt: skip
SINGLE = [(0xE00, 0x109F), (0x1780, 0x17FF), (0x2190, 0x2BFF), (0x2E80, 0xA4CF), (0xF900, 0xFAFF), (0x1B000, 0x3FFFF)]


def within(character, ranges):
    return any(low <= ord(character) <= high for low, high in ranges)


def words(text):
    found, word = [], ""
    for character in text:
        if character.isascii() and character.isalnum():
            word += character.lower()
        elif within(character, INVISIBLE):
            pass
        elif character in SIGNS:
            found += [word, character]
            word = ""
        elif within(character, SEPARATORS):
            found.append(word)
            word = ""
        elif within(character, SINGLE):
            found += [word, character]
            word = ""
        else:
            word += character.lower() if ord(character) < 0x530 else character
    return [word for word in found + [word] if word]


def sets(prompt, completion):
    answer = words(completion)
    every = words(prompt) + ["\n"] + answer
    if every == ["\n"]:
        return [], []
    width = min(WORDS, len(every))
    shingles = {" ".join(every[at : at + width]) for at in range(len(every) - width + 1)}
    return shingles, set(answer)


def sketch(shingles):
    minhash = MinHash(num_perm=PERMUTATIONS, seed=SEED)
    minhash.update_batch([shingle.encode() for shingle in shingles])
    return minhash


def numbers(texts):
    return sorted({sha1_hash32(text.encode()) for text in texts})


def parsed(row):
    if "prompt" in row:
        return row["prompt"], row["completion"]
    return row["instruction"] + ("\n\n" + row["input"] if row.get("input") else ""), row["output"]


def similarity(left, right):
    jaccard = lambda a, b: len(a & b) * 1_000_000 // len(a | b)
    shingles = jaccard(left[0], right[0])
    return shingles if not left[1] and not right[1] else min(shingles, jaccard(left[1], right[1]))


def made():
    """Texts of all kinds, some of them made from others."""
    fixed = [
        ("", "!"), ("?", "..."), ("a", "b"), ("Hello,  World!", "(It's) 3.14"), ("1+1=2", "well-known x^2"),
        ("so\u00adf\u200bt", "\ufeffA \u2060b"), ("Émile ÀÉÎ", "Ёлка Ωμέγα ß ǅ"), ("日本語。はい", "«да» ไทย 한국어 말"),
        ("\u2028new\u00a0line\u3000", "emoji 😀😀 → x"), ("ＦＵＬＬ！width", "٣ Arabic دٌ"), ("İstanbul", "ΣΑΣ"), ("a\tb", "c\r\nd"),
    ]  # fmt: skip
    source = random.Random(7)
    texts = [list(pair) for pair in fixed]
    for number in range(60):
        if number % 3 == 0:
            text = [f"w{source.randrange(5000)}" for _ in range(source.randrange(12, 80))]
        else:
            text = texts[-1 - number % 3 + 1][2]
            rate = source.choice([0.01, 0.05, 0.1, 0.2])
            text = [f"w{source.randrange(5000)}" if source.random() < rate else word for word in text]
        texts.append([" ".join(text[:5]), " ".join(text[5:]), text])
    return [tuple(text[:2]) for text in texts]


def golden():
    samples = made()
    every = [sets(*sample) for sample in samples]
    sketches = [sketch(shingles) for shingles, _ in every]
    lsh = MinHashLSH(num_perm=PERMUTATIONS, params=(BANDS, ROWS))
    for index, minhash in enumerate(sketches):
        if every[index][0]:
            lsh.insert(index, minhash)
    pairs = sorted(
        (index, other) for index, minhash in enumerate(sketches) if every[index][0] for other in lsh.query(minhash) if index < other
    )
    case = {
        "made_by": f"attribution/tests/oracle/duplicates.py with datasketch {datasketch.__version__}, numpy {numpy.__version__}",
        "samples": samples,
        "shingles": [numbers(shingles) for shingles, _ in every[:16]],
        "answers": [numbers(answer) for _, answer in every[:16]],
        "signatures": [[int(value) for value in minhash.hashvalues] for minhash in sketches[:16]],
        "candidates": pairs,
        "similarities": [similarity(every[a], every[b]) for a, b in pairs],
        "estimates": [round(sketches[a].jaccard(sketches[b]) * PERMUTATIONS) for a, b in pairs],
    }
    print("{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in case.items()) + "\n}")


def compare(path):
    rows, seen = [], set()
    for row in open(path, encoding="utf-8-sig", newline="\n"):
        if row.strip():
            pair = parsed(json.loads(row))
            key = pair[0].strip(), pair[1].strip()
            if key not in seen:
                rows.append(pair)
            seen.add(key)
    lines = sys.stdin.read().splitlines()
    checked = 0
    for line, row in zip(lines, rows):
        shingles, _ = sets(*row)
        expected = [len(numbers(shingles))] + [int(value) for value in sketch(shingles).hashvalues]
        if [int(value) for value in line.split()] != expected:
            sys.exit(f"sample {checked} differs: {row}")
        checked += 1
    if checked == 0 or len(lines) != len(rows):
        sys.exit(f"{len(lines)} signatures for {len(rows)} samples")
    print(f"{checked} samples, {checked * PERMUTATIONS} numbers: all equal (datasketch {datasketch.__version__})")


if __name__ == "__main__":
    golden() if sys.argv[1] == "golden" else compare(sys.argv[2])
