# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Good models for fuzz-importers, small ones of every kind.

importer_seeds.py DIR
"""

import pathlib
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
for place in ("python", "test/python", "test/e2e", "test/e2e/onnx_graphs"):
    sys.path.append(str(ROOT / place))

import test_imatrix  # noqa: E402
import tiny_checkpoints  # noqa: E402
import tiny_decoders  # noqa: E402
import tiny_models  # noqa: E402


def folder(path) -> bytes:
    """A folder as the target reads it: its configuration in one line, then its weights."""
    config = (path / "config.json").read_text().replace("\n", " ")
    return config.encode() + b"\n" + (path / "model.safetensors").read_bytes()


def seeds(scratch):
    for name in tiny_checkpoints.FORMATS:
        tiny_checkpoints.encode(name, scratch / name)
        yield name, folder(scratch / name)
    for name in tiny_decoders.CONFIGS:
        tiny_decoders.folder(scratch / f"{name}.float", name)
        yield f"{name}.float", folder(scratch / f"{name}.float")
        if name not in tiny_decoders.HF_ONLY:
            yield f"{name}.gguf", tiny_decoders.gguf(name).bytes()
    tiny_models.bert_folder(scratch / "bert")
    yield "bert", folder(scratch / "bert")
    for kind in ("Q4_1", "Q8_0"):
        yield f"llama.{kind}.gguf", tiny_models.llama_gguf(kind).bytes()
    means = test_imatrix.importance(64, 96)
    yield "imatrix.dat", test_imatrix.old_form(means)
    yield "imatrix.gguf", test_imatrix.gguf_form(means)
    yield "recipe.yaml", (ROOT / "docs/recipes/mixed-int4.yaml").read_bytes()
    yield "good.onnx", (ROOT / "test/golden/good.onnx").read_bytes()
    try:
        import bert_graph
        import quantized_forms
    except ImportError as error:
        print(f"no more ONNX files: {error}", file=sys.stderr)
        return
    yield "bert.onnx", bert_graph.build(scratch / "bert").SerializeToString()
    yield "quantized.onnx", quantized_forms.build().model().SerializeToString()


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in seeds(pathlib.Path(scratch)):
            (out / name).write_bytes(content)


if __name__ == "__main__":
    main()
