"""Noise that can be drawn again: each number is a function of its key, not of what came before.

The key is (seed, stream, step, region, variable); a stream is a subject, a seed of an ensemble or
a start. So a window can be recomputed instead of stored, in chunks of any length, and the eager
and the compiled path see the same numbers, whatever the number of regions or threads.

The generator is Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3",
SC '11, doi:10.1145/2063384.2063405). The four words of one counter give two variables at a pair of
steps by the Box-Muller transform, in single precision whatever the dtype of the run, so a float32
and a float64 run see the same noise. No number exceeds 6.7 standard deviations.

Everything compiled stands in this one file because numba's cache does not notice a change in
another one. Loops run over blocks of 16 regions, a constant that LLVM turns into vector code.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import float32, int32, njit
from numba.extending import intrinsic
from numpy.typing import NDArray
from torch import Tensor

from fitting.errors import ConfigurationError
from fitting.tiles import LANES, padded

_FAST: dict[str, Any] = {"cache": True, "fastmath": {"contract", "nsz"}, "error_model": "numpy"}


@intrinsic
def _float_of_bits(typing_context: Any, bits: Any) -> Any:
    """The float32 with these 32 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return float32(int32), generate


@intrinsic
def _bits_of_float(typing_context: Any, value: Any) -> Any:
    """The 32 bits of this float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return int32(float32), generate


@njit(inline="always", **_FAST)
def _log(x):  # type: ignore[no-untyped-def]
    """Natural logarithm of a positive float32 to 1 ulp (Cephes' logf)."""
    shifted = np.int32(_bits_of_float(x) - np.int32(0x3F3504F3))  # sqrt(1/2) becomes zero
    exponent = np.int32(shifted >> np.int32(23))
    mantissa = _float_of_bits(np.int32(_bits_of_float(x) - np.int32(exponent << np.int32(23))))
    y = mantissa - np.float32(1.0)
    p = np.float32(7.0376836292e-2)
    p = p * y - np.float32(1.1514610310e-1)
    p = p * y + np.float32(1.1676998740e-1)
    p = p * y - np.float32(1.2420140846e-1)
    p = p * y + np.float32(1.4249322787e-1)
    p = p * y - np.float32(1.6668057665e-1)
    p = p * y + np.float32(2.0000714765e-1)
    p = p * y - np.float32(2.4999993993e-1)
    p = p * y + np.float32(3.3333331174e-1)
    e = np.float32(exponent)
    square = y * y
    low = y * square * p - np.float32(2.12194440e-4) * e - np.float32(0.5) * square
    return y + low + np.float32(0.693359375) * e


@njit(inline="always", **_FAST)
def _turn(word):  # type: ignore[no-untyped-def]
    """Cosine and sine of ``2 pi word / 2**32``, word a signed 32-bit integer."""
    quadrant = np.int32((np.int32(word + np.int32(1 << 29))) >> np.int32(30))
    rest = np.int32(word - np.int32(quadrant << np.int32(30)))
    r = np.float32(rest) * np.float32(np.pi / 2**31)
    s = r * r
    sine = np.float32(-1.9515295891e-4) * s + np.float32(8.3321608736e-3)
    sine = (sine * s - np.float32(1.6666654611e-1)) * s * r + r
    cosine = np.float32(2.443315711809948e-5) * s - np.float32(1.388731625493765e-3)
    cosine = (cosine * s + np.float32(4.166664568298827e-2)) * s * s
    cosine = cosine - np.float32(0.5) * s + np.float32(1.0)
    odd = (quadrant & np.int32(1)) != 0
    a = sine if odd else cosine
    b = cosine if odd else sine
    flip_a = ((quadrant + np.int32(1)) & np.int32(2)) != 0
    flip_b = (quadrant & np.int32(2)) != 0
    return -a if flip_a else a, -b if flip_b else b


@njit(inline="always", **_FAST)
def _philox_block(key, pair, stream, couple, first, words):  # type: ignore[no-untyped-def]
    """Four 32-bit words for each of 16 regions, counter (pair of steps, region, stream, couple)."""
    mask = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    for lane in range(LANES):
        k0 = key & mask
        k1 = key >> half
        x0, x1, x2, x3 = pair, first + np.uint64(lane), stream, couple
        for _ in range(10):
            p0 = np.uint64(0xD2511F53) * x0
            p1 = np.uint64(0xCD9E8D57) * x2
            x0, x1, x2, x3 = (p1 >> half) ^ x1 ^ k0, p1 & mask, (p0 >> half) ^ x3 ^ k1, p0 & mask
            k0 = (k0 + np.uint64(0x9E3779B9)) & mask
            k1 = (k1 + np.uint64(0xBB67AE85)) & mask
        words[0, lane] = np.int32(x0)
        words[1, lane] = np.int32(x1)
        words[2, lane] = np.int32(x2)
        words[3, lane] = np.int32(x3)


@njit(inline="always", **_FAST)
def _normal_pair(radius_word, angle_word):  # type: ignore[no-untyped-def]
    """Two independent standard normal numbers of two words."""
    positive = np.int32((radius_word >> np.int32(1)) & np.int32(0x7FFFFFFF))
    u = (np.float32(positive) + np.float32(0.5)) * np.float32(2.0**-31)
    radius = np.sqrt(np.float32(-2.0) * _log(u))
    cosine, sine = _turn(angle_word)
    return radius * cosine, radius * sine


@njit(nogil=True, **_FAST)
def _draw(seed, stream, first_step, out):  # type: ignore[no-untyped-def]
    """Fill ``out[step, variable, region]``; regions padded to whole blocks."""
    n_steps, n_variables, n_padded = out.shape
    words = np.empty((4, LANES), np.int32)
    for pair in range(first_step // 2, (first_step + n_steps - 1) // 2 + 1):
        for couple in range((n_variables + 1) // 2):
            one = 2 * couple
            for first in range(0, n_padded, LANES):
                _philox_block(
                    seed, np.uint64(pair), stream, np.uint64(couple), np.uint64(first), words
                )
                for half in range(2):
                    step = 2 * pair - first_step + half
                    if step < 0 or step >= n_steps:
                        continue
                    for lane in range(LANES):
                        a, b = _normal_pair(words[2 * half, lane], words[2 * half + 1, lane])
                        out[step, one, first + lane] = a
                        words[2 * half, lane] = _bits_of_float(b)
                    if one + 1 < n_variables:
                        for lane in range(LANES):
                            b = _float_of_bits(words[2 * half, lane])
                            out[step, one + 1, first + lane] = b


@dataclass(frozen=True, slots=True)
class KeyedNoise:
    """Standard normal numbers for a network, drawn from their keys.

    Args:
        seed: Seed of the run.
        streams: One number a batch member; members with the same number share their noise.
    """

    seed: int
    streams: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        for name, value, limit in [
            ("seed", self.seed, 2**64),
            *(("stream", stream, 2**32) for stream in self.streams),
        ]:
            if not 0 <= value < limit:
                raise ConfigurationError(
                    f"The noise {name} is {value}; give an integer from 0 to {limit - 1}."
                )
        if not self.streams:
            raise ConfigurationError("The noise has no stream; give one number a batch member.")

    def fill(self, stream: int, first_step: int, out: NDArray[np.float32]) -> None:
        """Draw the numbers of one stream into an array ``(step, variable, padded(region))``."""
        _draw(np.uint64(self.seed), np.uint64(stream), first_step, out)

    def draw(
        self,
        first_step: int,
        n_steps: int,
        n_variables: int,
        n_regions: int,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Return the numbers of a stretch of steps.

        Args:
            first_step: Steps between the start of the run and the first.
            n_steps: Steps to draw.
            n_variables: Variables of the model.
            n_regions: Regions.
            dtype: Dtype of the result; the numbers themselves are float32.

        Returns:
            Shape ``(batch, step, variable, region)``.
        """
        shape = (len(self.streams), n_steps, n_variables, padded(n_regions))
        out = np.empty(shape, np.float32)
        for stream, numbers in zip(self.streams, out, strict=True):
            self.fill(stream, first_step, numbers)
        return torch.from_numpy(out[..., :n_regions]).to(dtype)
