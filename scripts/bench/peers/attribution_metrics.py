"""What scores are judged by. Scores are matrices `[queries, samples]`, above 0 for help; truths are losses after retraining."""

import numpy

ROUNDS = 300


def ranks(values):
    """Along the last axis, from 0; equal values share the mean of their places."""
    order = values.argsort(-1, kind="stable")
    sorted_values = numpy.take_along_axis(values, order, -1)
    places = numpy.arange(values.shape[-1], dtype=float)
    found = numpy.empty(values.shape)
    if (sorted_values[..., 1:] != sorted_values[..., :-1]).all():
        numpy.put_along_axis(found, order, numpy.broadcast_to(places, values.shape).copy(), -1)
        return found
    for row in numpy.ndindex(values.shape[:-1]):
        _, groups, counts = numpy.unique(values[row], return_inverse=True, return_counts=True)
        ends = counts.cumsum()
        found[row] = (ends - (counts + 1) / 2)[groups.reshape(-1)]
    return found


def spearman(a, b):
    """Row by row; nan where a row of `b` does not vary, 0 where only one of `a` does not."""
    a, b = ranks(a), ranks(b)
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    products, squares = (a * b).sum(-1), (a * a).sum(-1) * (b * b).sum(-1)
    found = numpy.where(squares > 0, products / numpy.sqrt(numpy.where(squares > 0, squares, 1)), 0.0)
    return numpy.where((b * b).sum(-1) > 0, found, numpy.nan)


def auc(values, marked):
    placed = ranks(values[None])[0] + 1
    count, others = marked.sum(), (~marked).sum()
    return (placed[marked].sum() - count * (count + 1) / 2) / (count * others)


class Interval:
    """A figure and where 95 % of resampled ones lie."""

    def __init__(self, value, resampled):
        found = [one for one in resampled if not numpy.isnan(one)]
        self.value = value
        self.low, self.high = (numpy.percentile(found, (2.5, 97.5)) if found else (numpy.nan, numpy.nan))

    def __str__(self):
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def over_seeds(parts, rows, columns, statistic):
    """The mean of `statistic(part, rows, columns)` over seeds, with its interval: in every seed, rows and columns are drawn
    anew. `rows` and `columns` say how many a part has."""
    random = numpy.random.default_rng(1)
    value = numpy.mean([statistic(part, numpy.arange(rows(part)), numpy.arange(columns(part))) for part in parts])

    def again():
        draw = lambda count: random.integers(0, count, count)
        return numpy.mean([statistic(part, draw(rows(part)), draw(columns(part))) for part in parts])

    return Interval(float(value), [again() for _ in range(ROUNDS)])


def lds(pairs):
    """Of `(predicted, losses)` for each seed, both `[queries, retrains]`."""

    def statistic(pair, queries, retrains):
        predicted, losses = (matrix[numpy.ix_(queries, retrains)] for matrix in pair)
        return numpy.nanmean(spearman(predicted, -losses))

    return over_seeds(pairs, lambda pair: len(pair[0]), lambda pair: pair[0].shape[1], statistic)


def plain_lds(pairs):
    """The figure alone."""
    return float(numpy.mean([numpy.nanmean(spearman(predicted, -losses)) for predicted, losses in pairs]))


def correlation(pairs):
    """Rank correlation, query by query, of scores of groups with what leaving them out does: `(scores, differences)`. Queries
    are drawn anew; groups are not, since they are all there are."""
    statistic = lambda pair, queries, _: numpy.nanmean(spearman(pair[0][queries], pair[1][queries]))
    return over_seeds(pairs, lambda pair: len(pair[0]), lambda _: 1, statistic)


def mean(parts):
    """Of one number for each query, by seed."""
    return over_seeds(parts, len, lambda _: 1, lambda part, queries, _: numpy.mean(part[queries]))


def ratio(parts):
    """The first column's part of both, `[queries, 2]`, by seed."""

    def statistic(part, queries, _):
        first, second = part[queries].sum(0)
        return first / (first + second) if first > 0 else 0.0

    return over_seeds(parts, len, lambda _: 1, statistic)


def suspected(parts):
    """Area under the curve of `(suspicion, wrong)`, by seed."""

    def statistic(part, samples, _):
        values, marked = part[0][samples], part[1][samples]
        return auc(values, marked) if marked.any() and not marked.all() else numpy.nan

    return over_seeds(parts, lambda part: len(part[0]), lambda _: 1, statistic)


def hits(scores, sources, within):
    """For each query with sources, whether one of them is among the first `within`."""
    order = (-scores).argsort(-1, kind="stable")[:, :within]
    found = numpy.take_along_axis(sources, order, -1).any(-1)
    return found[sources.any(-1)].astype(float)


def share(scores, mine):
    """The mean part of the positive scores that some samples have."""
    positive = numpy.maximum(scores, 0)
    total = positive.sum(-1)
    return float((positive[:, mine].sum(-1)[total > 0] / total[total > 0]).mean())


def ceiling(first, second):
    """The root of the mean rank correlation of two measurements of the same truth: what a perfect prediction of the mean could
    reach on one of them (Spearman, 1904)."""
    return float(numpy.sqrt(max(numpy.nanmean(spearman(first, second)), 0)))
