# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""quant-mlir from Python: load what the compiler wrote and use it with text.

import quant_mlir

model = quant_mlir.load("build/smollm2")
print(model.generate("The capital of France is", max_tokens=8))
"""

from .errors import InputError

__version__ = "0.1.0"
__all__ = [
    "InputError",
    "Kernels",
    "Model",
    "Session",
    "Tokenizer",
    "compile_torch",
    "load",
    "load_kernels",
]


def __getattr__(name):
    # Loaded when first used: `python -m quant_mlir compile` needs neither numpy nor tokenizers.
    if name in ("load", "Model", "Session"):
        from . import runtime

        return getattr(runtime, name)
    if name in ("Kernels", "load_kernels"):
        from .kernels import Kernels

        return Kernels
    if name == "Tokenizer":
        from .tokenizer import Tokenizer

        return Tokenizer
    if name == "compile_torch":
        from .pytorch import compile_torch

        return compile_torch
    raise AttributeError(f"module 'quant_mlir' has no attribute {name!r}")
