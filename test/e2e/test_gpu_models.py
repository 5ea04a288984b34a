# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Whole models on an emulated GPU, and the runtime of real ones with a driver that stands in: the
host code, the runtime and the functions are those of a GPU, and no memory of it can be touched but
by functions and copies."""

import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tiny_decoders
import tiny_models
from compiling import compile, with_ptxas
from quant_mlir import InputError, load, tools
from standin import build_driver, needs_no_driver

HERE = pathlib.Path(__file__).parent
EMULATED = ("--target", "cuda-emulated:sm_80")

emulated = pytest.mark.skipif(platform.machine() != "x86_64", reason="the emulator runs on x86-64")


def spread(got, expected):
    """The largest error as a part of the range."""
    return np.abs(got - expected).max() / np.ptp(expected)


# Grouped heads, with biases and a window in one layer; softcaps, norms behind, gelu; heads that
# are rotated in part; layer norms and positions that are learned; experts.
@emulated
@pytest.mark.parametrize("name", ["qwen2-window", "gemma2", "phi3", "gpt2", "qwen3moe"])
def test_architecture(name, tmp_path):
    folder = tiny_decoders.folder(tmp_path / "m", name)
    compile(folder, tmp_path / "out", "--recipe", "f32", "--cache", "float32", *EMULATED)
    with np.load(HERE / "references" / "architectures.npz") as references:
        expected = references[name]
    tokens = tiny_decoders.TOKENS
    with load(tmp_path / "out") as model:
        assert model.target == "cuda-emulated:sm_80"
        # As for CPUs: some hundred times the rounding of sums in f32.
        assert spread(model.logits(tokens), expected) < 2e-5
        # A prompt in two calls, then tokens one by one, and some of them once more.
        with model.session(len(tokens)) as session:
            session.feed(tokens[:3])
            parts = [session.feed(tokens[3:20])]
            parts += [session.feed(tokens[i : i + 1]) for i in range(20, 24)]
            session.rewind(22)
            again = session.feed(tokens[22:24])
        np.testing.assert_array_equal(parts[-1], again)
        assert spread(np.concatenate(parts), expected[[19, 20, 21, 22, 23]]) < 2e-5


# Windows and softcaps on tensor cores: by default the cache is f16, as are queries and weights of
# values then, whose scores here are large. How much that may be is bounded in
# kernels/test_gpu_attention.py.
@emulated
@pytest.mark.parametrize("name", ["qwen2-window", "gemma2"])
def test_default_cache(name, tmp_path):
    folder = tiny_decoders.folder(tmp_path / "m", name)
    compile(folder, tmp_path / "out", "--recipe", "f32", *EMULATED)
    with np.load(HERE / "references" / "architectures.npz") as references:
        expected = references[name]
    with load(tmp_path / "out") as model:
        assert 2e-5 < spread(model.logits(tiny_decoders.TOKENS), expected) < 4e-3


# What is rounded is rounded alike, but for sums whose order differs: a code may be off by one, and
# of 8-bit floats that is much. So few tokens are compared closely, one by one, as attention of
# several rounds more; that these have no such code is luck that lasts.
@emulated
@pytest.mark.parametrize(
    "type, flags",
    [
        ("Q4_1", ("--cache", "float16")),
        ("Q8_0", ("--cache", "int8")),
        ("F32", ("--recipe", "fp8", "--cache", "float32")),
        ("F32", ("--recipe", "int8-llm", "--cache", "float32")),
    ],
)
def test_formats(type, flags, tmp_path):
    (tmp_path / "m.gguf").write_bytes(tiny_models.llama_gguf(type).bytes())
    few, many = [], []
    for target in ("cpu:native", "cuda-emulated:sm_80"):
        folder = tmp_path / target
        compile(tmp_path / "m.gguf", folder, *flags, "--target", target)
        with load(folder) as model, model.session(3) as session:
            one_by_one = np.split(tiny_decoders.TOKENS[:3], 3)
            few.append(np.array([session.feed(token) for token in one_by_one]))
            many.append(model.logits(tiny_decoders.TOKENS))
    assert spread(*few) < 1e-4
    assert spread(*many) < 5e-2


@emulated
def test_encoder(tmp_path):
    rows, ids = {}, np.arange(21, dtype=np.int32)
    folder = tiny_models.bert_folder(tmp_path / "m")
    for recipe, most in (("f32", 2e-5), ("w8a8", 2e-2)):
        for target in ("cpu:native", "cuda-emulated:sm_80"):
            out = tmp_path / f"{recipe}-{target}"
            compile(folder, out, "--recipe", recipe, "--target", target)
            with load(out) as model:
                rows[target] = model.run(ids)
        assert spread(*rows.values()) < most


@emulated
def test_bundle(tmp_path, monkeypatch):
    """What is taken to a machine with a GPU: the model, and the program that runs it there."""
    monkeypatch.syspath_prepend(HERE.parents[1] / "bench" / "gpu")
    import bundle

    (tmp_path / "m.gguf").write_bytes(tiny_models.llama_gguf().bytes())
    bundle.write_model(tmp_path / "b", tmp_path / "m.gguf", "cuda-emulated:sm_80", 2)
    command = [sys.executable, "-I", "run_model.py", "--prefill", "4", "--decode", "1"]
    done = subprocess.run(command, cwd=tmp_path / "b", text=True, capture_output=True)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "prompt of 20: 2 of the CPU's tokens" in done.stdout
    result = json.loads((tmp_path / "b" / "model.json").read_text())
    assert len(result["checks"]) == 1  # that fits into the context
    assert result["rates"][0]["decode_tokens_per_s"] > 0


@emulated
def test_bundle_of_kernels(tmp_path, monkeypatch):
    """Two of its kernels: what `make gpu-bundle` writes is what run.py reads, and no more."""
    monkeypatch.syspath_prepend(HERE.parents[1] / "bench" / "gpu")
    monkeypatch.syspath_prepend(HERE / "kernels")
    import bundle

    if not shutil.which("ptxas", path=with_ptxas()["PATH"]):
        pytest.skip("no ptxas (requirements-tools.txt)")
    few, many = bundle.chosen()[:1], bundle.many_cases()[:1]
    monkeypatch.setattr(bundle, "chosen", lambda: few)
    monkeypatch.setattr(bundle, "many_cases", lambda: many)
    monkeypatch.setattr(bundle, "SHAPES", {(256, 128): ("int8_a8",)})
    monkeypatch.setattr(bundle, "TIMED", {"int8_a8": bundle.TIMED["int8_a8"]})
    monkeypatch.setattr(sys, "argv", ["bundle.py", "-o", str(tmp_path / "b")])
    assert bundle.main() == 0
    names = {few[0].name, many[0].name}
    files = {path.name for path in (tmp_path / "b").iterdir()}
    assert files == {"sm_90a.cubin", "sm_90a.json", "bundle.json", "run.py"} | {
        f"{name}.npz" for name in names
    }
    sizes = json.loads((tmp_path / "b" / "bundle.json").read_text())
    assert set(sizes) == names | {"int8_a8_256"} and sizes["int8_a8_256"]["kind"] == "int8_a8"
    made = json.loads((tmp_path / "b" / "sm_90a.json").read_text())["kernels"]
    assert set(made) == set(sizes)
    with np.load(tmp_path / "b" / f"{many[0].name}.npz") as data:
        assert all(f"expected{rows}" in data for rows in bundle.MANY_TOKENS)


@pytest.mark.parametrize("target", ["sm_80", "sm_89", "sm_90a"])
def test_code(target, tmp_path):
    """What ptxas says of all that the models here need, where there is one."""
    tiny_models.bert_folder(tmp_path / "bert")
    tiny_decoders.folder(tmp_path / "gemma2", "gemma2")
    for name in ("phi3", "mixtral"):
        tiny_decoders.folder(tmp_path / name, name)
    kinds = set()
    recipes = {"bert": "w8a8", "gemma2": "f32", "phi3": "int4-g32", "mixtral": "w8a8"}
    for name, recipe in recipes.items():
        flags = ("--recipe", recipe, "--target", f"cuda:{target}")
        compile(tmp_path / name, tmp_path / "out", *flags, env=with_ptxas())
        made = json.loads((tmp_path / "out" / "model.json").read_text())
        if "gpu_functions" not in made:
            pytest.skip("no ptxas (requirements-tools.txt): PTX is not assembled")
        for function, used in made["gpu_functions"].items():
            assert used["spill_bytes"] == 0 and "remarks" not in used, (function, used)
            kinds.add(function.strip("0123456789").split("_")[1])
    named = {"gather", "rms", "layer", "rope", "cache", "attention", "generic", "for"}
    assert named <= kinds


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A model for a real GPU, and a folder with a driver."""
    folder = tmp_path_factory.mktemp("real")
    build_driver(folder)
    (folder / "m.gguf").write_bytes(tiny_models.llama_gguf().bytes())
    compile(folder / "m.gguf", folder / "out", "--target", "cuda:sm_80", env=with_ptxas())
    return folder


