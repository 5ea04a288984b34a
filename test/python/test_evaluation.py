# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import numpy as np
import pytest
from quant_mlir import InputError
from quant_mlir.evaluation import (
    LiveReference,
    Score,
    compare_embeddings,
    compare_language_models,
    evaluate_language_model,
    log_softmax,
    paragraphs,
    windows,
)


class Table:
    """A language model whose logits depend on the last token alone."""

    def __init__(self, rows):
        self.rows = np.asarray(rows, np.float32)
        self.asked = []

    def logits(self, tokens, all=True):
        self.asked.append(list(tokens))
        return self.rows[np.asarray(tokens)]


UNIFORM = Table(np.zeros((4, 4)))


def test_a_model_that_knows_nothing_has_the_vocabulary_as_perplexity():
    result = evaluate_language_model(UNIFORM, [0, 1, 2, 3, 0, 1])
    assert result == {"perplexity": pytest.approx(4.0), "tokens": 5}


def test_windows_are_contexts_of_their_own_and_their_first_token_is_not_scored():
    model = Table(np.zeros((8, 8)))
    result = evaluate_language_model(model, list(range(8)), size=3, count=2)
    assert model.asked == [[0, 1], [3, 4]]
    assert result["tokens"] == 4


def test_the_last_window_may_be_short():
    assert list(windows([1, 2, 3, 4, 5], 3, 9)) == [[1, 2, 3], [4, 5]]
    assert list(windows([1, 2, 3, 4], 3, 9)) == [[1, 2, 3]]


def test_divergence_of_a_model_from_itself_is_zero():
    model = Table(np.random.default_rng(0).normal(size=(5, 5)))
    result = evaluate_language_model(model, [0, 1, 2, 3, 4] * 30, model)
    assert result["kl"] == 0 and result["top1"] == 1


def test_divergence_is_of_the_model_from_the_reference():
    # Reference says (3/4, 1/4), model (1/2, 1/2): KL = 3/4 ln(3/2) + 1/4 ln(1/2).
    reference = Table(np.log([[0.75, 0.25]] * 2))
    model = Table(np.log([[0.5, 0.5]] * 2))
    result = evaluate_language_model(model, [0, 1, 0], reference)
    assert result["kl"] == pytest.approx(0.75 * np.log(1.5) + 0.25 * np.log(0.5), rel=1e-5)


def test_top1_counts_positions():
    reference = Table([[1, 0], [0, 1]])
    model = Table([[1, 0], [1, 0]])
    result = evaluate_language_model(model, [0, 1, 0, 0, 0], reference)
    assert result["top1"] == 0.75


def test_more_rows_than_one_chunk():
    rng = np.random.default_rng(1)
    model, reference = Table(rng.normal(size=(9, 9))), Table(rng.normal(size=(9, 9)))
    tokens = rng.integers(0, 9, 200).tolist()
    result = evaluate_language_model(model, tokens, reference, size=200, count=1)
    p = log_softmax(reference.rows.astype(np.float64))[tokens[:-1]]
    q = log_softmax(model.rows.astype(np.float64))[tokens[:-1]]
    assert result["kl"] == pytest.approx((np.exp(p) * (p - q)).sum(1).mean(), rel=1e-5)
    assert result["perplexity"] == pytest.approx(
        np.exp(-q[range(199), tokens[1:]].mean()), rel=1e-5
    )


def test_side_by_side_is_as_one_by_one():
    rng = np.random.default_rng(2)
    tokens = rng.integers(0, 9, 100).tolist()
    models = {name: Table(rng.normal(size=(9, 9))) for name in "ab"}
    reference = Table(rng.normal(size=(9, 9)))
    steps = []
    scores = compare_language_models(
        models, tokens, LiveReference(reference), 40, 2, lambda *step: steps.append(step)
    )
    assert len(reference.asked) == 2  # once a window, not once a model
    assert steps == [(n, 6) for n in range(1, 7)]
    for name, model in models.items():
        alone = evaluate_language_model(model, tokens, reference, 40, 2)
        assert scores[name].result() == alone
    alone = evaluate_language_model(reference, tokens, size=40, count=2)
    assert scores[None].result() == alone


def test_what_is_kept_of_every_position():
    reference = Table(np.log([[0.75, 0.25]] * 2))
    scores = compare_language_models(
        {"a": Table([[0, 1], [1, 0]])}, [0, 1, 0, 0, 1], LiveReference(reference), 3, 2
    )
    assert np.concatenate(scores["a"].places).tolist() == [1, 2, 1]
    assert np.concatenate(scores["a"].agreements).tolist() == [False, True, False]
    assert np.concatenate(scores["a"].confidences) == pytest.approx([0.75] * 3)


def test_a_token_that_the_reference_rules_out_adds_nothing():
    reference = Table([[0, -np.inf], [0, -np.inf]])
    model = Table([[0, 0], [0, 0]])
    result = evaluate_language_model(model, [0, 0, 0], reference)
    assert result["kl"] == pytest.approx(np.log(2))
    # The model may rule it out, too; what it must not is to rule out what may come.
    assert evaluate_language_model(reference, [0, 0, 0], reference)["kl"] == 0
    assert evaluate_language_model(reference, [0, 0, 0], model)["kl"] == np.inf


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_logits_that_are_not_numbers_are_named(value):
    rows = np.zeros((40, 40))
    rows[20, 3] = value
    tokens = list(range(40))
    with pytest.raises(InputError, match=r"^a: its logits at position 20 of window 0 are not"):
        compare_language_models({"a": Table(rows)}, tokens)
    good = Table(np.zeros((40, 40)))
    with pytest.raises(InputError, match=r"^the reference: .* position 5 of window 1"):
        evaluate_language_model(good, tokens, Table(rows), size=15)


def test_a_perplexity_without_bounds():
    assert Score(tokens=1, negative_log_likelihood=1e4).result()["perplexity"] == np.inf


def test_a_text_too_short():
    with pytest.raises(InputError, match="too short"):
        evaluate_language_model(UNIFORM, [3])


def test_paragraphs():
    text = "short\n\n" + "one two " * 8 + "\nsame paragraph\n\n" + "x" * 40
    assert paragraphs(text) == ["one two " * 8 + "same paragraph", "x" * 40]


def test_embeddings():
    theirs = np.array([[1, 0], [0.8, 0.6], [0, 1]])
    assert compare_embeddings(theirs, theirs)["top1"] == 1
    ours = theirs[[0, 1, 1]]
    result = compare_embeddings(ours, theirs)
    assert result["worst_cosine"] == pytest.approx(0.6)
    assert result["one_minus_cosine"] == pytest.approx(0.4 / 3)
