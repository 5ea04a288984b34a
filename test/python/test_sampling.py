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


def test_equal_seeds_give_equal_picks():
    one, two = Sampler(1.0, seed=5), Sampler(1.0, seed=5)
    assert [one(LOGITS) for _ in range(50)] == [two(LOGITS) for _ in range(50)]


def test_huge_logits_do_not_overflow():
    assert Sampler(1.0, seed=1)(np.array([1e30, -1e30], np.float32)) == 0


@pytest.mark.parametrize("wrong", [{"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.5}])
def test_wrong_settings(wrong):
    with pytest.raises(ValueError, match="must"):
        Sampler(**wrong)
