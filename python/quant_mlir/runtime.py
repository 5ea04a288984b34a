# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Models that quantc compiled: logits, text, embeddings, any graph."""

import json
import os
import pathlib
from typing import Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np

from . import abi
from .errors import InputError
from .sampling import Sampler
from .tokenizer import Tokenizer


def load(folder: Union[str, pathlib.Path], threads: Optional[int] = None) -> "Model":
    """The model in a folder that quantc wrote.

    threads: how many compute; default: the cores this process may use. InputError if something
    in the folder is missing or does not fit together.
    """
    return Model(folder, threads)


class Model:
    """A compiled model, its weights mapped read-only. A context manager; or call close().

    `info` is what NAME.json says: source, recipe, every tensor's scheme. `task` is "causal-lm",
    "encoder" or "graph"; sizes that do not apply are 0. `target` is the one of the compiled
    targets that runs on this CPU.
    """

    def __init__(self, folder: Union[str, pathlib.Path], threads: Optional[int] = None):
        self.folder = pathlib.Path(folder)
        self.info = _read_info(self.folder)
        self.threads = threads or len(os.sched_getaffinity(0))
        name = self.info["name"]
        weights = self.folder / self.info["weights"] if self.info.get("weights") else None
        self.library = abi.Library(self.folder / f"{name}.so", name, weights)
        self.task, self.target = self.library.task, self.library.target
        self.vocab_size = self.library.vocab_size
        self.hidden_size = self.library.hidden_size
        self.context_length = self.library.context_length
        self._tokenizer: Optional[Tokenizer] = None
        self._runner: Optional[abi.SessionHandle] = None  # made when run() is first called

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Gives the memory back, except for what open sessions still need."""
        if self._runner is not None:
            self._runner.close()
        self.library.close()

    @property
    def tokenizer(self) -> Tokenizer:
        if self._tokenizer is None:
            self._tokenizer = Tokenizer.load(self.folder)
        return self._tokenizer

    # Any graph.

    def run(self, *arrays: np.ndarray, function: Optional[str] = None, **named: np.ndarray):
        """Calls a function of a graph or an encoder; function: by name, default the first.

        One array for each input, of its shape and type (see `functions`), in their order or by
        name; ValueError says what is wrong. One result is returned as it is, several as a tuple.
        """
        if self._runner is None:
            self._runner = self.library.session(0, self.threads)
        target = self.library.function(function)
        if named:
            names = [each.name for each in target.inputs[len(arrays) :]]
            if sorted(named) != sorted(names):
                raise ValueError(f"{target.name} takes {', '.join(names)}, not {', '.join(named)}")
            arrays = (*arrays, *(named[name] for name in names))
        results = self._runner.run(target, arrays)
        return results[0] if len(results) == 1 else tuple(results)

    @property
    def functions(self) -> List[abi.Function]:
        """What run() can call: the names, inputs and results."""
        return self.library.functions

    # Language models.

    def session(self, context: Optional[int] = None) -> "Session":
        """A new context that holds up to `context` tokens (default: all the model can)."""
        self._require("causal-lm")
        return Session(self, context or self.context_length)

    def logits(self, tokens: Sequence[int], all: bool = True) -> np.ndarray:
        """Logits [tokens, vocabulary] float32 from position 0; all=False: of the last one only."""
        with self.session(len(tokens)) as session:
            return session.feed(tokens, all)

    def generate(
        self,
        text: Union[str, Sequence[int]],
        max_tokens: int = 256,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: Optional[int] = None,
        stream: bool = False,
        top_k: Optional[int] = None,
    ) -> Union[str, Iterator[str]]:
        """What the model says next, up to its end-of-text token.

        text: a string, which is continued as it is, or token ids (tokenizer.encode_chat makes
        those of a conversation). temperature, top_p, seed, top_k: see sampling.Sampler. stream:
        returns an iterator over pieces of text instead.
        """
        ids = self.tokenizer.encode(text) if isinstance(text, str) else list(text)
        sampler = Sampler(temperature, top_p, seed, top_k)
        pieces = self.tokenizer.stream(self._continue(ids, max_tokens, sampler))
        return pieces if stream else "".join(pieces)

    def _continue(self, ids: List[int], max_tokens: int, sampler: Sampler) -> Iterator[int]:
        if not ids:
            raise InputError("the prompt is empty: there is nothing to continue")
        if len(ids) > self.context_length:
            raise InputError(
                f"the prompt has {len(ids)} tokens, the model takes {self.context_length}"
            )
        # The last token that is picked is never fed.
        room = min(len(ids) + max_tokens - 1, self.context_length)
        with self.session(room) as session:
            fed = ids
            for number in range(max_tokens):
                if sampler.enough is None:
                    token = sampler(session.feed(fed)[-1])
                else:
                    token = sampler.pick(*session.best(fed, min(sampler.enough, self.vocab_size)))
                if token in self.tokenizer.stop_ids:
                    return
                yield token
                if number + 1 == max_tokens or session.position == room:
                    return
                fed = [token]

    # Sentence encoders.

    def embed(
        self, texts: Union[str, Sequence[str]], max_tokens: Optional[int] = None
    ) -> np.ndarray:
        """One row of length 1 for each text: [texts, hidden] float32, mean over the tokens.

        Texts longer than the model takes (or was trained for, by sentence_bert_config.json; or
        than max_tokens) are cut.
        """
        if self.task == "causal-lm":
            raise InputError(f"{self.folder}: a causal-lm, not a sentence encoder")
        function = self.functions[0]
        if len(function.inputs) != 1 or len(function.results) != 1:
            raise InputError(f"{self.folder}: {function.name} does not map ids to hidden states")
        texts = [texts] if isinstance(texts, str) else list(texts)
        limits = [max_tokens, self.context_length, self._trained_length()]
        limit = min(n for n in [*limits, 1 << 30] if n)
        width = function.results[0].dims[-1]
        rows = np.zeros((len(texts), width), np.float32)
        for row, text in zip(rows, texts):
            ids = self.tokenizer.encode(text)
            if len(ids) > limit:  # [SEP] stays at the end
                ids = [*ids[: limit - 1], ids[-1]]
            states = self.run(self._as_input(ids))
            mean = states.reshape(len(ids), -1).mean(axis=0)
            row[:] = mean / max(float(np.linalg.norm(mean)), 1e-12)
        return rows

    def _trained_length(self) -> Optional[int]:
        path = self.folder / "sentence_bert_config.json"
        try:
            return int(json.loads(path.read_text(encoding="utf-8"))["max_seq_length"])
        except OSError:
            return None
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{path}: no number max_seq_length in it") from None

    def _as_input(self, ids: List[int]) -> np.ndarray:
        """The ids as the one input of the encoder: [tokens], or [1, tokens] from PyTorch."""
        (argument,) = self.functions[0].inputs
        return np.array(ids, argument.dtype).reshape((1,) * (argument.rank - 1) + (-1,))

    def _require(self, task: str) -> None:
        if self.task != task:
            raise InputError(f"{self.folder}: the model is of the kind {self.task}, not {task}")


class Session:
    """One conversation: the keys and values of the tokens so far. A context manager."""

    def __init__(self, model: Model, context: int):
        self.model = model
        self.handle = model.library.session(context, model.threads)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self.handle.close()

    @property
    def position(self) -> int:
        """How many tokens the session has seen."""
        return self.handle.position

    def rewind(self, position: int) -> None:
        """Forgets all tokens from `position` on."""
        self.handle.rewind(position)

    def feed(self, tokens: Sequence[int], all: bool = False) -> np.ndarray:
        """Appends tokens. Logits [1, vocabulary] of the last, or of all [tokens, vocabulary].

        ValueError if they do not fit into the context or an id is outside the vocabulary.
        """
        ids = _as_ids(tokens)
        outputs = len(ids) if all else 1
        self.handle.feed(ids, outputs)
        return self.handle.logits(outputs)

    def best(self, tokens: Sequence[int], k: int) -> Tuple[np.ndarray, np.ndarray]:
        """Appends tokens. Ids and logits [k] of the likeliest to follow, found by the threads.

        The largest logit comes first, of equal ones that of the lower id; NaN is less than all
        numbers. ValueError as feed(), or if k is not from 1 to the size of the vocabulary; the
        tokens are not appended then.
        """
        if not 1 <= k <= self.model.vocab_size:
            raise ValueError(f"k is {k}, it must be from 1 to {self.model.vocab_size}")
        self.handle.feed(_as_ids(tokens), 1)
        return self.handle.top(k)


def _as_ids(tokens: Sequence[int]) -> np.ndarray:
    ids = np.ascontiguousarray(tokens, np.int32)
    if ids.ndim != 1 or not ids.size:
        raise ValueError(f"tokens must be a list of at least one id, not of shape {ids.shape}")
    return ids


def _read_info(folder: pathlib.Path) -> dict:
    """NAME.json of the folder: the one JSON file in it that has the key quant_mlir."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    found = []
    for path in sorted(folder.glob("*.json")):
        if path.name.startswith("tokenizer") or path.name == "special_tokens_map.json":
            continue
        try:
            info = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: {error}") from None
        if isinstance(info, dict) and "quant_mlir" in info:
            found.append((path, info))
    if len(found) != 1:
        what = "no compiled model" if not found else "more than one compiled model"
        raise InputError(f"{folder}: {what} in it; quantc -o makes such a folder")
    path, info = found[0]
    for key in ("name", "task"):
        if not isinstance(info.get(key), str):
            raise InputError(f"{path}: the key {key} is missing")
    return info
