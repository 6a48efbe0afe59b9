"""Joins scores and truths and prints the tables: `attribution_table.py FOLDER SEED...`."""

import importlib.metadata
import json
import pathlib
import sys

import numpy
from attribution_metrics import ceiling, correlation, hits, lds, mean, plain_lds, ratio, share, suspected
from machine import machine
from safetensors.numpy import load_file

KINDS = [("kept-50", "50 % of samples"), ("kept-90", "90 %"), ("kept-99", "99 %"), ("coalition", "80 % of contributors")]
PACKAGES = ["torch", "transformers", "peft", "dattri", "kronfluence", "rank-bm25", "infini-gram"]
OURS = "ours"
BOTH = "tangents of content and embedding"


class Scored:
    """One seed's data and scores."""

    def __init__(self, folder):
        self.folder, self.data = folder, self.read(folder, "data.json")
        self.samples, self.queries = self.data["samples"], self.data["queries"]
        self.owners = numpy.array([sample["contributor"] for sample in self.samples])
        self.wrong = numpy.array([sample["wrong"] for sample in self.samples])
        teaches = [sample["teaches"] for sample in self.samples]
        self.sources = numpy.array([
            [bool(query["teaches"]) and one == query["teaches"] and not wrong for one, wrong in zip(teaches, self.wrong)]
            for query in self.queries
        ])
        self.scores, self.suspicions = {}, {}
        for file, who in (("scores-ours.safetensors", OURS), ("scores-peers.safetensors", "peer")):
            for key, matrix in load_file(folder / file).items():
                name, setting, note = key.split(";")
                if name == "suspicion":
                    self.suspicions[who, setting] = matrix
                else:
                    self.scores[who, name, setting, note] = matrix

    @staticmethod
    def read(folder, name):
        return json.loads((folder / name).read_text())


class Seed(Scored):
    """All files of a seed that was retrained."""

    def __init__(self, folder):
        super().__init__(folder)
        self.truth = {}
        for line in (folder / "truth.jsonl").read_text().splitlines():
            line = json.loads(line)
            self.truth.setdefault(line["kind"], {})[line["number"]] = line
        self.ours, self.tangents, self.shares, self.check, self.formula = [
            self.read(folder, f"{name}.json") for name in ("ours", "tangents", "shares", "check", "formula")
        ]
        self.add_tangents()
        self.scores[OURS, "paid units", "", ""] = numpy.array([query["units"] for query in self.shares], dtype=float)

    def add_tangents(self):
        """What was measured of a group, divided among its samples by their positive scores of the trajectory estimator, as answers
        are paid; of content groups also both together (`sample_effects` of attribution/src/tangents/effects.rs)."""
        inside = next(matrix for (who, name, _, note), matrix in self.scores.items() if name == "data value embedding" and note)
        positive = numpy.maximum(inside, 0)
        for name, tangents in self.tangents.items():
            member = numpy.equal.outer(numpy.array(tangents["of_sample"]), numpy.arange(len(tangents["gradient"][0])))
            sums = positive @ member
            sizes = member.sum(0)
            for way in ("gradient", "midpoint", "loss"):
                totals = numpy.array(tangents[way])
                parts = numpy.where(sums > 0, totals / numpy.where(sums > 0, sums, 1), 0)
                even = numpy.where(sums > 0, 0, totals / sizes)
                note = "default" if way == "loss" else ""
                self.scores[OURS, f"tangents of {name}", way, note] = positive * (parts @ member.T) + even @ member.T
            if name == "content":
                self.scores[OURS, BOTH, "loss", "default"] = numpy.array(tangents["sample_effects"])

    def retrains(self, kind):
        """Who took part, `[retrains, samples]`, and losses, `[queries, retrains]`, in the order of their numbers."""
        lines = [line for _, line in sorted(self.truth.get(kind, {}).items())]
        included = numpy.array([[one == "1" for one in line["included"]] for line in lines])
        return included, numpy.array([line["losses"] for line in lines]).T

    def predictions(self, key, kind):
        included, losses = self.retrains(kind)
        return self.scores[key] @ included.T.astype(float), losses

    def left_out(self, kind, again=""):
        """Who is in each group, and what leaving it out does to each query."""
        included, losses = self.retrains(kind + again)
        whole = self.truth["all" + again][0]["losses"]
        return ~included, losses - numpy.array(whole)[:, None]


def settings_of(seeds):
    """By who and method: its settings, and the one that is its default."""
    methods = {}
    for who, name, setting, note in sorted(seeds[0].scores, key=lambda key: (key[0] != OURS, key[1])):
        if all((who, name, setting, note) in seed.scores for seed in seeds):
            methods.setdefault((who, name), []).append((who, name, setting, note))
    return methods


