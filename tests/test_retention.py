"""Measures over cycles, against a table worked out by hand."""

import numpy as np
import pytest

from sleepcon.retention import (
    backward_transfer,
    cycles_to_baseline,
    forgetting,
    forward_transfer,
    plasticity,
    retention,
)

R = [
    # set 1  set 2  set 3
    [0.1, 0.2, 0.0],  # the base
    [0.6, 0.3, 0.1],  # after cycle 1, which taught set 1
    [0.9, 0.8, 0.2],  # after cycle 2, which taught set 2
    [0.5, 0.6, 1.0],  # after cycle 3, which taught set 3
]
# Sets 1 and 2 have been through a later night, so they can have been lost; sets 2 and 3 through an earlier one.
# backward transfer: ((.5 - .6) + (.6 - .8)) / 2                    = (-.1 - .2) / 2 = -.15
# forward transfer:  ((.3 - .2) + (.2 - .0)) / 2                    = (.1 + .2) / 2  =  .15
# forgetting:        ((max(.6, .9) - .5) + (max(.3, .8) - .6)) / 2  = (.4 + .2) / 2  =  .3
# plasticity:        (.6 + .8 + 1.0) / 3                            = .8
# retention:         (.5 + .6) / (.6 + .8)                          = 1.1 / 1.4


def test_the_table_by_hand():
    assert backward_transfer(R) == pytest.approx(-0.15)
    assert forward_transfer(R) == pytest.approx(0.15)
    assert forgetting(R) == pytest.approx(0.3)
    assert plasticity(R) == pytest.approx(0.8)
    assert retention(R) == pytest.approx(1.1 / 1.4)


def test_two_sets_of_one_night():
    taught = [1, 1, 3]
    assert backward_transfer(R, taught) == pytest.approx(((0.5 - 0.6) + (0.6 - 0.3)) / 2)
    assert forward_transfer(R, taught) == pytest.approx(0.2 - 0.0)
    assert forgetting(R, taught) == pytest.approx(0.3)
    assert plasticity(R, taught) == pytest.approx((0.6 + 0.3 + 1.0) / 3)
    assert retention(R, taught) == pytest.approx(1.1 / 0.9)  # above 1: a later night helped


def test_as_the_papers_sum_it():
    rng = np.random.default_rng(0)
    table = rng.random((7, 6))
    tasks = 6
    own = [table[i, i - 1] for i in range(1, tasks + 1)]
    assert backward_transfer(table) == pytest.approx(sum(table[tasks, i - 1] - own[i - 1] for i in range(1, tasks)) / 5)
    assert forward_transfer(table) == pytest.approx(sum(table[i - 1, i - 1] - table[0, i - 1] for i in range(2, tasks + 1)) / 5)
    worst = [max(table[k, j - 1] for k in range(1, tasks)) - table[tasks, j - 1] for j in range(1, tasks)]
    assert forgetting(table) == pytest.approx(sum(worst) / 5)
    assert forgetting(table) >= -backward_transfer(table)  # from the best, not from the first


def test_the_base_is_not_a_score_that_a_night_lost():
    assert forgetting([[1.0, 0.0], [0.5, 0.0], [0.5, 1.0]]) == 0.0


def test_sham_nights_change_nothing():
    sham = [[0.1, 0.4, 0.0]] * 4
    assert backward_transfer(sham) == forward_transfer(sham) == forgetting(sham) == 0.0
    assert retention(sham) == 1.0


def test_one_night_has_nothing_to_lose():
    one = [[0.0], [0.7]]
    assert plasticity(one) == 0.7
    assert backward_transfer(one) is forward_transfer(one) is forgetting(one) is retention(one) is None


def test_what_was_never_learned_cannot_be_retained():
    assert retention([[0.0, 0.0], [0.0, 0.0], [0.3, 0.5]]) is None


@pytest.mark.parametrize(
    ("table", "taught"),
    [
        ([], None),
        ([[0.5, 0.5]], None),  # the base alone
        ([[], []], None),
        ([0.1, 0.2], None),
        ([[0.1, 0.2], [0.3, 0.4]], None),  # two sets, one cycle
        ([[0.1], [0.2]], [0]),
        ([[0.1], [0.2]], [2]),
        ([[0.1], [0.2]], [1, 1]),
        ([[0.1], [float("nan")]], None),
    ],
)
def test_tables_that_do_not_fit_are_refused(table, taught):
    for measure in (backward_transfer, forward_transfer, forgetting, plasticity, retention):
        with pytest.raises(ValueError, match="needs"):
            measure(table, taught)


@pytest.mark.parametrize(
    ("unprompted", "in_context", "cycles"),
    [
        ([0.1, 0.5, 0.9, 0.95], 1.0, 2),  # .9 of 1 is reached and stays
        ([0.1, 0.95, 0.5, 0.95], 1.0, 3),  # fell back: only the last stretch counts
        ([0.1, 0.95, 0.95, 0.5], 1.0, None),  # did not stay
        ([0.1, 0.2, 0.3], 1.0, None),
        ([0.7, 0.7, 0.8], 0.75, 0),  # .9 of .75 is .675: the base had it
        ([0.1, 0.5, 0.5], [1.0, 1.0, 0.5], 2),  # the ceiling may move
        ([0.0, 0.72], 0.8, 1),  # the limit itself counts, though .9 * .8 comes out above .72
        ([0.0, 0.0], 0.0, None),  # no ceiling, nothing to reach
        ([0.9], 1.0, 0),
    ],
)
def test_cycles_to_baseline(unprompted, in_context, cycles):
    assert cycles_to_baseline(unprompted, in_context) == cycles


@pytest.mark.parametrize(("unprompted", "in_context"), [([], 1.0), ([0.1, 0.2], [1.0]), ([[0.1]], 1.0)])
def test_cycles_to_baseline_refuses_what_does_not_fit(unprompted, in_context):
    with pytest.raises(ValueError, match="score for the base"):
        cycles_to_baseline(unprompted, in_context)
