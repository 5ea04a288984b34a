# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The package on models written by hand (stub_model.c) and the real runtime."""

import json
import pathlib
import shutil
import subprocess

import numpy as np
import pytest
import quant_mlir
from quant_mlir import InputError
from quant_mlir.abi import ABI_VERSION

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """folder(name) is a compiled model; its tokenizer has a token for each byte."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    base = tmp_path_factory.mktemp("stub")
    sources = [*(ROOT / "lib" / "Runtime").glob("*.c"), ROOT / "test" / "python" / "stub_model.c"]
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread"]
    library = base / "stub.so"
    subprocess.run([compiler, *flags, f"-I{ROOT / 'include'}", *sources, "-o", library], check=True)

    def make(name, task):
        path = base / name
        path.mkdir()
        shutil.copy(library, path / f"{name}.so")
        info = {"quant_mlir": "0.1.0", "name": name, "task": task, "weights": None}
        (path / f"{name}.json").write_text(json.dumps(info))
        tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
        tokens += [f"<unused{i}>" for i in range(300 - len(tokens))]
        (path / "tokenizer.gguf.json").write_text(
            json.dumps(
                {
                    "tokenizer.ggml.model": "llama",
                    "tokenizer.ggml.tokens": tokens,
                    "tokenizer.ggml.scores": [0.0] * 300,
                    "tokenizer.ggml.token_type": [2, 3, 3] + [6] * 256 + [5] * 41,
                    "tokenizer.ggml.add_space_prefix": False,
                    "tokenizer.ggml.add_bos_token": False,
                    "tokenizer.ggml.bos_token_id": 1,
                    "tokenizer.ggml.eos_token_id": 2,
                }
            )
        )
        return path

    tasks = {"lm": "causal-lm", "encoder": "encoder", "graph": "graph", "future": "graph"}
    return {name: make(name, task) for name, task in tasks.items()}.__getitem__


@pytest.fixture(params=[1, 2, 5])
def lm(folder, request):
    with quant_mlir.load(folder("lm"), threads=request.param) as model:
        yield model


def expected(tokens, position=0, first=None):
    """What stub_model.c says it computes."""
    first = tokens[0] if first is None else first
    rows = np.full((len(tokens), 300), np.float32(first) / np.float32(1000))
    for i, token in enumerate(tokens):
        rows[i, (token + 1) % 300] += np.float32(position + i + 1)
    return rows


def test_what_the_model_says_of_itself(lm):
    assert (lm.task, lm.vocab_size, lm.context_length) == ("causal-lm", 300, 100)
    (forward,) = lm.functions
    assert [str(i) for i in forward.inputs] == [
        "tokens: ?xi32",
        "position: index",
        "outputs: index",
    ]
    assert [str(r) for r in forward.results] == ["logits: ?x300xf32"]


# 16 tokens are one call of the generated code; 40 are three.
@pytest.mark.parametrize("length", [1, 16, 17, 40])
def test_logits(lm, length):
    tokens = [(7 * i + 3) % 300 for i in range(length)]
    assert np.array_equal(lm.logits(tokens), expected(tokens))
    assert np.array_equal(lm.logits(tokens, all=False), expected(tokens)[-1:])


def test_a_session_goes_on_where_it_was(lm):
    tokens = list(range(30))
    with lm.session(context=40) as session:
        parts = [session.feed(tokens[:5], all=True), session.feed(tokens[5:], all=True)]
        assert session.position == 30
        assert np.array_equal(np.concatenate(parts), expected(tokens))
        session.rewind(5)
        assert np.array_equal(session.feed([9], all=True), expected([9], 5, first=0))


def test_sessions_do_not_share_their_cache(lm):
    with lm.session() as one, lm.session() as two:
        one.feed([100])
        two.feed([200])
        assert one.feed([1])[0, 0] == np.float32(0.1)
        assert two.feed([1])[0, 0] == np.float32(0.2)


@pytest.mark.parametrize("tokens", [[300], [-1], [1 << 20]])
def test_an_id_outside_the_vocabulary(lm, tokens):
    with lm.session() as session, pytest.raises(ValueError):
        session.feed(tokens)


# All logits but one are equal: of those the lowest ids come first.
def test_the_best(lm):
    with lm.session() as session:
        ids, logits = session.best([7, 41], 3)
        assert ids.tolist() == [42, 0, 1] and session.position == 2
        assert np.array_equal(logits, expected([7, 41])[1][[42, 0, 1]])
        ids, logits = session.best([1], 300)
        assert np.array_equal(ids, [2, 0, 1, *range(3, 300)])
        for k in (0, -1, 301):
            with pytest.raises(ValueError, match="from 1 to 300"):
                session.best([1], k)
        assert session.position == 3


def test_a_context_that_is_full(lm):
    with lm.session(context=8) as session:
        session.feed([1] * 8)
        with pytest.raises(ValueError):
            session.feed([1])
        assert session.position == 8


def test_a_closed_session(lm):
    session = lm.session()
    session.close()
    session.close()
    with pytest.raises(ValueError, match="closed"):
        session.feed([1])


def test_a_session_outlives_its_model(folder):
    model = quant_mlir.load(folder("lm"))
    session = model.session()
    model.close()
    assert np.array_equal(session.feed([4]), expected([4]))
    session.close()
    with pytest.raises(ValueError, match="closed"):
        model.session()


def test_text(lm):
    # After "a" comes "b", and so on: tokens are bytes.
    assert lm.generate("a", max_tokens=5) == "bcdef"
    assert list(lm.generate("a", max_tokens=3, stream=True)) == ["b", "c", "d"]
    assert lm.generate(lm.tokenizer.encode("x"), max_tokens=2) == "yz"


def test_sampled_text(lm):
    # The next byte is far likelier than any other, more so with each position.
    assert lm.generate("a" * 60, 3, temperature=0.5, seed=1) == "bcd"
    assert lm.generate("a" * 60, 3, temperature=0.5, seed=1, top_k=5) == "bcd"
    assert lm.generate("a", 3, temperature=100.0, seed=1, top_k=1) == "bcd"
    assert len(lm.generate("a" * 60, 3, temperature=0.5, seed=1, top_k=1000)) == 3


def test_text_ends_with_the_context(lm):
    assert len(lm.generate("a" * 98, max_tokens=50)) == 3  # 98 + 2 are fed, the third is not
    with pytest.raises(InputError, match=r"101 tokens.*100"):
        lm.generate("a" * 101)


def test_text_ends_with_the_stop_token(lm):
    assert lm.generate([1], max_tokens=50) == ""  # after <s> this model says </s>


def test_an_empty_prompt(lm):
    with pytest.raises(InputError, match="empty"):
        lm.generate("")


def test_a_language_model_gives_no_embeddings(lm):
    with pytest.raises(InputError, match="causal-lm"):
        lm.embed("text")


def test_embeddings_are_means_of_length_one(folder):
    # The ids of "\x00" and "\x02" are 3 and 5, so the mean state is (4, 1).
    with quant_mlir.load(folder("encoder")) as model:
        rows = model.embed(["\x00\x02", "\x00"])
        assert np.allclose(rows, [np.array([4, 1]) / 17**0.5, np.array([3, 1]) / 10**0.5])
        assert np.array_equal(model.embed("\x00"), rows[1:])


def test_long_texts_are_cut_and_keep_their_last_token(folder):
    with quant_mlir.load(folder("encoder")) as model:
        limit = model.context_length
        kept = "a" * (limit - 1) + "z"
        assert np.array_equal(model.embed("a" * 50 + "z"), model.embed(kept))
        assert np.array_equal(model.embed("aaaz", max_tokens=2), model.embed("az"))
        config = folder("encoder") / "sentence_bert_config.json"
        config.write_text('{"max_seq_length": 3}')
        assert np.array_equal(model.embed("aaaz"), model.embed("aaz"))
        config.write_text("[]")
        with pytest.raises(InputError, match="max_seq_length"):
            model.embed("a")
        config.unlink()


def test_any_graph(folder):
    with quant_mlir.load(folder("graph"), threads=2) as model:
        x = np.arange(12, dtype=np.float32).reshape(4, 3)
        doubled, count = model.run(x)
        assert np.array_equal(doubled, 2 * x) and count.tolist() == [12]
        # A result is a copy: the next call does not change it. Strides are no matter.
        again, _ = model.run(x[::-1])
        assert np.array_equal(doubled, 2 * x) and np.array_equal(again, 2 * x[::-1])


@pytest.mark.parametrize(
    "arrays, reason",
    [
        ([], "1 inputs, 0 are given"),
        ([np.zeros((2, 4), np.float32)], r"shape \(2, 4\), asked for is x: \?x3xf32"),
        ([np.zeros(3, np.float32)], r"shape \(3,\)"),
        ([np.zeros((2, 3))], "type float64"),
        ([np.zeros((17, 3), np.float32)], "16"),
    ],
)
def test_inputs_that_do_not_fit(folder, arrays, reason):
    with quant_mlir.load(folder("graph")) as model, pytest.raises(ValueError, match=reason):
        model.run(*arrays)


def test_a_function_that_is_not_there(folder):
    with quant_mlir.load(folder("graph")) as model, pytest.raises(ValueError, match="doubled"):
        model.run(function="halved")


def test_a_model_of_another_version(folder):
    with pytest.raises(InputError, match=rf"version {ABI_VERSION + 1} .* compile the model again"):
        quant_mlir.load(folder("future"))


def test_a_model_whose_runtime_lacks_functions_of_today(folder, tmp_path):
    shutil.copytree(folder("graph"), tmp_path / "past")
    source = tmp_path / "past.c"
    source.write_text("const unsigned graph_descriptor[64] = {1};\n", encoding="utf-8")
    library = tmp_path / "past" / "graph.so"
    library.unlink()
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", library], check=True)
    with pytest.raises(InputError, match=r"version 1 .* compile the model again"):
        quant_mlir.load(tmp_path / "past")


def test_folders_that_hold_no_model(folder, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        quant_mlir.load(tmp_path / "none")
    with pytest.raises(InputError, match="no compiled model"):
        quant_mlir.load(tmp_path)
    (tmp_path / "m.json").write_text('{"quant_mlir": "0.1.0", "name": "m", "task": "graph"}')
    with pytest.raises(InputError, match=r"m\.so: no such file"):
        quant_mlir.load(tmp_path)
    (tmp_path / "m.so").write_bytes(b"not a library")
    with pytest.raises(InputError, match=r"m\.so: "):
        quant_mlir.load(tmp_path)
    shutil.copy(folder("graph") / "graph.so", tmp_path / "m.so")
    with pytest.raises(InputError, match="m_descriptor"):
        quant_mlir.load(tmp_path)
    (tmp_path / "m.json").write_text("{")
    with pytest.raises(InputError, match=r"m\.json"):
        quant_mlir.load(tmp_path)
