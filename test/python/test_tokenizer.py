# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Token ids against llama.cpp's, which wrote test/e2e/references/tokens.json."""

import json
import pathlib

import pytest
from quant_mlir import InputError
from quant_mlir.tokenizer import Tokenizer

REFERENCES = pathlib.Path(__file__).parents[1] / "e2e" / "references"
CASES = json.loads((REFERENCES / "tokens.json").read_text())


@pytest.fixture(scope="module")
def smollm2(smollm2_metadata):
    return Tokenizer.from_gguf(smollm2_metadata)


@pytest.mark.parametrize("case", CASES, ids=[repr(c["text"][:20]) for c in CASES])
def test_ids_are_those_of_llama_cpp(smollm2, case):
    assert smollm2.encode(case["text"]) == case["ids"]


@pytest.mark.parametrize("case", CASES, ids=[repr(c["text"][:20]) for c in CASES])
def test_decoding_gives_the_text_back(smollm2, case):
    assert smollm2.decode(case["ids"], skip_special=False) == case["text"]


def test_streamed_pieces_join_to_the_text(smollm2):
    for case in CASES:
        pieces = list(smollm2.stream(case["ids"]))
        assert "".join(pieces) == case["text"]
        assert all(pieces), "no empty pieces"


def test_a_character_of_several_tokens_comes_whole(smollm2):
    ids = smollm2.encode("a🦜b")
    assert len(ids) > 3
    assert "🦜" in list(smollm2.stream(ids))


def test_half_a_character_at_the_end_is_not_lost(smollm2):
    ids = smollm2.encode("a🦜")[:-1]
    assert "".join(smollm2.stream(ids)) == smollm2.decode(ids)


def test_special_tokens_only_on_request(smollm2):
    text = "<|im_start|>user"
    assert 1 not in smollm2.encode(text)
    assert smollm2.encode(text, parse_special=True)[0] == 1


def test_chat(smollm2):
    ids = smollm2.encode_chat([{"role": "user", "content": "Hi"}])
    assert smollm2.decode(ids, skip_special=False) == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
        "<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    assert smollm2.stop_ids == {2}


def test_folder_with_gguf_metadata(smollm2, smollm2_metadata, tmp_path):
    (tmp_path / "tokenizer.gguf.json").write_text(json.dumps(smollm2_metadata))
    assert Tokenizer.load(tmp_path).encode("Hello 12") == smollm2.encode("Hello 12")


def test_hf_folder(minilm_folder):
    tokenizer = Tokenizer.load(minilm_folder)
    # [CLS] hello , world ! [SEP] in BERT's vocabulary; nothing is padded.
    assert tokenizer.encode("Hello, world!") == [101, 7592, 1010, 2088, 999, 102]
    # Longer than the 128 tokens at which its tokenizer.json cuts.
    assert len(tokenizer.encode("word " * 300)) == 302


# Four tokens: SentencePiece prefers the pair of higher score, (b, c), although (a, b) is first.
SPM = {
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>", "▁", "a", "b", "c", "ab", "bc", "<0x64>"],
    "tokenizer.ggml.scores": [0, 0, 0, -9, -10, -11, -12, -2, -1, 0],
    "tokenizer.ggml.token_type": [2, 3, 3, 1, 1, 1, 1, 1, 1, 6],
    "tokenizer.ggml.bos_token_id": 1,
    "tokenizer.ggml.eos_token_id": 2,
    "tokenizer.ggml.unknown_token_id": 0,
}


def test_sentence_piece_merges_by_score():
    tokenizer = Tokenizer.from_gguf(SPM)
    assert tokenizer.encode("abc") == [1, 3, 4, 8]  # <s> ▁ a bc
    assert tokenizer.encode("abc", special=False) == [3, 4, 8]


def test_sentence_piece_falls_back_to_bytes():
    tokenizer = Tokenizer.from_gguf(SPM)
    assert tokenizer.encode("ad", special=False) == [3, 4, 9]
    assert tokenizer.decode([3, 4, 9]) == "ad"


def test_sentence_piece_without_space_prefix():
    tokenizer = Tokenizer.from_gguf({**SPM, "tokenizer.ggml.add_space_prefix": False})
    assert tokenizer.encode("a bc", special=False) == [4, 3, 8]


def test_bos_by_the_file_not_by_custom():
    tokenizer = Tokenizer.from_gguf({**SPM, "tokenizer.ggml.add_bos_token": False})
    assert tokenizer.encode("a") == [3, 4]


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"tokenizer.ggml.model": None}, "no key tokenizer.ggml.model"),
        ({"tokenizer.ggml.model": "t5"}, "'t5'"),
        ({"tokenizer.ggml.tokens": None}, "tokenizer.ggml.tokens is missing"),
        ({"tokenizer.ggml.scores": [0.0]}, "has 1 items, the vocabulary has 10"),
        ({"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "klingon"}, "'klingon'"),
        (
            {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.merges": ["ab"]},
            "tokenizer.ggml.merges has the item 'ab'",
        ),
        (
            {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.merges": ["x y"]},
            "out of vocabulary",
        ),
    ],
)
def test_what_is_not_supported_is_said(change, reason):
    with pytest.raises(InputError, match=reason) as caught:
        Tokenizer.from_gguf({**SPM, **change}, "some/file")
    assert str(caught.value).startswith("some/file: ")
    assert "\n" not in str(caught.value)


def test_folder_without_tokenizer(tmp_path):
    with pytest.raises(InputError, match=r"neither tokenizer\.gguf\.json nor tokenizer\.json"):
        Tokenizer.load(tmp_path)


def test_folder_with_broken_tokenizer(tmp_path):
    (tmp_path / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(InputError, match=r"tokenizer\.json: "):
        Tokenizer.load(tmp_path)
