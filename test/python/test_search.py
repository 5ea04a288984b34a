# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The command `search` from end to end on a tiny model; its table, its errors."""

import json

import numpy as np
import pytest
import tiny_models
from quant_mlir import InputError, __main__, search_command, tools

RECIPES = "int2-g32,int4-g32,int8-g32"


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    for tool in ("quant-calibrate", "quant-opt", "quant-translate"):
        try:
            tools.find(tool)
        except InputError as error:
            pytest.skip(str(error))
    return tiny_models.llama_folder(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def seen(llama, tmp_path_factory):
    folder = tmp_path_factory.mktemp("statistics")
    tokens = np.random.default_rng(5).integers(0, tiny_models.VOCABULARY, (4, 32), np.int32)
    np.save(folder / "t.npy", tokens)
    command = ["calibrate", str(llama), "--tokens", str(folder / "t.npy")]
    assert __main__.main([*command, "-o", str(folder / "s.safetensors")]) == 0
    return folder / "s.safetensors"


def search(llama, seen, recipe, bits, recipes=RECIPES, flags=()):
    command = ["search", str(llama), "--calibration", str(seen), "--bits", str(bits)]
    return __main__.main([*command, "--recipes", recipes, "-o", str(recipe), *map(str, flags)])


def test_more_bits_lose_less(llama, seen, tmp_path, capsys):
    losses = []
    for bits in (2.5, 4.5, 6, 8.5):
        recipe = tmp_path / f"{bits}.yaml"
        assert search(llama, seen, recipe, bits) == 0
        assert "predicted loss" in capsys.readouterr().out
        rows, reached, loss = search_command.read_summary(recipe)
        assert reached <= bits
        assert loss == pytest.approx(sum(row[3] for row in rows), rel=1e-4)
        losses.append(loss)
    assert losses == sorted(losses, reverse=True) and losses[0] > losses[-1]
    # The ends leave no choice.
    assert [row[0] for row in search_command.read_summary(tmp_path / "2.5.yaml")[0]] == ["int2-g32"]
    assert [row[0] for row in rows] == ["int8-g32"]


def test_quantizes_with_it(llama, seen, tmp_path):
    recipe, model = tmp_path / "r.yaml", tmp_path / "m.mlir"
    assert search(llama, seen, recipe, 5) == 0
    assert tools.run("quant-translate", "--import-hf", llama, "-o", model) == 0
    command = ["quantize", str(model), "--recipe", str(recipe), "-o", str(tmp_path / "q.mlir")]
    assert __main__.main(command) == 0
    text = (tmp_path / "q.mlir").read_text()
    for name, *_ in search_command.read_summary(recipe)[0]:
        assert f"#qt.int<{name[3]}, group = 32, scale = f16>" in text


def test_layers_that_matter_get_more_bits(llama, seen, tmp_path, capsys):
    recipe, effects = tmp_path / "r.yaml", tmp_path / "e.json"
    texts = ("--tokens", seen.with_name("t.npy"), "--windows", 3, "--window", 16)
    assert search(llama, seen, recipe, 4.5, flags=(*texts, "--effects", effects)) == 0
    file = json.loads(effects.read_text())
    assert file["tokens"] == str(seen.with_name("t.npy"))
    # All linears but the table and head; none of them is idle.
    assert len(file["effects"]) == 7 * tiny_models.LAYERS
    assert all(effect > 0 for effect in file["effects"].values())
    # The loss is of int4, a good deal less than that of the probe.
    rounded = sum(file["effects"].values())
    assert 0 < search_command.read_summary(recipe)[2] < rounded / 2

    # Kept effects need no text, and decide.
    name = min(file["effects"], key=file["effects"].get)
    file["effects"][name] = 1000.0
    effects.write_text(json.dumps(file))
    assert search(llama, seen, recipe, 4.5, flags=("--effects", effects)) == 0
    groups = recipe.read_text().split("config_groups:")[1].split("  'int")[1:]
    most = next(group for group in groups if group.startswith("8-g32"))
    assert f"'{name}'" in most
    capsys.readouterr()
    file["model"] = "another"
    effects.write_text(json.dumps(file))
    assert search(llama, seen, recipe, 4.5, flags=("--effects", effects)) == 1
    assert "effects of weights of another model" in capsys.readouterr().err


def test_texts_that_are_none(llama, seen, tmp_path, capfd):
    assert search(llama, seen, tmp_path / "r.yaml", 5, flags=("--tokens", "no.npy")) == 1
    error = capfd.readouterr().err
    assert "no.npy: No such file or directory" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    "bits, recipes, message",
    [
        (2, RECIPES, "a budget of 2 bits per weight is too small: the smallest formats take 2.5"),
        (5, "best", "recipe 'best' is neither a file nor one of"),
    ],
)
def test_errors(llama, seen, tmp_path, capsys, bits, recipes, message):
    assert search(llama, seen, tmp_path / "r.yaml", bits, recipes) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "r.yaml").exists()


@pytest.mark.parametrize("bits", ["0", "-1", "nan", "inf", "few"])
def test_bits_are_a_positive_number(bits):
    with pytest.raises(SystemExit) as stopped:
        __main__.main(["search", "m", "--calibration", "s", "--bits", bits, "-o", "r.yaml"])
    assert stopped.value.code == 2