def best_of(keys, figure):
    default = next((key for key in keys if key[3]), None)
    return default, max(keys, key=figure)


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def header(*cells):
    row(*cells)
    row(*["---"] * len(cells))


def retraining(seeds, methods):
    """LDS, and of groups. The best setting is chosen by each column for itself."""
    header("whose", "method", "setting", *[name for _, name in KINDS])
    best = {}
    for (who, name), keys in methods.items():
        cells = {}
        for kind, _ in KINDS:
            pairs = lambda key: [seed.predictions(key, kind) for seed in seeds]
            default, first = best_of(keys, lambda key: plain_lds(pairs(key)))
            figure = lds(pairs(first))
            best[who, name, kind] = figure
            cells[kind] = (lds(pairs(default)) if default else None, figure, first[2])
        if len(keys) > 1:
            setting = next((key[2] for key in keys if key[3]), "")
            row(who, name, f"default: {setting}", *[cells[kind][0] or "none" for kind, _ in KINDS])
            row(who, name, "best", *[f"{cells[kind][1]}, {cells[kind][2]}" for kind, _ in KINDS])
        else:
            row(who, name, "", *[cells[kind][1] for kind, _ in KINDS])
    again = []
    for kind, _ in KINDS:
        found = []
        for seed in seeds:
            _, second = seed.retrains(kind + "-again")
            if second.size:
                numbers = sorted(seed.truth[kind + "-again"])
                first = numpy.array([seed.truth[kind][number]["losses"] for number in numbers]).T
                found.append(ceiling(first, second))
        again.append(f"{numpy.mean(found):.3f}" if found else "not measured")
    row("", "another seed's retrains (ceiling of what holds for all seeds)", "", *again)
    return best


def groups(seeds, methods):
    header("whose", "method", "setting", "leaving a content group out", "leaving a contributor out")
    for (who, name), keys in methods.items():
        def pairs(key, kind):
            found = []
            for seed in seeds:
                member, differences = seed.left_out(kind)
                found.append((seed.scores[key] @ member.T.astype(float), differences))
            return found

        cells = []
        for kind in ("without-group", "without-contributor"):
            plain = lambda key: plain_lds([(scores, -truth) for scores, truth in pairs(key, kind)])
            default, first = best_of(keys, plain)
            cells.append((correlation(pairs(default or first, kind)), correlation(pairs(first, kind)), first[2]))
        setting = next((key[2] for key in keys if key[3]), "")
        if len(keys) > 1:
            row(who, name, f"default: {setting}", *[cell[0] for cell in cells])
            row(who, name, "best", *[f"{cell[1]}, {cell[2]}" for cell in cells])
        else:
            row(who, name, "", *[cell[1] for cell in cells])


def other_seeds(seeds, methods):
    """The same with retrains that begin elsewhere and see the samples in another order: what holds for the data, and not for one
    run of it. Ours by their defaults; peers, which have other defaults each, by the setting that is best for the first column."""
    if not all("without-group-again" in seed.truth for seed in seeds):
        return
    header("whose", "method", "setting", *[name for _, name in KINDS], "leaving a content group out", "leaving a contributor out")
    for (who, name), keys in methods.items():
        default, first = best_of(keys, lambda key: plain_lds([seed.predictions(key, KINDS[0][0]) for seed in seeds]))
        key = default if who == OURS and default else first
        cells = [lds([seed.predictions(key, kind + "-again") for seed in seeds]) for kind, _ in KINDS]
        for kind in ("without-group", "without-contributor"):
            pairs = []
            for seed in seeds:
                member, differences = seed.left_out(kind, "-again")
                pairs.append((seed.scores[key] @ member.T.astype(float), differences))
            cells.append(correlation(pairs))
        row(who, name, key[2], *cells)


