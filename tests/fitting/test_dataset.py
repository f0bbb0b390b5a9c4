import numpy as np
import pytest

from fitting.dataset import functional_connectivity, make_subject, pattern_correlation
from fitting.errors import ConfigurationError, DataError


def arrays(n=5, n_trs=100, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.random((n, n))
    weights = weights + weights.T
    np.fill_diagonal(weights, 0)
    return weights, rng.standard_normal((n, n_trs))


def subject(**changes):
    weights, bold = arrays()
    given = {"name": "s", "weights": weights, "scans": {"a": bold}, "tr_s": 2.0} | changes
    return make_subject(**given)


def test_good_data_pass_without_notice():
    one = subject(labels=list("abcde"))
    assert (one.n_regions, one.notices, one.default_scan) == (5, (), "a")


def test_an_asymmetric_connectome_is_symmetrised_and_says_by_how_much():
    """Antisymmetric part of norm 1 in a matrix of norm sqrt(2): 70.7 %."""
    weights = np.zeros((3, 3))
    weights[0, 1] = 2.0
    weights[1, 2] = weights[2, 1] = 1.0
    one = make_subject("s", weights, {"a": np.random.default_rng(0).random((3, 50))}, 2.0)
    assert np.array_equal(one.weights, one.weights.T)
    expected = 100 * np.linalg.norm(weights - weights.T) / (2 * np.linalg.norm(weights))
    assert f"asymmetric by {expected:.3g} %" in one.notices[0]


def test_a_diagonal_is_removed_with_a_notice():
    weights, _ = arrays()
    one = subject(weights=weights + np.eye(5))
    assert not np.diag(one.weights).any()
    assert "5 non-zero diagonal entries" in one.notices[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weights": np.ones((3, 4))}, r"shape \(3, 4\); give a square matrix"),
        ({"weights": -np.ones((5, 5))}, "-1: weights are not negative"),
        ({"weights": np.full((5, 5), np.nan)}, "nan: weights are finite"),
        ({"scans": {"a": np.ones((100, 5))}}, "transposed"),
        ({"scans": {"a": np.random.default_rng(0).random((5, 20))}}, "20 TRs"),
        ({"scans": {}}, "no BOLD scan"),
        ({"tr_s": 720.0}, r"tr_s = 720 is outside 0.1-10 s"),
        ({"labels": list("abcda")}, "5 labels, 4 of them different"),
        ({"lengths_mm": np.ones((4, 4))}, r"tract lengths have shape \(4, 4\)"),
    ],
)
def test_bad_data_are_refused_with_the_value_and_the_limit(changes, said):
    with pytest.raises(DataError, match=said):
        subject(**changes)


def test_missing_values_are_counted_and_placed():
    _, bold = arrays()
    bold[3, 10:14] = np.nan
    with pytest.raises(DataError, match="4 values that are not finite, first in region 'd'"):
        subject(scans={"a": bold}, labels=list("abcde"))


def test_a_constant_series_is_named():
    _, bold = arrays()
    bold[2] = 7.0
    with pytest.raises(DataError, match=r"constant in 1 of 5 regions \('c'\)"):
        subject(scans={"a": bold}, labels=list("abcde"))


def test_all_problems_come_in_one_line():
    with pytest.raises(DataError) as caught:
        subject(tr_s=0.0, labels=list("ab"), scans={})
    text = str(caught.value)
    assert "\n" not in text
    assert all(part in text for part in ("tr_s = 0", "2 labels", "no BOLD"))


def test_regions_are_selected_in_the_order_given():
    one = subject(labels=list("abcde"), lengths_mm=np.arange(25.0).reshape(5, 5))
    part = one.select(["d", "b", "a"])
    assert part.labels == ("d", "b", "a")
    assert np.array_equal(part.weights, one.weights[np.ix_([3, 1, 0], [3, 1, 0])])
    assert np.array_equal(part.scans["a"], one.scans["a"][[3, 1, 0]])
    assert np.array_equal(part.lengths_mm, one.lengths_mm[np.ix_([3, 1, 0], [3, 1, 0])])


def test_an_unknown_region_gets_a_near_miss():
    with pytest.raises(ConfigurationError, match="Did you mean 'thalamus'"):
        subject(labels=["thalamus", "b", "c", "d", "e"]).select(["thalamos", "b", "c"])


def test_cortical_needs_an_atlas():
    with pytest.raises(ConfigurationError, match="atlas is not known"):
        subject().select("cortical")


def test_a_region_left_without_connections_is_refused():
    weights, _ = arrays()
    weights[0, :] = weights[:, 0] = 0
    weights[0, 4] = weights[4, 0] = 1
    with pytest.raises(DataError, match="'a' has no connection"):
        subject(weights=weights, labels=list("abcde")).select(list("abcd"))


@pytest.mark.parametrize("part", [(0, 101), (50, 50), (60, 100), (-1, 80)])
def test_a_segment_outside_the_scan_is_refused(part):
    with pytest.raises(ConfigurationError, match="scan 'a', which has 100 repetitions"):
        subject().segment(None, *(part if part != (60, 100) else (80, 100)))


def test_a_series_constant_within_the_segment_is_refused():
    _, bold = arrays()
    bold[1, :60] = 3.0
    with pytest.raises(DataError, match=r"'b' is constant over \[0, 50\]"):
        subject(scans={"a": bold}, labels=list("abcde")).segment("a", 0, 50)


def test_pattern_correlation_ignores_the_diagonal():
    _, bold = arrays()
    fc = functional_connectivity(bold)
    assert pattern_correlation(fc, fc - 5 * np.eye(5)) == pytest.approx(1.0)
