# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The reference's log probabilities in a file, so that the next recipe need not compute them.

One safetensors file with one tensor, F32 [positions, vocabulary]: 2.4 GB for 24 windows of 512
tokens of a vocabulary of 49152. `key` in its metadata is what it was computed from; a file with
another key is replaced, a file that is not such a cache is an error.
"""

import contextlib
import glob
import hashlib
import json
import os
import pathlib
from typing import Optional

import numpy as np

from . import safetensors
from .errors import InputError
from .evaluation import LiveReference, windows
from .runtime import Model

TENSOR = "log_probabilities"


class CachedReference:
    """A context manager, and a reference for evaluation.py.

    `known` says whether the file had all it needs. If not, it is written while the windows are
    asked for, in order, under a temporary name, and gets its own name once it is complete.
    """

    def __init__(self, path, model: Model, tokens: list, size: int, count: int):
        self.path, self.live = pathlib.Path(path), LiveReference(model)
        lengths = [len(window) - 1 for window in windows(tokens, size, count)]
        self.starts = [sum(lengths[:n]) for n in range(len(lengths))]
        self.shape = (sum(lengths), model.vocab_size)
        self.key = fingerprint(model, tokens[: size * count], lengths)
        self.rows = self._open()
        self.known = self.rows is not None
        self.written, self.file = 0, None
        self.temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")

    def _open(self) -> Optional[np.ndarray]:
        if not self.path.exists():
            return None
        tensors, metadata = safetensors.read(self.path)
        if list(tensors) != [TENSOR] or "key" not in metadata:
            raise InputError(f"{self.path}: not a cache of a reference; choose another name")
        rows = tensors[TENSOR]
        return rows if metadata["key"] == self.key and rows.shape == self.shape else None

    def __enter__(self) -> "CachedReference":
        if not self.known:
            self._remove_left_behind()
            shapes = {TENSOR: ("F32", self.shape)}
            with self._naming_errors():
                self.file = self.temporary.open("wb")
                self.file.write(safetensors.header_bytes(shapes, {"key": self.key}))
        return self

    def _remove_left_behind(self) -> None:
        """Of runs that were killed: gigabytes that nothing will ever read."""
        for path in self.path.parent.glob(f"{glob.escape(self.path.name)}.*.tmp"):
            owner = path.name[len(self.path.name) + 1 : -len(".tmp")]
            if owner.isdigit() and not pathlib.Path("/proc", owner).exists():
                path.unlink(missing_ok=True)

    def __exit__(self, *_) -> None:
        if self.file is not None:
            self.file.close()
            if self.written == len(self.starts):
                self.temporary.replace(self.path)
            else:
                self.temporary.unlink(missing_ok=True)

    def log_probabilities(self, number: int, window: list) -> np.ndarray:
        if self.known:
            start = self.starts[number]
            return np.asarray(self.rows[start : start + len(window) - 1])
        logs = self.live.log_probabilities(number, window)
        if number == self.written:
            with self._naming_errors():
                self.file.write(logs.data)
            self.written += 1
        return logs

    @contextlib.contextmanager
    def _naming_errors(self):
        try:
            yield
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror}") from None


def fingerprint(model: Model, tokens: list, lengths: list) -> str:
    """Of the code, the manifest and the weights file of a model, and of what it is asked."""
    digest = hashlib.sha256(json.dumps([lengths, model.info], sort_keys=True).encode())
    digest.update(np.asarray(tokens, np.int64).tobytes())
    digest.update(model.library.path.read_bytes())
    if model.info.get("weights"):
        # The weights may be many GB: their size and time stand for them.
        status = (model.folder / model.info["weights"]).stat()
        digest.update(json.dumps([status.st_size, status.st_mtime_ns]).encode())
    return digest.hexdigest()