def recall(seeds, methods):
    """Facts and rules, and of both those that the model answers rightly: with more than half of all probability."""
    kinds = [
        ("facts", lambda seed: numpy.array([query["kind"] == "fact" for query in seed.queries])),
        ("rules", lambda seed: numpy.array([query["kind"] == "rule" for query in seed.queries])),
        ("answered", lambda seed: seed.sources.any(-1) & (numpy.array(seed.data["query_losses"]) < numpy.log(2))),
    ]
    header("whose", "method", "setting", *[f"{name} @{within}" for name, _ in kinds for within in (1, 5)])

    def figures(scores_of):
        cells = []
        for _, asked_of in kinds:
            for within in (1, 5):
                parts = []
                for seed in seeds:
                    asked = asked_of(seed)
                    parts.append(hits(scores_of(seed)[asked], seed.sources[asked], within))
                cells.append(mean(parts))
        return cells

    for (who, name), keys in methods.items():
        default, first = best_of(keys, lambda key: numpy.mean([hits(seed.scores[key], seed.sources, 1).mean() for seed in seeds]))
        key = first if len(keys) > 1 else keys[0]
        if default and default != key:
            row(who, name, f"default: {default[2]}", *figures(lambda seed: seed.scores[default]))
        row(who, name, ("best: " if len(keys) > 1 else "") + key[2], *figures(lambda seed: seed.scores[key]))


def rest(seeds):
    """Everything that is one number."""
    header("whose", "what", "figure")
    names = [name for name in seeds[0].suspicions if all(name in seed.suspicions for seed in seeds)]
    for who, name in sorted(names, key=lambda name: name[0] != OURS):
        row(who, f"mislabel AUC: {name}", suspected([(seed.suspicions[who, name], seed.wrong) for seed in seeds]))
    ours = [seed.ours for seed in seeds]
    row(OURS, "bytes kept for a sample", ", ".join(str(one["bytes_per_sample"]) for one in ours))
    parameters = seeds[0].data["parameters"]
    row("peer", "bytes of a sample's gradient in f32 (DataInf, TracIn, EK-FAC: kept or computed again)", 4 * parameters)
    row("peer", "bytes of TRAK's features, 512 dimensions at 4 checkpoints", 4 * 4 * 512)
    capture = [one["capture"]["with"] / one["capture"]["without"] for one in ours]
    row(OURS, "capture while training, times the processor time", ", ".join(f"{one:.2f}" for one in capture))
    queries = [query for seed in seeds for query in seed.shares]
    ghosts = [numpy.array([query["ghost_units"] for query in seed.shares]) for seed in seeds]
    row(OURS, "ghost share, of all units together", ratio(ghosts))
    row(OURS, "largest error of an answer's sum, units of 10^9", max(query["sum_error"] for query in queries))
    row(OURS, "largest gain by an account split in 8, units", max(abs(query["split_gain"]) for query in queries))
    row(OURS, "answers that go to the base pool whole", f"{sum(query['fallback'] is not None for query in queries)} of {len(queries)}")


def labels(folder):
    """Wrong labels alone, on seeds that have no other part in the benchmark."""
    of_seeds = {}
    for seed in sorted(folder.glob("seed-*")):
        wrong = numpy.array([sample["wrong"] for sample in json.loads((seed / "data.json").read_text())["samples"]])
        for key, scores in load_file(seed / "scores-ours.safetensors").items():
            name, setting, _ = key.split(";")
            if name == "suspicion":
                of_seeds.setdefault(setting, []).append((scores, wrong))
    for setting, parts in of_seeds.items():
        row(OURS, f"mislabel AUC of {len(parts)} more seeds: {setting}", suspected(parts))


def copies(seeds):
    """What a contributor's samples get with eight copies, as a multiple of what they got without."""
    header("whose", "method", "exact copies", "with words put in", "with a word exchanged", "seeds")
    attacked = [seed for seed in seeds if (seed.folder / "attacks.json").exists()]
    found = [json.loads((seed.folder / "attacks.json").read_text()) for seed in attacked]
    if not found:
        return
    said = lambda kind: ", ".join(f"{one[kind]['gain']:.3f} ({one[kind]['trained_on']} of {one[kind]['handed_in']} trained on)" for one in found)
    row(OURS, "paid units, near copies left out, paraphrases in one pool", said("exact"), said("near"), said("reworded"), len(found))
    gains = {}
    for seed in attacked:
        mine = seed.owners == 0
        for kind in ("exact", "near"):
            folder = seed.folder / f"copies-{kind}-undefended"
            samples = json.loads((folder / "data.json").read_text())["samples"]
            owners = numpy.array([sample["contributor"] for sample in samples])
            theirs = (owners == 0) | (owners >= seed.data["contributors"])
            for file, who in (("scores-ours.safetensors", OURS), ("scores-peers.safetensors", "peer")):
                if not (folder / file).exists():
                    continue
                for key, matrix in load_file(folder / file).items():
                    name, setting, note = key.split(";")
                    before = seed.scores.get((who, name, setting, note))
                    if name != "suspicion" and note and before is not None:
                        gain = share(matrix, theirs) / share(before, mine)
                        gains.setdefault((who, f"{name}, all copies trained on"), {}).setdefault(kind, []).append(gain)
    for (who, name), of_kind in sorted(gains.items(), key=lambda item: item[0][0] != OURS):
        cells = [", ".join(f"{gain:.2f}" for gain in of_kind.get(kind, [])) or "not measured" for kind in ("exact", "near")]
        row(who, name, *cells, "not measured", len(found))


