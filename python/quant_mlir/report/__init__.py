# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Several compiled models side by side: measured into one dictionary, shown as one page.

measure() makes the dictionary, which is also the JSON file; page() makes the HTML from it and
from nothing else.
"""

import os
import pathlib

from ..errors import InputError
from .measure import measure
from .page import page

__all__ = ["measure", "page", "write"]


def write(path: str, text: str) -> None:
    """Under a temporary name first: a reader never sees half a file."""
    final = pathlib.Path(path)
    temporary = final.with_name(f"{final.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(final)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"{path}: {error.strerror}") from None