def generate(folder, driver="driver", **environment):
    # So many that matmuls have another form than for one.
    tokens = ",".join(map(str, range(1, 10)))
    command = [tools.find("quant-run"), folder / "out", "--tokens", tokens]
    path = {"LD_LIBRARY_PATH": str(folder / driver), **environment}
    return subprocess.run(
        [*command, "--generate", "4", "--greedy"],
        env={**os.environ, **path},
        text=True,
        capture_output=True,
    )


def calls_of(done, path):
    """What the driver was asked, each a list of words."""
    assert done.returncode == 0, done.stderr
    return [line.split() for line in path.read_text().splitlines()]


def test_calls(real, tmp_path):
    """What a model asks of the driver: weights once, then tokens, launches, logits."""
    lines = calls_of(generate(real, CALLS=str(tmp_path / "calls")), tmp_path / "calls")
    names = [line[0] for line in lines]
    weights = 44800  # what quantc has packed
    sent = [int(line[-1]) for line in lines if line[0] == "cuMemcpyHtoD"]
    # Nine tokens, then one at a time what was picked by logits, which are all zero.
    assert sent == [weights, 36, 4, 4, 4]
    fetched = [int(line[-1]) for line in lines if line[0] == "cuMemcpyDtoH"]
    assert fetched == [4 * tiny_models.VOCABULARY] * 4
    # Weights, cache, workspace, inputs; all is given back.
    assert names.count("cuMemAlloc") == names.count("cuMemFree") == 4
    assert names.count("cuModuleLoadData") == names.count("cuModuleUnload") == 1
    launches = [line[1] for line in lines if line[0] == "cuLaunchKernel"]
    assert launches[0] == "kernel_gather_0_rows"
    assert launches[-1].startswith("kernel_matmul_int")
    # The prompt, and the first token behind it.
    assert sum("attention" in name for name in launches) == 2 * tiny_models.LAYERS


