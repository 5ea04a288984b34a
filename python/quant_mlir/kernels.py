# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Kernels without a model, as `quantc --kernels` writes them.

import quant_mlir

kernels = quant_mlir.load_kernels("out")
weights = kernels.pack("project", codes, scales)
y = kernels.run("project", x=x, weights=weights)

As operations of PyTorch, on the CPU or a GPU: torch_kernels.register.
"""

import ctypes as c
import json
import pathlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Dict, List, Optional

import numpy as np

from .errors import InputError

ALIGNMENT = 64  # of weights and workspaces
_DTYPES = {"f32": np.float32, "f16": np.float16, "i32": np.int32, "i8": np.int8}


class _Panels(c.Structure):
    """qm_panels"""

    _fields_ = [
        *((name, c.c_int64) for name in ("n", "k", "lanes", "vectors", "group", "scale_group")),
        *((name, c.c_int64) for name in ("scale_block", "group_bytes", "panel_bytes")),
        *((name, c.c_int64) for name in ("scale_offset", "minimum_offset")),
        *((name, c.c_uint32) for name in ("code_bits", "code_bytes", "depth")),
        *((name, c.c_uint32) for name in ("scale_dtype", "minimum_dtype")),
        ("scale_factor", c.c_float),
    ]


class _Team(c.Structure):
    """qm_team"""

    _fields_ = [("thread", c.c_int64), ("threads", c.c_int64), ("barrier", c.c_void_p)]


class Kernels:
    """A library of kernels, loaded. `kernels` is what its JSON file says of each."""

    def __init__(self, folder, name: Optional[str] = None):
        folder = pathlib.Path(folder)
        if name is None:
            names = [path.stem for path in sorted(folder.glob("*.json"))]
            if len(names) != 1:
                raise InputError(f"{folder}: holds {len(names)} libraries of kernels, not one")
            (name,) = names
        path = folder / f"{name}.json"
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            self.kernels: Dict[str, dict] = manifest["kernels"]
            self.name, self.target = manifest["name"], manifest["target"]
            self.rows: int = manifest["rows"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: not a library of kernels: {error}") from None
        self.on_gpu = self.target.startswith("cuda:")
        try:
            self.lib = c.CDLL(str(folder / f"{name}.so"))
        except OSError as error:
            raise InputError(str(error)) from None
        self.lib.qm_last_error.restype = c.c_char_p
        self._functions = {kernel: self._function(kernel) for kernel in self.kernels}
        self._opened: Dict[int, c.c_void_p] = {}  # of each GPU
        self._turn, self._others = threading.Lock(), []
        self._barrier = aligned(128)
        self._barrier[:] = 0
        versions = f"{name}_versions"
        if not self.on_gpu and self.lib.qm_choose_version(c.byref(self._symbol(versions))) < 0:
            raise InputError(self._error())

    def parameters(self, kernel: str) -> List[dict]:
        """name, role, and of buffers dtype and shape, None being a size that may vary."""
        if kernel not in self.kernels:
            known = ", ".join(self.kernels)
            raise ValueError(f"there is no kernel '{kernel}', there are: {known}")
        return self.kernels[kernel]["parameters"]

    def pack(self, kernel: str, codes, scales=None, minimums=None) -> np.ndarray:
        """The weight [n, k] as bytes that the kernel reads.

        codes: uint8 [n, k], or floats in their type; scales and minimums: f32, one for each group
        of a row, None if the format has none (qm_pack_weight in quant_runtime.h).
        """
        self.parameters(kernel)
        weight = self.kernels[kernel].get("weight")
        if not weight:
            raise ValueError(f"kernel '{kernel}' has no weight")
        panels = _Panels(**weight["panels"])
        codes = np.ascontiguousarray(codes)
        if codes.shape != (panels.n, panels.k) or codes.itemsize != panels.code_bytes:
            raise ValueError(
                f"codes of {weight['scheme']} are [{panels.n}, {panels.k}], {panels.code_bytes}"
                f" bytes each, not {list(codes.shape)} of {codes.dtype}"
            )
        columns = -(-panels.k // panels.scale_group)
        if panels.scale_block:
            columns += panels.k // panels.scale_block
        wants = {"scales": panels.scale_offset, "minimums": panels.minimum_offset}
        numbers = []
        for (what, wanted), given in zip(wants.items(), (scales, minimums)):
            if (given is None) == bool(wanted):
                raise ValueError(f"{weight['scheme']} has {'' if wanted else 'no '}{what}")
            array = None if given is None else np.ascontiguousarray(given, np.float32)
            if array is not None and array.shape != (panels.n, columns):
                raise ValueError(f"{what} are [{panels.n}, {columns}], not {list(array.shape)}")
            numbers.append(array)
        packed = aligned(weight["bytes"])
        pointers = [None if array is None else array.ctypes.data for array in numbers]
        self._check(
            self.lib.qm_pack_weight(
                c.byref(panels),
                c.c_void_p(codes.ctypes.data),
                *map(c.c_void_p, pointers),
                c.c_void_p(packed.ctypes.data),
            )
        )
        return packed

    def run(self, kernel: str, *, threads: int = 1, **arguments) -> np.ndarray:
        """Calls a kernel of the CPU with arrays and numbers by the names of its parameters.

        Returns the new array `out`; a cache is changed.
        """
        if self.on_gpu:
            raise ValueError(f"{self.name} is compiled for {self.target}: see torch_kernels")
        taken, out = self.arguments(kernel), self.output(kernel)
        names = [parameter["name"] for parameter in taken]
        for name in [*names, *arguments]:
            if name not in names:
                raise TypeError(f"kernel '{kernel}' has no parameter '{name}'")
            if arguments.get(name) is None:
                raise TypeError(f"the parameter '{name}' is missing")
        given = {p["name"]: self._value(p, arguments[p["name"]]) for p in taken}
        arrays = {name: value for name, value in given.items() if isinstance(value, np.ndarray)}
        sizes = self.sizes(kernel, {name: array.shape for name, array in arrays.items()})
        result = np.empty(
            [sizes["rows"] if size is None else size for size in out["shape"]],
            _DTYPES[out["dtype"]],
        )
        workspace = aligned(self.kernels[kernel]["workspace_bytes"])
        arrays |= {out["name"]: result, "workspace": workspace}
        values = {**given, **sizes, **{name: a.ctypes.data for name, a in arrays.items()}}
        self.check_sizes(values)
        self.call_on_threads(kernel, values, threads)
        return result

    def arguments(self, kernel: str) -> List[dict]:
        """The parameters whose values a caller chooses: the others follow from these."""
        chosen = ("input", "weights", "cache", "number")
        sizes = ("rows", "positions")
        parameters = self.parameters(kernel)
        return [p for p in parameters if p["role"] in chosen and p["name"] not in sizes]

    def output(self, kernel: str) -> dict:
        """The parameter that is the result."""
        (out,) = (p for p in self.parameters(kernel) if p["role"] == "output")
        return out

    def sizes(self, kernel: str, shapes: Dict[str, tuple]) -> Dict[str, int]:
        """rows and positions, by the shapes of arguments; these are checked."""
        sizes = {}
        for parameter in self.arguments(kernel):
            name, role = parameter["name"], parameter["role"]
            if role == "number":
                continue
            wanted, shape = parameter["shape"], shapes[name]
            if role == "weights":
                wanted = [self.kernels[kernel]["weight"]["bytes"]]
            varies = "positions" if role == "cache" else "rows"
            fits = len(shape) == len(wanted)
            for size, has in zip(wanted, shape):
                fits = fits and has == (sizes.setdefault(varies, has) if size is None else size)
            if not fits:
                words = (str(sizes.get(varies, varies) if s is None else s) for s in wanted)
                raise ValueError(f"{kernel}: {name} is [{', '.join(words)}], not {list(shape)}")
        return sizes

    def check_sizes(self, values: Dict[str, int]) -> None:
        """Refuses a call that would leave its buffers."""
        rows = values.get("rows", 0)
        if rows > self.rows:
            raise ValueError(f"{rows} rows: the kernels are for {self.rows} at most")
        positions, position = values.get("positions", 0), values.get("position", 0)
        if "positions" in values and (positions % 16 or not 0 <= position <= positions - rows):
            raise ValueError(
                f"a cache of {positions} positions, of which there are to be a multiple of 16, has"
                f" no room for {rows} rows at {position}"
            )

    def call(self, kernel: str, values: Dict[str, object]) -> None:
        """Calls the C function with addresses and numbers by the names of its parameters.

        Nothing is checked. `values` has `kernels` and `stream` if it is a GPU's.
        """
        ordered = [values.get(parameter["name"]) for parameter in self.parameters(kernel)]
        self._check(self._functions[kernel](*ordered))

    def opened(self, device: int) -> int:
        """The kernels on a GPU, loaded when first asked for and until the process ends: the
        parameter `kernels`.
        """
        if device not in self._opened:
            kernels = c.c_void_p()
            code = c.byref(self._symbol(f"{self.name}_gpu"))
            name = self.name.encode()
            self._check(self.lib.qm_gpu_kernels_open(code, name, device, c.byref(kernels)))
            self._opened[device] = kernels
        return self._opened[device].value

    def call_on_threads(self, kernel: str, values: Dict[str, int], threads: int) -> None:
        """The same on threads of the CPU, this one and others; calls take turns."""
        if threads < 2:
            return self.call(kernel, values)
        with self._turn:
            if len(self._others) < threads - 1:
                self._others += [
                    ThreadPoolExecutor(1) for _ in range(threads - 1 - len(self._others))
                ]
            teams = [_Team(i, threads, self._barrier.ctypes.data) for i in range(threads)]
            jobs = [
                other.submit(self.call, kernel, {**values, "team": c.byref(team)})
                for other, team in zip(self._others, teams[1:])
            ]
            self.call(kernel, {**values, "team": c.byref(teams[0])})
            for job in jobs:
                job.result()

    def _value(self, parameter, value):
        """A number, or the array whose memory the kernel is given."""
        name, role = parameter["name"], parameter["role"]
        if role == "number":
            return int(value)
        if role == "weights":
            whole = value.dtype == np.uint8 and value.flags.c_contiguous
            if not whole or value.ctypes.data % ALIGNMENT:
                raise ValueError(f"{name} are not what `pack` has made")
            return value
        dtype = _DTYPES[parameter["dtype"]]
        if role == "cache" and (value.dtype != dtype or not value.flags.c_contiguous):
            raise ValueError(f"{name} is to be a contiguous array of {parameter['dtype']}")
        return value if role == "cache" else np.ascontiguousarray(value, dtype)

    def _function(self, kernel):
        try:
            function = getattr(self.lib, f"{self.name}_{kernel}")
        except AttributeError as error:
            raise InputError(str(error)) from None
        parameters = self.kernels[kernel]["parameters"]
        function.argtypes = [
            c.c_int64 if parameter["role"] == "number" else c.c_void_p for parameter in parameters
        ]
        function.restype = c.c_int if self.on_gpu else None
        return function

    def _symbol(self, name):
        return c.c_char.in_dll(self.lib, name)

    def _check(self, status) -> None:
        if status:
            raise InputError(self._error())

    def _error(self) -> str:
        return self.lib.qm_last_error().decode("utf-8", "replace")


def aligned(size: int) -> np.ndarray:
    """Bytes, not initialized, at an address that kernels accept."""
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size]
