# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Tasks: files, rules of scoring, and the three that are made by code."""

import json
import types

import numpy as np
import pytest
from quant_mlir import InputError, builtin_tasks, tasks


class Letters:
    """A tokenizer: the letters of a text, by their numbers; "ab" is one token, 1."""

    def encode(self, text, special=True):
        ids = []
        while text:
            size = 2 if text.startswith("ab") else 1
            ids.append(1 if size == 2 else ord(text[0]))
            text = text[size:]
        return ids

    def decode(self, ids):
        return "".join(map(chr, ids))


class After:
    """A model that expects, after each letter, the letters of `then`, with these weights."""

    folder, context_length = "after", 64

    def __init__(self, then):
        self.tokenizer, self.then, self.fed = Letters(), then, 0

    def session(self, context):
        session = types.SimpleNamespace(ids=[], close=lambda: None)

        def feed(ids, all=False):
            session.ids += list(ids)
            self.fed += len(ids)
            assert len(session.ids) <= context
            return np.stack([self.logits(i) for i in (ids if all else ids[-1:])])

        def rewind(position):
            assert position <= len(session.ids)
            del session.ids[position:]

        session.feed, session.rewind = feed, rewind
        return session

    def logits(self, token):
        row = np.zeros(256, np.float32)
        for letter, weight in self.then.get(chr(token), {}).items():
            row[ord(letter)] = weight
        return row

    def generate(self, ids, max_tokens):
        said, last = "", ids[-1]
        for _ in range(max_tokens):
            last = int(self.logits(last).argmax())
            said += chr(last)
        return said


MODEL = After({"x": {"y": 5, "z": 4}, "y": {"z": 5}, "z": {"!": 5}})


def score(item, **rules):
    where = item.pop("where", "t.jsonl:1")
    return tasks.score_item(MODEL, tasks.parse(json.dumps(item), where), tasks.Rules(**rules))


def test_the_likeliest_choice_is_chosen():
    result = score({"prompt": "x", "choices": ["z", "y"], "answer": 1})
    assert result["chosen"] == 1 and result["correct"]
    # log(e^5 / (e^5 + e^4 + 254)), and with e^4 above.
    total = np.log(np.exp(5) + np.exp(4) + 254)
    assert result["scores"] == pytest.approx([4 - total, 5 - total], rel=1e-5)


def test_length_counts_unless_it_is_divided_out():
    # "yzz" is long, but what it begins with is likely; "q" is short and as unlikely as can be.
    item = {"prompt": "x", "choices": ["yzz", "q"], "answer": 0}
    assert not score(dict(item))["correct"]
    assert score(dict(item), normalize="tokens")["correct"]
    assert score(dict(item), normalize="bytes")["correct"]


def test_a_token_across_the_border_is_scored_for_all_choices():
    # "xa" + "b" is x, ab: what all share is x alone, so both are scored from there.
    result = score({"prompt": "xa", "choices": ["b", "c"], "answer": 0})
    tail = np.log(np.exp(5) + np.exp(4) + 254)
    assert result["scores"] == pytest.approx([-tail, -tail - np.log(256)], rel=1e-5)


def test_items_that_begin_alike_are_fed_once():
    items = [tasks.Item("x" * 20 + letter, ["y", "z"], 0, where=f"t:{letter}") for letter in "abc"]
    model = After(MODEL.then)
    tasks.score(model, tasks.Task("t", items))
    assert model.fed == 21 + 1 + 1


@pytest.mark.parametrize(
    "expected, match, correct",
    [
        ("z!", "contains", True),
        ("!y", "contains", False),
        (["q", "yz"], "contains", True),
        ("yz", "equals", False),
        ("yz!", "equals", True),
        ("yz", "likelihood", True),
        ("z!", "likelihood", False),
    ],
)
def test_expected_answers(expected, match, correct):
    item = {"prompt": "x", "expected": expected, "max_tokens": 3}
    assert score(dict(item), match=match)["correct"] is correct
    assert score({**item, "match": match})["correct"] is correct


def test_the_interval_is_wilsons():
    # Newcombe 1998, table I: 81 of 263 and 1 of 29.
    assert tasks.interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert tasks.interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=1e-4)
    assert tasks.interval(0, 20)[0] == 0 and tasks.interval(20, 20)[1] == 1


def test_results_are_compared_item_by_item():
    def results(text):
        return [{"correct": letter == "+"} for letter in text]

    found = tasks.compare(results("+----+"), results("+++++-"))
    # 4 lost, 1 gained: P(at most 1 of 5) twice is 2 * 6 / 32.
    assert found == {"lost": 4, "gained": 1, "p": 2 * 6 / 32}
    assert tasks.compare(results("++"), results("++"))["p"] == 1


