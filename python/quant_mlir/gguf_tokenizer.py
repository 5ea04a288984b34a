# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A HF `tokenizers` tokenizer from the metadata of a GGUF file.

A GGUF file carries its vocabulary, but of the rules that cut text into words it carries only
a name (`tokenizer.ggml.pre`). The regular expressions behind the names are those that
llama.cpp documents. An unknown name is refused: guessing gives silently worse output.
"""

from typing import Any

from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as HFTokenizer

from .errors import InputError

# Types of tokens in `tokenizer.ggml.token_type`.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"


def _llama3_like(digits: str) -> str:
    """Llama 3's expression; its descendants differ in how many digits make a word."""
    return (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
        + digits
        + r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )


# Each expression cuts the pieces that the one before left.
_SPLITS = {
    "gpt2": [_GPT2],
    "digits": [r"\p{N}", _GPT2],
    "llama3": [_llama3_like(r"\p{N}{1,3}")],
    "qwen2": [_llama3_like(r"\p{N}")],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", _GPT2, r"[0-9][0-9][0-9]"],
    "default": [r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"],
}

_SPLIT_OF_PRE = {
    "default": "default",
    **dict.fromkeys(
        ["gpt-2", "phi-2", "olmo", "mpt", "jais", "exaone4", "trillion", "modern-bert"], "gpt2"
    ),
    **dict.fromkeys(
        ["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"],
        "digits",
    ),
    **dict.fromkeys(
        [
            "llama-bpe",
            "llama3",
            "llama-v3",
            "falcon3",
            "pixtral",
            "lfm2",
            "dbrx",
            "smaug-bpe",
            "glm4",
            "chatglm-bpe",
        ],
        "llama3",
    ),
    **dict.fromkeys(["qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez"], "qwen2"),
    "falcon": "falcon",
}

# BPE vocabularies whose texts begin with BOS unless the file says otherwise.
_BOS_BY_DEFAULT = {"llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral", "lfm2", "tekken"}


def adds_bos(metadata: dict) -> bool:
    """Whether a text begins with BOS, by the file or by the custom for its kind."""
    stated = metadata.get("tokenizer.ggml.add_bos_token")
    if stated is not None:
        return bool(stated)
    if metadata.get("tokenizer.ggml.model") == "llama":
        return True
    return metadata.get("tokenizer.ggml.pre") in _BOS_BY_DEFAULT


def build(metadata: dict, where: str) -> HFTokenizer:
    """The tokenizer that `metadata` (all keys of a GGUF file) describes.

    `where` names the file in errors. Raises InputError for kinds that are not supported.
    """
    kind = metadata.get("tokenizer.ggml.model")
    if kind is None:
        raise InputError(f"{where}: no key tokenizer.ggml.model, so there is no tokenizer in it")
    tokens = _list(metadata, "tokenizer.ggml.tokens", where)
    if kind == "gpt2":
        tokenizer = _byte_level_bpe(metadata, tokens, where)
    elif kind == "llama":
        tokenizer = _sentence_piece(metadata, tokens, where)
    else:
        raise InputError(
            f"{where}: tokenizer.ggml.model is {kind!r}; "
            "supported are 'gpt2' (BPE) and 'llama' (SPM)"
        )
    _add_special(tokenizer, metadata, tokens, where)
    return tokenizer


def _list(metadata: dict, key: str, where: str, length: Any = None) -> list:
    value = metadata.get(key)
    if not isinstance(value, list) or not value:
        raise InputError(f"{where}: the key {key} is missing or is no list")
    if length is not None and len(value) != length:
        raise InputError(f"{where}: {key} has {len(value)} items, the vocabulary has {length}")
    return value


def _byte_level_bpe(metadata: dict, tokens: list, where: str) -> HFTokenizer:
    pre = metadata.get("tokenizer.ggml.pre", "default")
    if pre not in _SPLIT_OF_PRE:
        raise InputError(f"{where}: tokenizer.ggml.pre {pre!r} is not supported")
    merges = []
    for merge in _list(metadata, "tokenizer.ggml.merges", where):
        # Byte-level tokens hold no blank, so the one blank separates left from right.
        left, blank, right = merge.partition(" ")
        if not blank or not left or not right:
            raise InputError(f"{where}: tokenizer.ggml.merges has the item {merge!r}")
        merges.append((left, right))
    vocabulary = {token: number for number, token in enumerate(tokens)}
    try:
        tokenizer = HFTokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=False))
    except Exception as error:  # tokenizers raises bare Exception for a merge out of vocabulary
        raise InputError(f"{where}: {error}") from None
    splits = [
        pre_tokenizers.Split(Regex(expression), "isolated")
        for expression in _SPLITS[_SPLIT_OF_PRE[pre]]
    ]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _sentence_piece(metadata: dict, tokens: list, where: str) -> HFTokenizer:
    """SentencePiece merges the neighbours that form the token of the highest score.

    BPE merges the neighbours that come first in a list of merges. Both agree if the list has
    every way to cut every token in two tokens, by falling score.
    """
    scores = _list(metadata, "tokenizer.ggml.scores", where, len(tokens))
    types = _list(metadata, "tokenizer.ggml.token_type", where, len(tokens))
    vocabulary = {token: number for number, token in enumerate(tokens)}
    ranked = sorted(
        (number for number in range(len(tokens)) if types[number] == NORMAL),
        key=lambda number: -scores[number],
    )
    merges = []
    for number in ranked:
        token = tokens[number]
        for cut in range(1, len(token)):
            left, right = token[:cut], token[cut:]
            if left in vocabulary and right in vocabulary:
                merges.append((left, right))
    unknown = metadata.get("tokenizer.ggml.unknown_token_id", 0)
    tokenizer = HFTokenizer(
        models.BPE(
            vocab=vocabulary,
            merges=merges,
            unk_token=tokens[unknown],
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    steps: list = [normalizers.Replace(" ", "▁")]
    strip: list = []
    if metadata.get("tokenizer.ggml.add_space_prefix", True):
        steps.insert(0, normalizers.Prepend("▁"))
        strip = [decoders.Strip(content=" ", left=1, right=0)]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    return tokenizer


def _add_special(tokenizer: HFTokenizer, metadata: dict, tokens: list, where: str) -> None:
    types = metadata.get("tokenizer.ggml.token_type")
    if types is None:
        return
    types = _list(metadata, "tokenizer.ggml.token_type", where, len(tokens))
    special = [
        AddedToken(token, special=True, normalized=False)
        for token, kind in zip(tokens, types)
        if kind in (CONTROL, UNKNOWN)
    ]
    plain = [
        AddedToken(token, special=False, normalized=False)
        for token, kind in zip(tokens, types)
        if kind == USER_DEFINED
    ]
    tokenizer.add_special_tokens(special)
    tokenizer.add_tokens(plain)
    if tokenizer.get_vocab_size() != len(set(tokens)):
        raise InputError(f"{where}: the vocabulary changed while its special tokens were added")
