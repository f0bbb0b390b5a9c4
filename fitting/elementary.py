"""Exponential and logarithm that LLVM turns into vector code, in float32 and float64.

numba's own call the C library one number at a time, and the vendor's vector library cannot be
counted on. These are branch-free, so a loop over lanes becomes vector instructions. Both are
accurate to a few units in the last place of their dtype (tests/fitting/test_elementary.py).

They are inlined into `fitting.kernels` and `fitting.adjoint`, whose cached machine code does not
notice a change in this file: touch those two after editing it.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import float32, float64, int32, int64, types
from numba.extending import intrinsic, overload

# "contract" allows fused multiply-add; nothing is reordered, which the rounding tricks below need.
FAST: dict[str, Any] = {"cache": True, "fastmath": {"contract", "nsz"}, "error_model": "numpy"}
INLINE: dict[str, Any] = {**FAST, "forceinline": True}


@intrinsic
def _to_bits(typing_context: Any, value: Any) -> Any:
    """The bits of a float, as an integer of its width."""
    target = {float32: int32, float64: int64}[value]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(target.bitwidth))

    return target(value), generate


@intrinsic
def _from_bits(typing_context: Any, value: Any) -> Any:
    """The float with these bits."""
    target = {int32: float32, int64: float64}[value]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FloatType() if target is float32 else ir.DoubleType()
        return builder.bitcast(arguments[0], kind)

    return target(value), generate


def expm1(x: Any) -> Any:
    """``exp(x) - 1`` to a few ulp for any x, saturating before it overflows."""


@overload(expm1, jit_options=INLINE)
def _expm1_of(x):  # type: ignore[no-untyped-def]
    # x = n log 2 + r; adding 1.5 * 2^mantissa rounds to n and leaves it in the low bits.
    if x == types.float32:

        def single(x):  # type: ignore[no-untyped-def]
            x = min(max(x, np.float32(-87.0)), np.float32(87.0))
            shifted = x * np.float32(1.44269504088896341) + np.float32(12582912.0)
            n = shifted - np.float32(12582912.0)
            r = x - n * np.float32(0.693359375)
            r = r + n * np.float32(2.12194440e-4)
            q = np.float32(1.9875691500e-4)
            q = q * r + np.float32(1.3981999507e-3)
            q = q * r + np.float32(8.3334519073e-3)
            q = q * r + np.float32(4.1665795894e-2)
            q = q * r + np.float32(1.6666665459e-1)
            q = q * r + np.float32(5.0000001201e-1)
            power = _from_bits(
                np.int32(np.int32(_to_bits(shifted) << np.int32(23)) + np.int32(0x3F800000))
            )
            return power * (r + r * r * q) + (power - np.float32(1.0))

        return single

    def double(x):  # type: ignore[no-untyped-def]
        x = min(max(x, -708.0), 708.0)
        shifted = x * 1.4426950408889634 + 6755399441055744.0
        n = shifted - 6755399441055744.0
        r = x - n * 0.693147180369123816490
        r = r - n * 1.90821492927058770002e-10
        # Taylor to r^13: the next term is 4e-18 at |r| = log(2) / 2.
        q = 1.6059043836821613e-10
        q = q * r + 2.08767569878681e-09
        q = q * r + 2.505210838544172e-08
        q = q * r + 2.755731922398589e-07
        q = q * r + 2.7557319223985893e-06
        q = q * r + 2.48015873015873e-05
        q = q * r + 0.0001984126984126984
        q = q * r + 0.001388888888888889
        q = q * r + 0.008333333333333333
        q = q * r + 0.041666666666666664
        q = q * r + 0.16666666666666666
        q = q * r + 0.5
        power = _from_bits((_to_bits(shifted) << 52) + 0x3FF0000000000000)
        return power * (r + r * r * q) + (power - 1.0)

    return double


def log(x: Any) -> Any:
    """Natural logarithm of a positive number, to an ulp or two."""


@overload(log, jit_options=INLINE)
def _log_of(x):  # type: ignore[no-untyped-def]
    # x = 2^e m with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh(s), s = (m - 1) / (m + 1).
    if x == types.float32:

        def single(x):  # type: ignore[no-untyped-def]
            bits = _to_bits(x)
            e = np.int32(np.int32(bits - np.int32(0x3F3504F3)) >> np.int32(23))
            f = _from_bits(np.int32(bits - np.int32(e << np.int32(23)))) - np.float32(1.0)
            s = f / (np.float32(2.0) + f)
            z = s * s
            p = np.float32(0.24279078841)
            p = p * z + np.float32(0.28498786688)
            p = p * z + np.float32(0.40000972152)
            p = p * z + np.float32(0.66666662693)
            low = s * (z * p) + np.float32(e) * np.float32(-2.12194440e-4)
            return low + np.float32(2.0) * s + np.float32(e) * np.float32(0.693359375)

        return single

    def double(x):  # type: ignore[no-untyped-def]
        bits = _to_bits(x)
        # Shifted so that the exponent is not negative: a logical shift, which AVX2 has.
        biased = (bits - 0x3FE6A09E667F3BCD + (1023 << 52)) >> 52
        f = _from_bits(bits - ((biased - 1023) << 52)) - 1.0
        e = _from_bits(biased | 0x4330000000000000) - (4503599627370496.0 + 1023.0)
        s = f / (2.0 + f)
        z = s * s
        p = 1.479819860511658591e-01
        p = p * z + 1.531383769920937332e-01
        p = p * z + 1.818357216161805012e-01
        p = p * z + 2.222219843214978396e-01
        p = p * z + 2.857142874366239149e-01
        p = p * z + 3.999999999940941908e-01
        p = p * z + 6.666666666666735130e-01
        low = s * (z * p) + e * 1.90821492927058770002e-10
        return low + 2.0 * s + e * 6.93147180369123816490e-01

    return double
