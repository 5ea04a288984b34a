# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Activations that are louder than the rest, from the statistics that calibration wrote.

The file has, for each site (the activation that some weights read), NAME.min, NAME.max and
NAME.mean_abs, one value a channel.
"""

import numpy as np

from .. import safetensors
from ..errors import InputError


def read_outliers(path: str) -> dict:
    """{file, sites: [{name, channels, largest, mean, loudest_channel, ratio}]} in file order.

    largest, mean: of |x| over all channels. ratio: the peak of the loudest channel over that of
    the median channel; what one scale for all channels wastes.
    """
    tensors, _ = safetensors.read(path)
    sites = []
    for key in tensors:
        if not key.endswith(".mean_abs"):
            continue
        name = key[: -len(".mean_abs")]
        for part in ("min", "max"):
            if f"{name}.{part}" not in tensors:
                raise InputError(f"{path}: {name}.{part} is missing beside {key}")
        low, high, mean = (
            np.asarray(tensors[f"{name}.{part}"], np.float64).ravel()
            for part in ("min", "max", "mean_abs")
        )
        if not low.size or not low.size == high.size == mean.size:
            raise InputError(f"{path}: {name}: min, max and mean_abs are not of one length")
        peaks = np.maximum(np.abs(low), np.abs(high))
        if not np.isfinite(peaks).all() or not np.isfinite(mean).all():
            raise InputError(f"{path}: {name}: not all of its statistics are finite")
        middle = float(np.median(peaks))
        sites.append(
            {
                "name": name,
                "channels": int(peaks.size),
                "largest": float(peaks.max()),
                "mean": float(mean.mean()),
                "loudest_channel": int(peaks.argmax()),
                "ratio": float(peaks.max()) / middle if middle else None,
            }
        )
    if not sites:
        raise InputError(f"{path}: no statistics in it: no tensor NAME.mean_abs")
    return {"file": str(path).rsplit("/", 1)[-1], "sites": _natural(sites)}


def _natural(sites: list) -> list:
    """In the order of the layers: safetensors files are often sorted as text, blk.10 before 2."""

    def key(site):
        return [(int(p), "") if p.isdigit() else (-1, p) for p in site["name"].split(".")]

    return sorted(sites, key=key)
