"""Measures of log-probabilities: what a brain would have said of given words (teacher forcing), not what it says.

All in nats. A reply can grow far more probable and still not be said: none of these counts as learned by itself (see
``metrics.came_back``).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax


def logprob_change(before: Sequence[float], after: Sequence[float]) -> float:
    """Mean change of the log-probability of a reply's tokens, in nats per token; above 0 is more likely than before.

    Both: one value for each token of the same reply, after the same prompt (``model.ReplyScore.logprobs``). Source: ours, the
    efficacy magnitude of Meng et al. 2022 (ROME) in logarithms. Raises ``ValueError`` for no tokens or unequal numbers.
    """
    then, now = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    if then.shape != now.shape or not then.size:
        raise ValueError(f"The same reply has the same tokens: {then.size} before and {now.size} after cannot be compared.")
    return float((now - then).mean())


def heldout_loss_change(before: Sequence[Sequence[float]], after: Sequence[Sequence[float]]) -> float:
    """Change of the mean loss on held-out texts, nats per token over all tokens of all texts; above 0 is worse than before.

    Both: for each text the log-probability of each of its tokens. A long text counts for more than a short one, as in a
    perplexity: exp of the result is the factor by which the perplexity changed. Raises ``ValueError`` as
    :func:`logprob_change`, and for texts of unequal length.
    """
    if [len(text) for text in before] != [len(text) for text in after]:
        raise ValueError("The same held-out texts have the same tokens before and after.")
    return -logprob_change([value for text in before for value in text], [value for text in after for value in text])


def mean_token_kl(before: ArrayLike, after: ArrayLike) -> float:
    """Mean over places of KL(before || after), in nats per token, 0 or more; 0 is the same prediction at every place.

    Both: log-probabilities of shape (places, vocabulary). Each row is normalised anew in double precision, for rows kept in
    half precision do not sum to 1. Source: Kullback and Leibler 1951. Infinite where a token that was possible is ruled out.
    Raises ``ValueError`` for other shapes, unequal ones, or no places.
    """
    then, now = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    if then.shape != now.shape or then.ndim != 2 or not then.size:
        raise ValueError(f"Two equal tables (places, vocabulary) are needed, not {then.shape} and {now.shape}.")
    old, new = log_softmax(then, axis=-1), log_softmax(now, axis=-1)
    with np.errstate(invalid="ignore"):  # -inf - -inf, at tokens of probability 0, which weigh nothing
        terms = np.where(np.isneginf(old), 0.0, np.exp(old) * (old - new))
    return max(0.0, float(terms.sum(-1).mean()))
