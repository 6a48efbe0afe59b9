"""kronfluence's EK-FAC on the low-rank layers of a run."""

import contextlib
import io
import logging
import shutil
import tempfile
import warnings

import torch
from attribution_model import losses
from kronfluence.analyzer import Analyzer, prepare_model
from kronfluence.arguments import FactorArguments, ScoreArguments
from kronfluence.task import Task as BaseTask

# Parts of the mean eigenvalue.
PARTS = (0.01, 1.0, 10.0)


class Texts(torch.utils.data.Dataset):
    def __init__(self, run, texts):
        self.tokens, self.labels = run.batch(texts)
        self.present = torch.zeros_like(self.tokens)
        for row, text in enumerate(texts):
            self.present[row, : len(text["tokens"])] = 1

    def __len__(self):
        return len(self.tokens)

    def __getitem__(self, place):
        return self.tokens[place], self.labels[place], self.present[place]


class Task(BaseTask):
    """Training sums over trained tokens, as the run's steps do; a query counts by its mean loss."""

    def __init__(self, run, model):
        self.run = run
        self.modules = [name for name, module in model.named_modules() if name.endswith(("lora_A.default", "lora_B.default"))]

    def compute_train_loss(self, batch, model, sample=False):
        tokens, labels, _ = batch
        logits = self.run.call(model, tokens).logits
        if sample:
            with torch.no_grad():
                drawn = torch.distributions.Categorical(logits=logits.detach()).sample()
            labels = torch.where(labels == -100, labels, drawn)
        return losses(logits, labels)[0].sum()

    def compute_measurement(self, batch, model):
        tokens, labels, _ = batch
        sums, counts = losses(self.run.call(model, tokens).logits, labels)
        return (sums / counts).sum()

    def get_influence_tracked_modules(self):
        return self.modules

    def get_attention_mask(self, batch):
        return batch[2]


def scores(run):
    """By `method;setting;note`: `[queries, samples]`; and `suspicion;method;`: `[samples]`."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore", FutureWarning)
    torch.manual_seed(run.data["seed"])
    model = run.load(run.data["snapshots"][-1]["folder"])
    task = Task(run, model)
    model = prepare_model(model, task)
    training, asked = Texts(run, run.samples), Texts(run, run.queries)
    found, folder = {}, tempfile.mkdtemp()
    with contextlib.redirect_stdout(io.StringIO()):
        analyzer = Analyzer("run", model, task, cpu=True, disable_tqdm=True, output_dir=folder)
        analyzer.fit_all_factors("ekfac", training, per_device_batch_size=32, factor_args=FactorArguments(strategy="ekfac"))
        eigenvalues = analyzer.load_lambda_matrices("ekfac")
        lambdas, counts = eigenvalues["lambda_matrix"], eigenvalues["num_lambda_processed"]
        mean = torch.cat([(lambdas[name] / counts[name]).flatten() for name in lambdas]).double().mean().item()
        settings = [(1e-8, "1e-8", "default"), (None, "0.1 of each matrix' mean eigenvalue", "")]
        settings += [(mean * part, f"{part} of the mean eigenvalue", "") for part in PARTS]
        for number, (damping, name, note) in enumerate(settings):
            analyzer.compute_pairwise_scores(
                f"pairs-{number}", "ekfac", asked, training, len(asked), per_device_train_batch_size=32,
                score_args=ScoreArguments(damping_factor=damping),
            )
            found[f"kronfluence EK-FAC;damping {name};{note}"] = analyzer.load_pairwise_scores(f"pairs-{number}")["all_modules"]
            if damping is None:
                analyzer.compute_self_scores(
                    "self", "ekfac", training, per_device_train_batch_size=32, score_args=ScoreArguments(damping_factor=None)
                )
                found["suspicion;kronfluence EK-FAC;"] = analyzer.load_self_scores("self")["all_modules"]
    shutil.rmtree(folder)
    return found
