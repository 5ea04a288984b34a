# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import numpy as np
import pytest
from quant_mlir.sampling import Sampler

# Probabilities 1/2, 1/4, 1/8, 1/8.
LOGITS = np.log(np.array([0.125, 0.5, 0.125, 0.25], np.float32))


def frequencies(sampler, logits=LOGITS, draws=4000):
    return np.bincount([sampler(logits) for _ in range(draws)], minlength=4) / draws


def test_greedy_takes_the_first_of_the_likeliest():
    assert Sampler()(np.array([0.0, 3.0, 3.0])) == 1


def test_samples_follow_the_probabilities():
    # Three standard deviations of 4000 draws are below 0.024.
    assert np.allclose(frequencies(Sampler(1.0, seed=1)), np.exp(LOGITS), atol=0.024)


def test_temperature_sharpens():
    squared = np.exp(LOGITS) ** 2
    assert np.allclose(frequencies(Sampler(0.5, seed=1)), squared / squared.sum(), atol=0.024)


def test_top_p_keeps_the_token_that_crosses_the_line():
    # 0.5 alone does not reach 0.6; with 0.25 it does.
    assert np.allclose(
        frequencies(Sampler(1.0, top_p=0.6, seed=1)), [0, 2 / 3, 0, 1 / 3], atol=0.024
    )
    assert np.array_equal(frequencies(Sampler(1.0, top_p=1e-9, seed=1)), [0, 1, 0, 0])


def test_top_k_keeps_the_likeliest():
    # Of the tokens 0 and 2, which are tied for the third place, the first.
    assert np.allclose(
        frequencies(Sampler(1.0, top_k=3, seed=1)), [1 / 7, 4 / 7, 0, 2 / 7], atol=0.024
    )
    assert np.array_equal(frequencies(Sampler(1.0, top_k=1, seed=1)), [0, 1, 0, 0])
    assert np.allclose(frequencies(Sampler(1.0, top_k=9, seed=1)), np.exp(LOGITS), atol=0.024)
    # Together: 4/7 alone does not reach 0.6.
    both = Sampler(1.0, top_k=3, top_p=0.6, seed=1)
    assert np.allclose(frequencies(both), [0, 2 / 3, 0, 1 / 3], atol=0.024)


def test_picks_from_the_best_are_those_from_all():
    all_of_them, best = Sampler(1.0, top_k=2, seed=3), Sampler(1.0, top_k=2, seed=3)
    ids = np.array([1, 3], np.int32)
    assert best.enough == 2
    for _ in range(50):
        assert all_of_them(LOGITS) == best.pick(ids, LOGITS[ids])
    assert Sampler().enough == 1 and Sampler(1.0).enough is None


def test_nan_is_never_picked():
    logits = np.array([np.nan, 1.0, np.nan, 1.0], np.float32)
    assert Sampler()(logits) == 1
    assert np.allclose(frequencies(Sampler(1.0, seed=1), logits), [0, 0.5, 0, 0.5], atol=0.024)
    assert np.allclose(
        frequencies(Sampler(1.0, top_k=3, seed=1), logits), [0, 0.5, 0, 0.5], atol=0.024
    )


def test_equal_seeds_give_equal_picks():
    one, two = Sampler(1.0, seed=5), Sampler(1.0, seed=5)
    assert [one(LOGITS) for _ in range(50)] == [two(LOGITS) for _ in range(50)]


def test_huge_logits_do_not_overflow():
    assert Sampler(1.0, seed=1)(np.array([1e30, -1e30], np.float32)) == 0


@pytest.mark.parametrize(
    "wrong", [{"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.5}, {"top_k": 0}]
)
def test_wrong_settings(wrong):
    with pytest.raises(ValueError, match="must"):
        Sampler(**wrong)
