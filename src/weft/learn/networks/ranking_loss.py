"""Losses that teach an order of items from a few of them."""

from __future__ import annotations

import torch
from torch.nn import functional

from weft.learn.networks.slates import RankingBatch


def sampled_softmax(own: torch.Tensor, shared: torch.Tensor | None, batch: RankingBatch) -> torch.Tensor:
    """Return the mean cross entropy of the true items of each seed, as if all items had been scored.

    A negative counts for as many as it stands for: its score less the logarithm of the chance that it is in
    the sample (Bengio, 2008), which for items that come from other seeds corrects for their popularity (Yi,
    2019). True items and those around the seed are always there and count once.

    Args:
        own: Scores of pairs, ``(n,)``.
        shared: Scores of shared negatives, ``(seeds, shared)``; ``None`` where these cannot be scored.
        batch: What the pairs and the negatives are.
    """
    pairs, num = batch.own, len(batch.seeds)
    total = _logsumexp(own - pairs.log_chance, pairs.seed, num)
    if shared is not None and batch.pool is not None:
        left = (shared - batch.pool.log_chance).masked_fill(batch.pool.is_left_out, -torch.inf)
        total = torch.logaddexp(total, torch.logsumexp(left, dim=1))
    seed = pairs.seed[pairs.is_true]
    counts = torch.bincount(seed, minlength=num)
    losses = (total[seed] - own[pairs.is_true]) / counts[seed]
    return losses.sum() / max(1, int((counts > 0).sum()))


def bayesian_ranking(own: torch.Tensor, shared: torch.Tensor | None, batch: RankingBatch) -> torch.Tensor:
    """Return the mean loss of pairs of a true and a false item of a seed (BPR; Rendle, 2009).

    Arguments are those of `sampled_softmax`. Every true item meets every false item of its seed and every
    negative that the seeds share.
    """
    pairs = batch.own
    true, false = torch.nonzero(pairs.is_true)[:, 0], torch.nonzero(~pairs.is_true)[:, 0]
    one, other = _couples(pairs.seed[true], pairs.seed[false], len(batch.seeds))
    losses = [functional.softplus(own[false[other]] - own[true[one]])]
    if shared is not None and batch.pool is not None:
        seed = pairs.seed[true]
        off = functional.softplus(shared[seed] - own[true][:, None])
        losses.append(off[~batch.pool.is_left_out[seed]])
    found = torch.cat(losses)
    return found.sum() / max(1, len(found))


def _couples(one: torch.Tensor, other: torch.Tensor, num: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the positions of all couples of equal values in two ascending lists of values below ``num``."""
    counts = torch.bincount(other, minlength=num)
    starts = torch.cumsum(counts, 0) - counts
    first = torch.repeat_interleave(torch.arange(len(one), device=one.device), counts[one])
    within = torch.arange(len(first), device=one.device)
    before = torch.cumsum(counts[one], 0) - counts[one]
    return first, starts[one][first] + within - before[first]


def _logsumexp(values: torch.Tensor, groups: torch.Tensor, num: int) -> torch.Tensor:
    """Return the logarithm of the sum of exponentials of each group, minus infinity for an empty one."""
    most = values.new_full((num,), -torch.inf).scatter_reduce(0, groups, values.detach(), "amax")
    safe = torch.where(torch.isfinite(most), most, 0)
    total = values.new_zeros(num).index_add(0, groups, torch.exp(values - safe[groups]))
    return torch.where(total > 0, torch.log(total.clamp(min=1e-30)), -torch.inf) + safe
