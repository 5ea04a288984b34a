# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""ctypes over quant_runtime.h: the C interface of compiled models, as C programs use it."""

import ctypes as c
import dataclasses
import pathlib
from typing import List, Optional, Sequence, Tuple

import numpy as np

from .errors import InputError

ABI_VERSION = 3
MAX_RANK = 8
INVALID, BAD_FILE, BAD_MODEL, NO_MEMORY, BAD_CPU, BAD_GPU = 1, 2, 3, 4, 5, 6
RESULT, INPUT = 0, 1  # of qm_arg_kind; the others are between the runtime and the code

# numpy's type for each qm_dtype. bf16 has none: its bits come as uint16, see _from_tensor.
_DTYPES = [
    *(np.float32, np.float16, np.uint16, np.float64, np.int8, np.int16, np.int32, np.int64),
    *(np.int64, np.bool_, np.uint8),
]
_NAMES = ["f32", "f16", "bf16", "f64", "i8", "i16", "i32", "i64", "index", "bool", "u8"]
_BF16 = _NAMES.index("bf16")


class _Arg(c.Structure):
    _fields_ = [
        ("kind", c.c_uint32),
        ("dtype", c.c_uint32),
        ("rank", c.c_uint32),
        ("dims", c.POINTER(c.c_int64)),
        ("name", c.c_char_p),
    ]


class _Function(c.Structure):
    _fields_ = [
        ("name", c.c_char_p),
        ("entry", c.c_void_p),
        ("num_args", c.c_uint32),
        ("args", c.POINTER(_Arg)),
        ("workspace_bytes", c.c_uint64),
    ]


class _Descriptor(c.Structure):
    _fields_ = [
        ("abi_version", c.c_uint32),
        ("name", c.c_char_p),
        ("task", c.c_char_p),
        ("weights_bytes", c.c_uint64),
        ("weights_header_hash", c.c_uint64),
        ("vocab_size", c.c_int64),
        ("hidden_size", c.c_int64),
        ("context_length", c.c_int64),
        ("batch_tokens", c.c_int64),
        ("num_functions", c.c_uint32),
        ("functions", c.POINTER(_Function)),
        ("versions", c.c_void_p),
        ("gpu", c.c_void_p),
    ]


class _Options(c.Structure):
    _fields_ = [
        ("context", c.c_int64),
        ("threads", c.c_int64),
        ("executor", c.c_void_p),
        ("executor_context", c.c_void_p),
    ]


class _Tensor(c.Structure):
    _fields_ = [
        ("data", c.c_void_p),
        ("dtype", c.c_int),
        ("rank", c.c_int32),
        ("dims", c.c_int64 * MAX_RANK),
    ]


_Status, _Model, _Session = c.c_int, c.c_void_p, c.c_void_p
_SIGNATURES = {
    "qm_last_error": (c.c_char_p, []),
    "qm_model_open": (_Status, [c.POINTER(_Descriptor), c.c_char_p, c.POINTER(_Model)]),
    "qm_model_free": (None, [_Model]),
    "qm_model_target": (c.c_char_p, [_Model]),
    "qm_session_create": (_Status, [_Model, c.POINTER(_Options), c.POINTER(_Session)]),
    "qm_session_free": (None, [_Session]),
    "qm_session_feed": (_Status, [_Session, c.POINTER(c.c_int32), c.c_int64, c.c_int64]),
    "qm_session_logits": (c.POINTER(c.c_float), [_Session]),
    "qm_session_top": (_Status, [_Session, c.c_int64, c.POINTER(c.c_int32), c.POINTER(c.c_float)]),
    "qm_session_position": (c.c_int64, [_Session]),
    "qm_session_context": (c.c_int64, [_Session]),
    "qm_session_rewind": (_Status, [_Session, c.c_int64]),
    "qm_session_run": (
        _Status,
        [_Session, c.c_char_p, c.POINTER(_Tensor), c.c_uint32, c.POINTER(_Tensor), c.c_uint32],
    ),
}


@dataclasses.dataclass(frozen=True)
class Argument:
    """An input or a result of a function; -1 in `dims` is a size that may vary."""

    name: str
    type: str
    dims: Tuple[int, ...]

    @property
    def rank(self) -> int:
        return len(self.dims)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(_DTYPES[_NAMES.index(self.type)])

    def __str__(self) -> str:
        sizes = "".join(("?" if d < 0 else str(d)) + "x" for d in self.dims)
        return f"{self.name}: {sizes}{self.type}"


@dataclasses.dataclass(frozen=True)
class Function:
    name: str
    inputs: Tuple[Argument, ...]
    results: Tuple[Argument, ...]