def test_graph(real, tmp_path):
    """Calls of the same functions are one graph; it is told what depends on the position."""
    lines = calls_of(generate(real, CALLS=str(tmp_path / "calls")), tmp_path / "calls")
    names = [line[0] for line in lines]
    launched, added, changed = (
        [line[1] for line in lines if line[0] == name]
        for name in ("cuLaunchKernel", "cuGraphAddKernelNode", "cuGraphExecKernelNodeSetParams")
    )
    # A prompt has functions of its own; the first token behind it is not known to have another.
    assert added == launched[len(launched) // 2 :]
    assert len(changed) == 4 * tiny_models.LAYERS
    assert {name.split("_")[1] for name in changed} == {"rope", "cache", "attention"}
    assert names.count("cuGraphLaunch") == 2
    for name in ("Create", "Instantiate", "Destroy", "ExecDestroy"):
        assert names.count(f"cuGraph{name}") == 1
    assert names.count("cuCtxSynchronize") == 4


def test_no_graphs(real, tmp_path):
    """A driver that is older than what graphs need."""
    build_driver(tmp_path, "-DNO_GRAPHS")
    done = generate(real, tmp_path / "driver", CALLS=str(tmp_path / "calls"))
    launches = [line[1] for line in calls_of(done, tmp_path / "calls") if "Launch" in line[0]]
    prompt, *steps = np.split(np.array(launches), 4)
    assert len(prompt) and all((step == steps[0]).all() for step in steps)


@pytest.mark.parametrize(
    "environment, said",
    [
        ({"LD_LIBRARY_PATH": ""}, "needs an NVIDIA GPU (cuda:sm_80), and there is no driver: "),
        ({"GPUS": "0"}, "needs an NVIDIA GPU (cuda:sm_80), and there is none"),
        ({"FAIL": "cuInit 100"}, "no NVIDIA GPU can be used: made to fail (error 100 of CUDA)"),
        ({"CAPABILITY": "75"}, "compiled for cuda:sm_80, this GPU is an sm_75"),
        ({"FAIL": "cuModuleLoadData 222"}, "the driver does not take the code: made to fail"),
        ({"FAIL": "cuMemAlloc 2"}, "no memory on the GPU for 44800 bytes of weights"),
        ({"FAIL": "cuLaunchKernel 719"}, "kernel_gather_0_rows: made to fail (error 719"),
        ({"FAIL": "cuCtxSynchronize 700"}, "the GPU has failed: made to fail (error 700"),
        ({"FAIL": "cuMemcpyDtoH 700"}, "copying from the GPU: made to fail"),
        ({"FAIL": "cuGraphInstantiate 2"}, "the graph of a call: out of memory (error 2"),
        ({"FAIL": "cuGraphAddKernelNode 1"}, "the graph of a call: made to fail (error 1"),
        ({"FAIL": "cuGraphExecKernelNodeSetParams 1"}, "the graph of a call: made to fail"),
        ({"FAIL": "cuGraphLaunch 719"}, "the graph of a call: made to fail (error 719"),
    ],
)
def test_failures(real, environment, said):
    if "LD_LIBRARY_PATH" in environment:
        needs_no_driver()
    done = generate(real, **environment)
    assert done.returncode == 1 and said in done.stderr
    assert done.stderr.count("\n") == 1


def test_later_gpu(real, tmp_path):
    """It has no machine code of its own, so the driver gets PTX."""
    done = generate(real, CALLS=str(tmp_path / "calls"), CAPABILITY="90")
    assert done.returncode == 0, done.stderr
    assert "cuModuleLoadData ptx" in (tmp_path / "calls").read_text()


def test_failures_in_python(real):
    needs_no_driver()
    with pytest.raises(InputError, match="there is no driver"):
        load(real / "out")
