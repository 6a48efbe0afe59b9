"""dattri's attributors on a run: DataInf, TRAK and TracIn, and whether its DataInf is ours.

Gradients are computed once for each checkpoint, by dattri's own function, and remembered: methods and dampings differ in
what they do with them.
"""

import torch
from attribution_model import TOGETHER, losses
from dattri.algorithm.influence_function import IFAttributorDataInf
from dattri.algorithm.tracin import TracInAttributor
from dattri.algorithm.trak import TRAKAttributor
from dattri.func.projection import random_project
from dattri.task import AttributionTask
from peft import set_peft_model_state_dict
from peft.utils.save_and_load import load_peft_weights
from torch.utils.data import DataLoader, TensorDataset

# Parts of the mean square: of the elements of a matrix' gradients (DataInf), or of the diagonal (TRAK).
PARTS = (0.01, 0.1, 1.0, 10.0, 100.0)


class Task(AttributionTask):
    """Remembers gradients. Data is `(tokens, labels, trained tokens, number)`; queries have negative numbers."""

    def __init__(self, loss, model, checkpoints, summed):
        def load(model, folder):
            set_peft_model_state_dict(model, load_peft_weights(folder, device="cpu"))
            return model.eval()

        super().__init__(loss, model, checkpoints, checkpoints_load_func=load)
        self.known, self.summed = {}, summed

    def remembered(self, function, in_dims):
        along = in_dims[1]

        def gradients(parameters, data):
            key = (self.current_checkpoint_idx, tuple(data[3].flatten().tolist()))
            if key not in self.known:
                parts = zip(*(one.split(TOGETHER, along) for one in data))
                self.known[key] = torch.cat([function(parameters, part).detach() for part in parts])
            is_training = data[3].flatten()[0] >= 0
            found = self.known[key]
            return (found * data[2].flatten()[:, None] if self.summed and is_training else found).clone()

        return gradients

    def get_grad_loss_func(self, in_dims=(None, 1), layer_name=None, ckpt_idx=None):
        return self.remembered(super().get_grad_loss_func(in_dims, layer_name, ckpt_idx), in_dims)

    def get_grad_target_func(self, in_dims=(None, 1), layer_name=None, ckpt_idx=None):
        return self.remembered(super().get_grad_target_func(in_dims, layer_name, ckpt_idx), in_dims)


