"""The glass brain shows the strongest connections, and of equal ones no side of the file."""

import numpy as np

from cosim.report_maps import node_strength, strongest_edges


def test_strongest_pairs_are_found_whatever_their_direction():
    """60 pairs, 6 shown: a tenth. The largest of either direction counts, and comes last."""
    rng = np.random.default_rng(1)
    weights = np.zeros((20, 20))
    rows, columns = np.triu_indices(20, 1)
    chosen = rng.choice(rows.size, 60, replace=False)
    flip = rng.random(60) < 0.5
    strength = rng.permutation(60) + 1.0
    for a, b, swap, value in zip(rows[chosen], columns[chosen], flip, strength, strict=True):
        weights[(b, a) if swap else (a, b)] = value
    pairs = strongest_edges(weights)
    either = np.maximum(weights, weights.T)
    assert list(either[pairs[:, 0], pairs[:, 1]]) == [55, 56, 57, 58, 59, 60]


def test_of_equal_pairs_an_even_choice_is_shown():
    """Two halves of 60 regions, all pairs within each of weight 1: 870 pairs, 87 are shown. An even
    choice takes the halves in equal numbers, but for one; the last 87 would all be of one half."""
    weights = np.kron(np.eye(2), np.ones((30, 30))) - np.eye(60)
    pairs = strongest_edges(weights)
    assert len(pairs) == 87
    assert abs((pairs < 30).all(axis=1).sum() - (pairs >= 30).all(axis=1).sum()) <= 1


def test_at_most_a_hundred_pairs_and_none_of_none():
    weights = np.random.default_rng(2).random((80, 80))
    assert len(strongest_edges(weights)) == 100
    assert strongest_edges(np.zeros((4, 4))).shape == (0, 2)


def test_strength_counts_both_directions():
    weights = np.array([[0.0, 1.0, 2.0], [4.0, 0.0, 8.0], [16.0, 32.0, 0.0]])
    assert list(node_strength(weights)) == [23.0, 45.0, 58.0]