def verdicts(seeds, best):
    """The figures that matter most, beside each other."""
    header("regime", "best without retrains", "times DataInf", "tangents of content and embedding", "times DataInf", "best peer", "best DataInf")
    for kind, name in KINDS:
        ours = {key: figure for key, figure in best.items() if key[2] == kind and key[0] == OURS}
        without = {key: figure for key, figure in ours.items() if not key[1].startswith(("tangents", "paid"))}
        tangents = {(OURS, BOTH, kind): lds([seed.predictions((OURS, BOTH, "loss", "default"), kind) for seed in seeds])}
        theirs = {key: figure for key, figure in best.items() if key[2] == kind and key[0] != OURS}
        datainf = max(figure.value for key, figure in best.items() if key[2] == kind and "DataInf" in key[1])
        cells = []
        for figures in (without, tangents):
            first = max(figures, key=lambda key: figures[key].value)
            times = figures[first].value / datainf if datainf > 0 else float("nan")
            cells += [f"{first[1]} {figures[first]}", f"{times:.2f}"]
        second = max(theirs, key=lambda key: theirs[key].value)
        row(name, *cells, f"{second[1]} {theirs[second]}", f"{datainf:.3f}")


def spans(folder):
    if not (folder / "spans-infini-gram.json").exists():
        return
    mine, theirs = (json.loads((folder / name).read_text()) for name in ("spans.json", "spans-infini-gram.json"))
    title("Spans")
    header("program", "tokens", "build, s", "median answer, ms", "99th percentile, ms", "same spans")
    at = lambda times, part: f"{times[int((len(times) - 1) * part)]:.3f}"
    for name, one in (("tributary", mine), ("infini-gram", theirs)):
        same = f"{theirs['same']} of {theirs['answers']}" if one is theirs else ""
        row(name, one["tokens"], f"{one['build_seconds']:.2f}", at(one["query_ms"], 0.5), at(one["query_ms"], 0.99), same)


def title(text):
    print(f"\n## {text}\n")


def main():
    folder = pathlib.Path(sys.argv[1])
    seeds = [Seed(folder / f"seed-{seed}") for seed in sys.argv[2:]]
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    print(f"Machine: {machine()}.\nVersions: {versions}.\n")
    for seed in seeds:
        data = seed.data
        mean_of = lambda name: numpy.mean(data[name])
        counts = ", ".join(f"{kind} {len(lines)}" for kind, lines in sorted(seed.truth.items()))
        seconds = numpy.mean([line["seconds"] for lines in seed.truth.values() for line in lines.values()])
        print(
            f"Seed {data['seed']}: {len(seed.samples)} samples ({seed.wrong.sum()} wrong) of {data['contributors']} contributors, "
            f"{len(seed.queries)} queries, {len(data['ghosts'])} ghosts, {data['parameters']} parameters, {data['steps']} steps; queries' loss "
            f"{mean_of('query_losses_before'):.3f} -> {mean_of('query_losses'):.3f}, samples' loss {mean_of('sample_losses'):.3f}; gradients "
            f"differ from PyTorch's by {seed.check['worst']:.1e}, scores from dattri's by "
            f"{', '.join(f'{value:.1e} ({name})' for name, value in seed.formula.items())}; retrains: {counts}; {seconds:.2f} s each."
        )
    methods = settings_of(seeds)
    title("Retraining on parts of the data: rank correlation of predicted and true losses (LDS)")
    best = retraining(seeds, methods)
    title("Beside each other")
    verdicts(seeds, best)
    title("Leaving one group out: rank correlation over the groups")
    groups(seeds, methods)
    title("The same beside another seed's retrains")
    other_seeds(seeds, methods)
    title("Sources of queries among the samples with the highest scores")
    recall(seeds, methods)
    own = sorted((folder / "sources").glob("seed-*"))
    if own:
        title(f"The same where each fact has an answer of its own, {len(own)} more seeds")
        own = [Scored(seed) for seed in own]
        recall(own, settings_of(own))
    title("Labels, memory, time, shares")
    rest(seeds)
    labels(folder / "labels")
    title("Copies")
    copies(seeds)
    spans(folder)


main()
