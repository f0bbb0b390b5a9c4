"""Power spectra of regional series, as a report shows them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from cosim.report_figures import draw_legend, plain_powers

Array = NDArray[np.float64]

# Segments of 4.096 s at 1 ms resolve .25 Hz; a short run is cut into quarters, so that the
# estimate still averages over seven of them.
_LONGEST_SEGMENT, _SEGMENTS = 4096, 4
FEWEST_SAMPLES = 128


def power_density(values: Array, period_ms: float) -> tuple[Array, Array]:
    """One-sided power density by Welch's method: half-overlapping Hann segments, means removed.

    Args:
        values: Shape ``(n_samples, n_series)``, at least :data:`FEWEST_SAMPLES`.
        period_ms: Sampling period, ms.

    Returns:
        Frequencies above 0, Hz, shape ``(n,)``, and density, unit squared per Hz, shape
        ``(n, n_series)``; its sum times the spacing of the frequencies is the variance.

    References:
        Welch (1967) IEEE Trans. Audio Electroacoust. 15:70-73, doi:10.1109/TAU.1967.1161901.
    """
    length = segment_length(len(values))
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)
    starts = range(0, len(values) - length + 1, length // 2)
    total = np.zeros((length // 2 + 1, values.shape[1]))
    for start in starts:
        segment = values[start : start + length]
        amplitude = np.fft.rfft((segment - segment.mean(axis=0)) * window[:, None], axis=0)
        total += np.abs(amplitude) ** 2
    sampling_hz = 1000.0 / period_ms
    density = total / (len(starts) * sampling_hz * (window**2).sum())
    density[1 : (length + 1) // 2] *= 2.0  # the negative frequencies; 0 and Nyquist have none
    frequencies_hz = np.arange(1, length // 2 + 1) * sampling_hz / length
    return frequencies_hz, np.asarray(density[1:])


def segment_length(n_samples: int) -> int:
    """Samples of a segment, an even number."""
    return min(_LONGEST_SEGMENT, n_samples // _SEGMENTS // 2 * 2)


def draw_spectra(
    axes: Axes, curves: Sequence[tuple[str, Array, Array, str, str]], label: str
) -> None:
    """Spectra on logarithmic scales.

    Args:
        axes: Where to draw.
        curves: Name, frequencies (Hz), density, colour and line style of each.
        label: What the density is of, with its unit.
    """
    for name, frequencies_hz, density, colour, line in curves:
        axes.loglog(frequencies_hz, density, line, color=colour, linewidth=1.0, label=name)
    plain_powers(axes.yaxis)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("frequency [Hz]")
    axes.set_ylabel(label)
    draw_legend(axes, 2)