class Dattri:
    """The methods on one run."""

    def __init__(self, run):
        self.run = run
        self.folders = [snapshot["folder"] for snapshot in run.data["snapshots"]]
        self.rates = torch.tensor([snapshot["learning_rate"] for snapshot in run.data["snapshots"]])
        self.training, self.asked = self.loader(run.samples, 0), self.loader(run.queries, -len(run.queries))
        model = self.model = run.load(self.folders[-1])

        def mean_loss(parameters, data):
            tokens, labels = data[0].reshape(1, -1), data[1].reshape(1, -1)
            sums, counts = losses(run.call(model, tokens, parameters).logits, labels)
            return (sums / counts).sum()

        def log_odds(parameters, data):
            likely = -mean_loss(parameters, data)
            return likely - torch.log(-torch.expm1(likely).clamp(max=-1e-6))

        def probability(parameters, data):
            return torch.exp(-mean_loss(parameters, data))

        self.mean_loss, self.log_odds, self.probability = mean_loss, log_odds, probability
        self.last = Task(mean_loss, model, self.folders[-1:], summed=False)
        self.all = Task(mean_loss, model, self.folders, summed=False)
        self.odds = Task(log_odds, model, self.folders, summed=False)

    def loader(self, texts, first):
        tokens, labels = self.run.batch(texts)
        numbers = torch.arange(first, first + len(texts))
        return DataLoader(TensorDataset(tokens, labels, (labels != -100).sum(-1), numbers), batch_size=len(texts))

    def gradients(self):
        """Of samples and queries at the last checkpoint, in the order of the model's parameters."""
        attributor = IFAttributorDataInf(task=self.last)
        batch = lambda loader: tuple(one.unsqueeze(0) for one in next(iter(loader)))
        self.last.summed = False
        return attributor.generate_train_rep(0, batch(self.training)), attributor.generate_test_rep(0, batch(self.asked))

    def names(self):
        return [(name, one.shape) for name, one in self.model.named_parameters() if one.requires_grad]

    def datainf_by_matrix(self, training, asked, part):
        """dattri's formula with the paper's damping: a part of the mean square of each matrix' gradients."""
        attributor = IFAttributorDataInf(task=self.last)
        place, total = 0, 0
        for _, shape in self.names():
            rows, queries = training[:, place : place + shape.numel()], asked[:, place : place + shape.numel()]
            attributor._cached_train_reps = {0: rows}
            attributor._get_layer_wise_reps = lambda _, reps: (reps,)
            attributor.regularization = float(part * rows.double().square().mean())
            if attributor.regularization > 0:
                total = total + attributor.transform_test_rep(0, queries) @ rows.T
            place += shape.numel()
        return total

    def scores(self, few=False):
        """By `method;setting;note`: `[queries, samples]`; and `suspicion;method;`: `[samples]`."""
        found, parts = {}, (0.1,) if few else PARTS
        training, asked = self.gradients()
        counts = next(iter(self.training))[2][:, None]
        for part in parts:
            note = "default" if part == 0.1 else ""
            for kind, rows in (("mean", training), ("sum", training * counts)):
                key = f"dattri DataInf, damping by matrix;damping {part}, {kind} of losses;{note if kind == 'sum' else ''}"
                found[key] = self.datainf_by_matrix(rows, asked, part)
        rows = training * counts
        for projected, kind in ((False, "mean"), (False, "sum"), (True, "sum")):
            self.all.summed = kind == "sum"
            attributor = TracInAttributor(self.all, self.rates, normalized_grad=False)
            if not projected:
                attributor.projector_kwargs = None
            setting = f"{'512 dimensions' if projected else 'unprojected'}, {kind} of losses"
            found[f"dattri TracIn;{setting};{'default' if projected else ''}"] = attributor.attribute(self.training, self.asked).T
            if not projected and kind == "sum":
                found["suspicion;dattri TracIn;"] = attributor.self_attribute(self.training)
        if few:
            return found

        # One damping for all matrices, as dattri has it.
        mean_square = float(rows.double().square().mean())
        self.last.summed = True
        for damping, name, note in [(0.1, "0.1", "default")] + [(mean_square * part, f"{part} of the mean square", "") for part in PARTS[1:]]:
            attributor = IFAttributorDataInf(task=self.last, regularization=damping)
            attributor.cache(self.training)
            found[f"dattri DataInf;damping {name};{note}"] = attributor.attribute(self.training, self.asked).T

        # On the log-odds of a sample, as TRAK's paper has it.
        probability = lambda parameters, data: self.probability(parameters, data)
        odds = self.odds.get_grad_loss_func((None, 0))(self.odds.get_param(0)[0], next(iter(self.training)))
        project = {"proj_dim": 512, "proj_max_batch_size": 32, "proj_seed": 0, "device": "cpu"}
        scaled = odds / odds.shape[1] ** 0.5
        features = random_project(scaled, len(scaled), **project)(scaled, ensemble_id=0)
        diagonal = float(features.square().sum(0).mean())
        for damping, name, note in [(0.0, "0", "default")] + [(diagonal * part, f"{part} of the diagonal", "") for part in PARTS[:4]]:
            attributor = TRAKAttributor(self.odds, probability, dict(project), regularization=damping)
            try:
                attributor.cache(self.training)
                scores = attributor.attribute(self.asked).T
            except torch.linalg.LinAlgError as error:
                print(f"dattri TRAK with damping {name}: {error}")
                continue
            if scores.isfinite().all():
                found[f"dattri TRAK;damping {name};{note}"] = scores
                if name.startswith("0.1"):
                    # It looks at its argument before it asks whether there is one, so one that has cached cannot be asked.
                    anew = TRAKAttributor(self.odds, probability, dict(project), regularization=damping)
                    found["suspicion;dattri TRAK;"] = anew.self_attribute(self.training).flatten()[: len(self.run.samples)]
        return found