class Library:
    """A compiled model, opened: its shared library loaded, its weights mapped."""

    def __init__(self, path: pathlib.Path, name: str, weights: Optional[pathlib.Path]):
        self.path, self.handle = path, _Model()
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        try:
            self.lib = c.CDLL(str(path))
            descriptor = _Descriptor.in_dll(self.lib, f"{name}_descriptor")
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: {error}") from None
        # Checked here too: another version has other fields, and other functions.
        if descriptor.abi_version != ABI_VERSION:
            raise InputError(
                f"{path}: made for version {descriptor.abi_version} of the runtime's interface, "
                f"this package knows {ABI_VERSION}; compile the model again"
            )
        try:
            for symbol, (result, arguments) in _SIGNATURES.items():
                function = getattr(self.lib, symbol)
                function.restype, function.argtypes = result, arguments
        except AttributeError as error:
            raise InputError(f"{path}: {error}") from None
        self.descriptor = descriptor
        self.task = descriptor.task.decode()
        self.vocab_size = descriptor.vocab_size
        self.hidden_size = descriptor.hidden_size
        self.context_length = descriptor.context_length
        self.batch_tokens = descriptor.batch_tokens
        self.functions = [
            _function(descriptor.functions[i]) for i in range(descriptor.num_functions)
        ]
        where = None if weights is None else str(weights).encode()
        self.check(self.lib.qm_model_open(c.byref(descriptor), where, c.byref(self.handle)))
        self.target = self.lib.qm_model_target(self.handle).decode()

    def close(self) -> None:
        if self.handle:
            self.lib.qm_model_free(self.handle)
            self.handle = _Model()

    __del__ = close

    def check(self, status: int) -> None:
        """Raises what a call reports: the caller's mistake is a ValueError, else InputError."""
        if status:
            message = self.lib.qm_last_error().decode("utf-8", "replace")
            raise (ValueError if status == INVALID else InputError)(message)

    def session(self, context: int, threads: int) -> "SessionHandle":
        """context, threads: 0 for the default of the runtime."""
        if not self.handle:
            raise ValueError("the model is closed")
        return SessionHandle(self, context, threads)

    def function(self, name: Optional[str]) -> Function:
        """By name; None is the first. ValueError if there is none."""
        for function in self.functions:
            if name is None or function.name == name:
                return function
        names = ", ".join(function.name for function in self.functions)
        raise ValueError(f"there is no function {name!r}; there is: {names}")


def _function(raw: _Function) -> Function:
    def arguments(kind):
        return tuple(
            Argument(arg.name.decode(), _NAMES[arg.dtype], tuple(arg.dims[: arg.rank]))
            for arg in (raw.args[i] for i in range(raw.num_args))
            if arg.kind == kind
        )

    return Function(raw.name.decode(), arguments(INPUT), arguments(RESULT))


class SessionHandle:
    """A qm_session; keeps its library alive."""

    def __init__(self, library: Library, context: int, threads: int):
        self.library, self.lib, self.handle = library, library.lib, _Session()
        options = _Options(context=context, threads=threads)
        library.check(
            self.lib.qm_session_create(library.handle, c.byref(options), c.byref(self.handle))
        )

    def close(self) -> None:
        if self.handle:
            self.lib.qm_session_free(self.handle)
            self.handle = _Session()

    def __del__(self) -> None:
        self.close()

    def _open(self) -> _Session:
        if not self.handle:
            raise ValueError("the session is closed")
        return self.handle

    @property
    def position(self) -> int:
        return self.lib.qm_session_position(self._open())

    def rewind(self, position: int) -> None:
        self.library.check(self.lib.qm_session_rewind(self._open(), position))

    def feed(self, tokens: np.ndarray, outputs: int) -> None:
        """tokens: int32, contiguous."""
        pointer = tokens.ctypes.data_as(c.POINTER(c.c_int32))
        self.library.check(self.lib.qm_session_feed(self._open(), pointer, len(tokens), outputs))

    def logits(self, outputs: int) -> np.ndarray:
        """A copy of the logits [outputs, vocabulary] of the last feed, which kept that many."""
        shape = (outputs, self.library.vocab_size)
        return np.ctypeslib.as_array(self.lib.qm_session_logits(self._open()), shape).copy()

    def top(self, k: int) -> Tuple[np.ndarray, np.ndarray]:
        """Ids and logits of the likeliest k tokens after the last feed, which kept outputs."""
        ids, logits = np.empty(max(k, 0), np.int32), np.empty(max(k, 0), np.float32)
        id_pointer = ids.ctypes.data_as(c.POINTER(c.c_int32))
        logit_pointer = logits.ctypes.data_as(c.POINTER(c.c_float))
        self.library.check(self.lib.qm_session_top(self._open(), k, id_pointer, logit_pointer))
        return ids, logits

    def run(self, function: Function, arrays: Sequence[np.ndarray]) -> List[np.ndarray]:
        if len(arrays) != len(function.inputs):
            raise ValueError(
                f"{function.name} has {len(function.inputs)} inputs, {len(arrays)} are given"
            )
        kept = [_as_input(*pair) for pair in zip(function.inputs, arrays)]
        inputs = (_Tensor * len(kept))(*map(_to_tensor, function.inputs, kept))
        results = (_Tensor * len(function.results))()
        name = function.name.encode()
        self.library.check(
            self.lib.qm_session_run(self._open(), name, inputs, len(inputs), results, len(results))
        )
        return [_from_tensor(result) for result in results]


def _as_input(argument: Argument, array: np.ndarray) -> np.ndarray:
    """Row-major; integers and floats are widened, never narrowed, to what is asked."""
    array = np.asarray(array)
    fits = array.ndim == argument.rank and all(
        want < 0 or want == have for want, have in zip(argument.dims, array.shape)
    )
    if not fits:
        raise ValueError(f"the input has the shape {array.shape}, asked for is {argument}")
    if argument.type == "bf16" or not np.can_cast(array.dtype, argument.dtype, "safe"):
        raise ValueError(f"the input is of type {array.dtype}, asked for is {argument}")
    return np.asarray(array, argument.dtype, order="C")


def _to_tensor(argument: Argument, array: np.ndarray) -> _Tensor:
    tensor = _Tensor(array.ctypes.data, _NAMES.index(argument.type), array.ndim)
    tensor.dims[: array.ndim] = array.shape
    return tensor


def _from_tensor(tensor: _Tensor) -> np.ndarray:
    """A copy of a result; bf16, which numpy does not have, comes as float32."""
    shape = tuple(tensor.dims[: tensor.rank])
    dtype = np.dtype(_DTYPES[tensor.dtype])
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    data = c.string_at(tensor.data, size) if size else b""
    array = np.frombuffer(bytearray(data), dtype).reshape(shape)
    if tensor.dtype == _BF16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array
