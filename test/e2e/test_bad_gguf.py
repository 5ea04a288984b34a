# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""GGUF files that are damaged, absurd or not supported, through the tools."""

import struct

import pytest
from failing import fails
from tiny_models import ARRAY, BOOL, F32, GGUF, I32, STRING, U32, U64, Tensor, llama_gguf

NAN, INFINITY = float("nan"), float("inf")


def refuse(folder, content, reason):
    """Both tools that read GGUF say the same of a file."""
    (folder / "bad.gguf").write_bytes(content)
    reason = rf"error: bad\.gguf: .*{reason}"
    fails(folder, "quant-translate", "--import-gguf", "bad.gguf", "-o", "m.mlir", reason=reason)
    fails(folder, "quantc", "bad.gguf", "-o", "out", reason=reason)


def test_truncated_at_every_field(tmp_path):
    """A header with every kind of field, cut off before, inside and at the end of each."""
    keys = {
        "general.architecture": (STRING, "llama"),
        "number": (U64, 1),
        "switch": (BOOL, True),
        "list": (ARRAY, (F32, [1.0, 2.0])),
        "words": (ARRAY, (STRING, ["a", "b"])),
    }
    tensors = [Tensor("a", [2, 4], "F32", bytes(32)), Tensor("b", [3], "F32", bytes(12))]
    file = GGUF(keys, tensors)
    whole = file.bytes()
    cuts = {cut for field in file.fields for cut in (field, field + 1)} - {0, len(whole)}
    assert len(cuts) > 60
    for cut in sorted(cuts):
        (tmp_path / "bad.gguf").write_bytes(whole[:cut])
        fails(
            tmp_path,
            *("quant-translate", "--import-gguf", "bad.gguf", "-o", "m.mlir"),
            reason=r"bad\.gguf: (is cut off inside|claims to have|is not a GGUF|.*the data|tensor)",
        )
    refuse(tmp_path, whole[:-40], "its data ends at byte .* behind the end of the file")


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "is empty"),
        (b"\0" * 64, "does not start with 'GGUF'"),
        (b"FUGG" + bytes(60), "does not start with 'GGUF'"),
        (b"GGUF", "cut off inside the version"),
        (b"GGUF" + struct.pack("<I", 0) + bytes(16), "version 0"),
        (b"GGUF" + struct.pack("<I", 1) + bytes(16), "version 1"),
        (b"GGUF" + struct.pack("<I", 99) + bytes(16), "version 99"),
        (b"GGUF" + struct.pack(">I", 3) + bytes(16), "big-endian"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**63, 0), "9223372036854775808 tensors"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**64 - 1), "18446744073709551615 keys"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**40) + bytes(64), "length of key 0"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "no key 'general.architecture'"),
    ],
    ids=lambda value: value[:12].hex() if isinstance(value, bytes) else None,
)
def test_start_of_the_file(tmp_path, content, reason):
    refuse(tmp_path, content, reason)


@pytest.mark.parametrize(
    "key, value, reason",
    [
        ("general.architecture", None, "no key 'general.architecture'"),
        ("general.architecture", (STRING, "mamba"), "architecture 'mamba' is not supported"),
        ("general.architecture", (STRING, b"\xff\n\xfe"), r"architecture '\\FF\\0A\\FE'"),
        ("general.alignment", (U32, 0), "alignment 0 is not a power of 2"),
        ("general.alignment", (U32, 24), "alignment 24 is not a power of 2"),
        ("general.alignment", (STRING, "32"), "must be of type u32"),
        (b"\xff\xfe", (U32, 1), "not UTF-8"),
        ("", (U32, 1), "empty name"),
        ("llama.block_count", None, "key 'llama.block_count' is missing"),
        ("llama.block_count", (STRING, "two"), "'llama.block_count' is of type string"),
        ("llama.block_count", (U32, 0), "layers = 0"),
        ("llama.block_count", (U64, 2**40), "layers = 1099511627776"),
        ("llama.block_count", (U64, 2**64 - 1), "block_count"),
        ("llama.block_count", (I32, -2), "layers = -2"),
        ("llama.block_count", (U32, 3), "tensor 'blk.2.attn_norm.weight': is missing"),
        ("llama.block_count", (U32, 4096), "tensor 'blk.2.attn_norm.weight': is missing"),
        ("llama.block_count", (U32, 1), r"tensor 'blk\.1\..*is not part of"),
        ("llama.embedding_length", (U32, 0), "hidden size = 0"),
        ("llama.embedding_length", (U64, 2**50), "hidden size"),
        ("llama.embedding_length", (U32, 96), r"has shape \[128, 64\], expected \[128, 96\]"),
        ("llama.attention.head_count", (U32, 0), "heads = 0"),
        ("llama.attention.head_count", (U32, 3), "3 heads cannot share 2"),
        ("llama.attention.head_count_kv", (U32, 0), "key/value heads = 0"),
        ("llama.attention.key_length", (U32, 7), "cannot be rotated in pairs"),
        ("llama.attention.value_length", (U32, 8), "different sizes"),
        ("llama.rope.dimension_count", (U32, 64), "64 elements of heads of 16"),
        ("llama.feed_forward_length", (U64, 2**62), "feed-forward size"),
        ("llama.context_length", (U32, 0), "context length = 0"),
        ("llama.attention.layer_norm_rms_epsilon", (F32, NAN), "epsilon"),
        ("llama.attention.layer_norm_rms_epsilon", (F32, -1.0), "epsilon"),
        ("llama.attention.layer_norm_rms_epsilon", (U32, 1), "is of type u32, not a float"),
        ("llama.rope.freq_base", (F32, INFINITY), "rope base"),
        ("llama.rope.scaling.type", (STRING, "longrope"), "rope scaling 'longrope' is not supp"),
        ("llama.expert_count", (U32, 8), "experts of a token = 0 is not between 1 and 8"),
        ("split.count", (U32, 3), "one of 3 parts"),
        ("list", (ARRAY, (ARRAY, [])), "array of arrays"),
        ("kind", (99, None), "unknown type 99"),
    ],
)
def test_keys(tmp_path, key, value, reason):
    file = llama_gguf()
    if value is None:
        del file.keys[key]
    elif value[0] == 99:
        file._value = lambda kind, value, write=file._value: kind == 99 or write(kind, value)
        file.keys[key] = value
    else:
        file.keys[key] = value
    refuse(tmp_path, file.bytes(), reason)