def test_groups():
    lines = [("x", "y", "near"), ("x", "q", "far"), ("y", "z", "far")]
    items = [tasks.Item(p, [a, "w"], 0, group=g, where="t:1") for p, a, g in lines]
    result = tasks.score(MODEL, tasks.Task("t", items))
    assert result["items"] == 3 and len(result["results"]) == 3
    assert result["groups"]["near"]["accuracy"] == 1
    assert result["groups"]["far"]["items"] == 2


@pytest.mark.parametrize(
    "line, reason",
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"prompt": "a"}', 'one of "choices" and "expected"'),
        ('{"prompt": "a", "choices": ["a", "b"], "expected": "c"}', "one of"),
        ('{"prompt": "", "expected": "c"}', '"prompt" is not a text'),
        ('{"prompt": "a", "choices": ["a"], "answer": 0}', "at least two"),
        ('{"prompt": "a", "choices": ["a", "b"]}', '"answer" is not'),
        ('{"prompt": "a", "choices": ["a", "b"], "answer": 2}', '"answer" is 2'),
        ('{"prompt": "a", "choices": ["a", "b"], "answer": true}', '"answer" is not'),
        ('{"prompt": "a", "expected": []}', '"expected" is neither'),
        ('{"prompt": "a", "expected": "b", "match": "near"}', '"match" is none of'),
        ('{"prompt": "a", "expected": "b", "max_tokens": 0}', '"max_tokens"'),
    ],
)
def test_malformed_lines_are_named(tmp_path, line, reason):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"prompt": "a", "expected": "b"}\n\n' + line + "\n")
    with pytest.raises(InputError) as error:
        tasks.read(path)
    assert str(error.value).startswith(f"{path}:3: ") and reason in str(error.value)


def test_an_empty_file(tmp_path):
    (tmp_path / "mine.jsonl").write_text("\n")
    with pytest.raises(InputError, match="no task in it"):
        tasks.read(tmp_path / "mine.jsonl")


def test_a_prompt_that_is_too_long_is_named():
    with pytest.raises(InputError, match=r"mine:7: .*65 tokens.*takes 64"):
        score({"prompt": "x" * 64, "choices": ["y", "z"], "answer": 0, "where": "mine:7"})


def test_logits_that_are_not_numbers():
    broken = After({"x": {"y": float("nan")}})
    item = tasks.Item("x", ["y", "z"], 0, where="t:1")
    with pytest.raises(InputError, match=r"after: its logits for t:1 are NaN"):
        tasks.score_item(broken, item, tasks.Rules())


# What is made by code.

PARAGRAPHS = "\n\n".join(
    " ".join(f"This is sentence {n} of the paragraph {p}." for n in range(4)) for p in range(30)
)


@pytest.mark.parametrize("name", builtin_tasks.NAMES)
def test_equal_seeds_give_equal_items(name):
    def make(seed):
        return builtin_tasks.make(name, Letters(), 2000, PARAGRAPHS, 12, seed)

    task = make(0)
    assert len(task.items) == 12
    assert make(0) == task and make(1) != task
    for item in task.items:
        assert len(set(item.choices)) == 4
    assert len({item.answer for item in task.items}) > 1


def test_arithmetic_is_right():
    for item in builtin_tasks.arithmetic(60).items:
        *shown, question = [line.split() for line in item.prompt.split("\n")]
        for a, sign, b, _, result in shown:
            assert int(a) + int(sign + b) == int(result)
        a, sign, b, _ = question
        right = [int(a) + int(sign + b) == int(choice) for choice in item.choices]
        assert right.index(True) == item.answer and sum(right) == 1


def test_recall_asks_for_what_was_said_so_many_tokens_before():
    task = builtin_tasks.recall(Letters(), 1400, 12)
    assert {item.group for item in task.items} == {"512 tokens", "1024 tokens"}
    for item in task.items:
        person = item.prompt.split()[-2]
        fact = f"The number of {person} is{item.choices[item.answer]}. "
        between = len(Letters().encode(item.prompt.split(fact)[1]))
        assert between >= int(item.group.split()[0])


def test_the_next_sentence_is_the_next():
    for item in builtin_tasks.next_sentence(PARAGRAPHS, 12).items:
        assert item.prompt + item.choices[item.answer] in PARAGRAPHS
        wrong = [c for n, c in enumerate(item.choices) if n != item.answer]
        assert not any(item.prompt + choice in PARAGRAPHS for choice in wrong)


@pytest.mark.parametrize(
    "name, context, text, reason",
    [
        ("recall", 600, None, "needs a context of 712 tokens, the model takes 600"),
        ("next-sentence", 600, None, "--text FILE"),
        ("next-sentence", 600, "Too short.", "too short"),
        ("chess", 600, None, "arithmetic, recall, next-sentence"),
    ],
)
def test_tasks_that_cannot_be_made(name, context, text, reason):
    with pytest.raises(InputError, match=reason):
        builtin_tasks.make(name, Letters(), context, text)
