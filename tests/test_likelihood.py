"""Measures of log-probabilities, against scipy, torch and numbers worked out by hand."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from sleepcon.likelihood import heldout_loss_change, logprob_change, mean_token_kl


def test_logprob_change_is_the_mean_over_the_tokens():
    assert logprob_change([-2.0, -1.0, -3.0], [-1.0, -1.0, -0.5]) == pytest.approx((1 + 0 + 2.5) / 3)
    assert logprob_change([math.log(0.1)], [math.log(0.2)]) == pytest.approx(math.log(2))  # twice as likely
    assert logprob_change([-2.0, -1.0], [-2.0, -1.0]) == 0.0
    for before, after in ([], []), ([-1.0], [-1.0, -2.0]):
        with pytest.raises(ValueError, match="same tokens"):
            logprob_change(before, after)


def test_heldout_loss_change_weighs_tokens_not_texts():
    before, after = [[-1.0], [-2.0, -2.0, -2.0]], [[-5.0], [-1.0, -2.0, -3.0]]
    # losses 7 / 4 before and 11 / 4 after; the mean over texts would have changed by (4 + 0) / 2
    assert heldout_loss_change(before, after) == pytest.approx(1.0)
    assert heldout_loss_change(after, before) == pytest.approx(-1.0)
    factor = math.exp(11 / 4) / math.exp(7 / 4)
    assert math.exp(heldout_loss_change(before, after)) == pytest.approx(factor)  # of the perplexities
    with pytest.raises(ValueError, match="same held-out texts"):
        heldout_loss_change([[-1.0], [-1.0, -2.0]], [[-1.0, -2.0], [-1.0]])
    with pytest.raises(ValueError, match="0 before"):
        heldout_loss_change([], [])


def table(seed, places=7, words=50):
    logits = np.random.default_rng(seed).normal(0, 3, (places, words))
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def test_token_kl_is_that_of_scipy_and_torch():
    before, after = table(1), table(2)
    by_scipy = np.mean([stats.entropy(np.exp(p), np.exp(q)) for p, q in zip(before, after, strict=True)])
    by_torch = torch.nn.functional.kl_div(torch.tensor(after), torch.tensor(before), reduction="none", log_target=True)
    assert mean_token_kl(before, after) == pytest.approx(by_scipy) == pytest.approx(float(by_torch.sum(-1).mean()))
    assert mean_token_kl(before, after) != pytest.approx(mean_token_kl(after, before))  # the direction counts


def test_token_kl_by_hand():
    before, after = np.log([[0.5, 0.5], [0.9, 0.1]]), np.log([[0.25, 0.75], [0.9, 0.1]])
    first = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert mean_token_kl(before, after) == pytest.approx(first / 2)


def test_token_kl_of_the_same_is_zero_and_never_below():
    before = table(3)
    assert mean_token_kl(before, before) == 0.0
    assert 0.0 <= mean_token_kl(before, before + np.random.default_rng(4).normal(0, 1e-9, before.shape)) < 1e-12


def test_token_kl_stands_half_precision():
    before = table(5, places=20, words=2000)
    half = torch.tensor(before).half()
    assert abs(np.exp(half.double().numpy()).sum(-1) - 1).max() > 1e-5  # as kept, the rows do not sum to 1
    assert 0.0 <= mean_token_kl(half, torch.tensor(table(5, 20, 2000))) < 1e-5
    assert mean_token_kl(half, table(6, 20, 2000)) == pytest.approx(mean_token_kl(before, table(6, 20, 2000)), rel=1e-3)


def test_token_kl_where_a_token_is_ruled_out():
    never = np.array([[0.0, -np.inf]])
    assert mean_token_kl(never, np.log([[0.5, 0.5]])) == pytest.approx(math.log(2))
    assert mean_token_kl(never, never) == 0.0
    assert mean_token_kl(np.log([[0.5, 0.5]]), never) == math.inf
    assert mean_token_kl([[0.0, -900.0]], [[-900.0, 0.0]]) == pytest.approx(900)  # far, but not ruled out


@pytest.mark.parametrize(
    ("before", "after"), [([], []), ([0.0], [0.0]), ([[0.0, 1.0]], [[0.0]]), (np.zeros((0, 3)), np.zeros((0, 3)))]
)
def test_token_kl_refuses_tables_that_do_not_fit(before, after):
    with pytest.raises(ValueError, match="Two equal tables"):
        mean_token_kl(before, after)