def test_a_key_twice(tmp_path):
    file = llama_gguf()
    file.keys[b"general.name"] = (STRING, "Other")  # beside the str of the same bytes
    refuse(tmp_path, file.bytes(), "key 'general.name' appears twice")


def test_an_array_longer_than_the_file(tmp_path):
    content = llama_gguf().bytes()
    begin = content.index(b"tokenizer.ggml.tokens") + len("tokenizer.ggml.tokens") + 8
    for count in (2**20, 2**29, 2**62):
        refuse(
            tmp_path, content[:begin] + struct.pack("<Q", count) + content[begin + 8 :], "tokens"
        )


@pytest.mark.parametrize(
    "name, change, reason",
    [
        ("blk.0.attn_q.weight", {"name": "blk.0.attn_k.weight"}, "appears twice"),
        ("blk.0.attn_q.weight", {"name": "blk.0.other.weight"}, "attn_q.weight': is missing"),
        ("output_norm.weight", {"name": b"\xc3\x28"}, "not UTF-8"),
        ("output_norm.weight", {"name": "x\ny"}, r"'output_norm.weight': is missing"),
        ("output_norm.weight", {"name": ""}, "empty name"),
        ("output_norm.weight", {"name": "n" * 64}, "64 bytes instead of at most 63"),
        ("output_norm.weight", {"shape": []}, "0 dimensions"),
        ("output_norm.weight", {"shape": [1] * 5}, "5 dimensions"),
        ("output_norm.weight", {"shape": [0]}, "dimension 0 is 0"),
        ("output_norm.weight", {"shape": [2**63]}, "dimension 0 is -9223372036854775808"),
        ("output_norm.weight", {"shape": [2**62]}, "larger than the file"),
        ("output_norm.weight", {"shape": [2**32, 2**32]}, "larger than the file"),
        ("output_norm.weight", {"shape": [8, 8]}, r"has shape \[8, 8\], expected \[64\]"),
        ("output_norm.weight", {"offset": 2**63}, "its data is at offset"),
        ("output_norm.weight", {"offset": 0}, "its data is at offset 0"),
        ("output_norm.weight", {"offset": 3}, "its data is at offset 3"),
        ("output_norm.weight", {"type": 77}, "unknown or removed type 77"),
        ("output_norm.weight", {"type": 4}, "unknown or removed type 4"),
        ("output_norm.weight", {"type": "Q8_0", "data": bytes(68)}, "is Q8_0; F16 to F64 and"),
        ("blk.1.ffn_up.weight", {"shape": [96, 40]}, "not whole blocks of 32"),
        ("blk.1.ffn_up.weight", {"shape": [32, 192]}, r"expected \[96, 64\]"),
        ("blk.0.ffn_norm.weight", {"type": "F16"}, "ffn_gate.weight': its data is at offset"),
        ("token_embd.weight", {"name": "embeddings"}, "'token_embd.weight': is missing"),
    ],
)
def test_tensors(tmp_path, name, change, reason):
    file = llama_gguf()
    for field, value in change.items():
        setattr(file[name], field, value)
        name = value if field == "name" else name
    refuse(tmp_path, file.bytes(), reason)


def test_a_type_that_is_not_built(tmp_path):
    file = llama_gguf()
    file["blk.0.ffn_down.weight"].type = "Q6_K"
    refuse(tmp_path, file.bytes(), "rows of 96 values are not whole blocks of 256")
    wide = Tensor("rope_freqs.weight", [8], "F32", bytes(32))
    refuse(
        tmp_path,
        GGUF(llama_gguf().keys, [*llama_gguf().tensors, wide]).bytes(),
        "8 positive divisors",
    )


def test_a_tensor_nobody_reads(tmp_path):
    file = llama_gguf()
    file.tensors.append(Tensor("blk.0.attn_q.lora", [8], "F32", bytes(32)))
    refuse(tmp_path, file.bytes(), "'blk.0.attn_q.lora': is not part of the architecture")


def test_counts_that_lie(tmp_path):
    file = llama_gguf()
    tensors, keys = len(file.tensors), len(file.keys)
    for counts in [(tensors + 1, keys), (tensors, keys + 1), (tensors, keys - 1)]:
        file.counts = counts
        refuse(tmp_path, file.bytes(), "")
