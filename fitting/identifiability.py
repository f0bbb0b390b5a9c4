"""Which combinations of parameters the data determine, and how well: Fisher information.

The modes of a connectome's Laplacian are independent in the linear noise approximation, so the
likelihood of a scan is that of its modes (Whittle), and the Fisher information about any parameters
is a sum over modes and frequencies of products of the log spectra's derivatives. What each kind of
observation carries follows by leaving sums out:

* functional connectivity alone knows the variances of the modes up to one common factor;
* covariance also knows that factor;
* spectra know each frequency;
* mean rates or gatings know the fixed point.

FC alone has essentially one direction, ``g b / kappa``: the coupling strength in units of the
node's own return rate. Four point estimates made from it would be invented.

References:
    Whittle (1953) Ark. Mat. 2:423-434; Rothenberg (1971) Econometrica 39:577-591, on local
    identifiability and the rank of the information matrix.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from fitting.balloon_response import BalloonResponse
from fitting.errors import ConfigurationError
from fitting.fc_information import Modes, fc_information
from fitting.linear_noise import Band, laplacian, linear_node, mode_spectrum
from fitting.network import RestingNetwork
from fitting.operating_point import OperatingPoint, operating_point
from fitting.result import Identified

Array = NDArray[np.float64]

# Coordinates that span (g, g_EE, g_IE, g_EI) at a fixed background current; logarithms, so steps
# and intervals are relative.
COORDINATES = ("log_rate", "log_kappa", "log_g_EI", "log_g")
OBSERVATIONS = ("fc", "covariance", "spectra", "covariance+mean_state", "spectra+mean_state")
# A direction whose standard deviation exceeds this log factor is called not identified: 95 % of
# its interval then spans more than a factor of two either way.
LARGEST_LOG_SD = np.log(2.0) / 1.96
# Beyond this an interval is unbounded for any use, and the linearisation means nothing.
UNBOUNDED_LOG_SD = 3.0
STEP = 1e-3


@dataclass(frozen=True, slots=True)
class Information:
    """Fisher information of one kind of observation.

    Attributes:
        matrix: About `COORDINATES`, shape ``(4, 4)``.
        eigenvalues: Ascending; the number far above zero is how much can be known.
    """

    matrix: Array
    eigenvalues: Array

    def rank(self, smallest: float = 1.0 / LARGEST_LOG_SD**2) -> int:
        """Directions known to better than a factor of two."""
        return int((self.eigenvalues > smallest).sum())

    def log_sd(self, direction: Array, prior_sd: float = 10.0) -> float:
        """Standard deviation of a log quantity with this derivative to the coordinates.

        Args:
            direction: Derivative to `COORDINATES`.
            prior_sd: Standard deviation of a weak normal prior on every log coordinate; 10 stands
                for "not known at all", so that the inverse exists.
        """
        covariance = np.linalg.inv(self.matrix + np.eye(len(direction)) / prior_sd**2)
        return float(np.sqrt(direction @ covariance @ direction))


@dataclass(frozen=True, slots=True)
class _At:
    """The coordinates of one parameter set."""

    log_rate: float
    log_kappa: float
    log_g_EI: float
    log_g: float

    def moved(self, index: int, by: float) -> "_At":
        name = COORDINATES[index]
        return replace(self, **{name: getattr(self, name) + by})


def _point(network: RestingNetwork, at: _At) -> OperatingPoint:
    with torch.no_grad():
        return operating_point(
            network.model,
            float(np.exp(at.log_rate)),
            float(np.exp(at.log_kappa)),
            float(np.exp(at.log_g_EI)),
            network.I_o,
        )


def _start(network: RestingNetwork) -> _At:
    return _At(
        float(np.log(network.rate_hz)),
        float(network.free["log_kappa"]),
        float(np.log(network.g_EI)),
        float(network.free["log_g"]),
    )


def _log_spectra(network: RestingNetwork, at: _At, modes: torch.Tensor, band: Band) -> Array:
    """Log spectrum of each mode, shape ``(n_frequencies, n_modes)``."""
    point = _point(network, at)
    g = torch.tensor(np.exp(at.log_g))
    parameters = point.parameters(g, torch.tensor(network.sigma, dtype=torch.float64))
    node = linear_node(network.model, torch.stack([point.E, point.I]), parameters)
    density, _ = mode_spectrum(node, modes, band.frequency_hz)
    gain = BalloonResponse(float(point.E))(band.frequency_hz)
    return np.asarray(np.log(density.numpy() * gain[:, None]))


def _mode_slope(network: RestingNetwork, at: _At, modes: torch.Tensor, band: Band) -> Array:
    """Derivative of the log spectrum to the Laplacian eigenvalue, same shape."""
    step = 1e-5 * float(modes.max())
    high = _log_spectra(network, at, modes + step, band)
    return (high - _log_spectra(network, at, modes - step, band)) / (2 * step)


def _derivative(function: Callable[[_At], Array], at: _At) -> Array:
    """Central differences along every coordinate, stacked first."""
    return np.array(
        [
            (function(at.moved(i, STEP)) - function(at.moved(i, -STEP))) / (2 * STEP)
            for i in range(len(COORDINATES))
        ]
    )


def information(
    network: RestingNetwork,
    duration_s: float,
    observations: str = "fc",
    top_hz: float = 0.2,
    noise_share: float = 0.1,
    gain_sd: float | None = None,
) -> Information:
    """Fisher information of a scan about the four coordinates.

    Args:
        network: Where to look.
        duration_s: Length of the scan.
        observations: One of `OBSERVATIONS`.
        top_hz: Highest usable frequency; above it scans hold noise and physiology.
        noise_share: Standard deviation of measurement noise as a share of BOLD's; for spectra.
        gain_sd: Standard deviation of the prior on the connectome's log gains, for FC alone; None
            where the connectome counts as known.
    """
    if gain_sd is not None and observations != "fc":
        raise ConfigurationError(
            f"A free connectome is known for observations 'fc' alone, not {observations!r}; leave "
            "gain_sd out."
        )
    with torch.no_grad():
        weights = network.weights()
        modes, vectors = torch.linalg.eigh(laplacian(weights))
        modes = modes.clamp(min=0)
        at = _start(network)
        n = max(2, int(top_hz * duration_s))
        frequency_hz = np.arange(1, n + 1) / duration_s
        band = Band(frequency_hz, np.full(n, 2.0 / duration_s), np.ones(n))
        power = np.exp(_log_spectra(network, at, modes, band))
        noise = noise_share**2 * power.sum(0).mean() / n
        signal_share = power / (power + noise)
        slope = _derivative(lambda a: _log_spectra(network, a, modes, band), at)
        total = _mean_state_information(network, at, modes, duration_s, observations)
    if observations == "fc":
        seen = Modes(
            modes.numpy(), vectors.numpy(), power, power * _mode_slope(network, at, modes, band)
        )
        total = total + fc_information(seen, slope, weights.numpy(), gain_sd)
    elif observations.startswith("spectra"):
        flat = (slope * signal_share).reshape(len(COORDINATES), -1)
        total = total + flat @ flat.T
    else:
        share = power / power.sum(0)
        variance_slope = (slope * share).sum(1)
        n_effective = power.sum(0) ** 2 / (power**2).sum(0)
        total = total + (variance_slope * n_effective) @ variance_slope.T
    return Information(total, np.linalg.eigvalsh(total).astype(np.float64))


def _mean_state_information(
    network: RestingNetwork, at: _At, modes: torch.Tensor, duration_s: float, observations: str
) -> Array:
    """What the time averages of E and I add, limited by their slow fluctuations."""
    size = len(COORDINATES)
    if not observations.endswith("+mean_state"):
        return np.zeros((size, size))

    def rest(a: _At) -> Array:
        point = _point(network, a)
        return np.array([float(point.E), float(point.I)])

    point = _point(network, at)
    slope = _derivative(rest, at)
    e, c, d = float(point.e), float(point.b * point.g_IE), float(point.d)
    kappa = float(np.exp(at.log_kappa))
    n_means = 1e3 * duration_s * len(modes)
    variance_E = network.sigma**2 * (1 + (c / e) ** 2) / kappa**2 / n_means
    variance_I = (network.sigma / e) ** 2 / n_means + (d / e) ** 2 * variance_E
    return np.asarray((slope / np.array([variance_E, variance_I])) @ slope.T)


def _log_quantities(network: RestingNetwork, at: _At) -> Array:
    """Logs of what may be reported: g b/kappa, g, g_EE, g_IE, g_EI, the rate and kappa."""
    point = _point(network, at)
    ratio = at.log_g + np.log(float(point.b)) - at.log_kappa
    values = [float(point.g_EE), float(point.g_IE), float(point.g_EI)]
    return np.array([ratio, at.log_g, *np.log(values), at.log_rate, at.log_kappa])


QUANTITIES = ("g b / kappa", "g", "g_EE", "g_IE", "g_EI", "rate_hz", "kappa_per_ms")
# Reported beside the first where the connectome is fitted: narrower, and not the honest one.
KNOWN_CONNECTOME = "g b / kappa, connectome as fitted"


def identified(
    network: RestingNetwork,
    duration_s: float,
    observations: str = "fc",
    quantities: Sequence[str] = QUANTITIES,
    gain_sd: float | None = None,
) -> tuple[Identified, ...]:
    """Each quantity with its 95 % interval from the Fisher information, and whether it is known.

    Args:
        network: A fitted network.
        duration_s: Length of the scan that was fitted.
        observations: What was fitted, one of `OBSERVATIONS`.
        quantities: Which to report, of `QUANTITIES`.
        gain_sd: Standard deviation of the prior on the log gains where the connectome was fitted;
            g b / kappa is then reported with the connectome free, and as `KNOWN_CONNECTOME`.
    """
    known = information(network, duration_s, observations, gain_sd=gain_sd)
    at = _start(network)
    values = np.exp(_log_quantities(network, at))
    slopes = _derivative(lambda a: _log_quantities(network, a), at)
    found = [_one(n, values, slopes, known) for n in quantities]
    if gain_sd is not None:
        held = information(network, duration_s, observations)
        found.insert(1, replace(_one(QUANTITIES[0], values, slopes, held), name=KNOWN_CONNECTOME))
    return tuple(found)


def _one(name: str, values: Array, slopes: Array, known: Information) -> Identified:
    i = QUANTITIES.index(name)
    # What FC sees departs from g b / kappa by a percent for every factor of e in kappa, the rate or
    # g_EI; over the factors of e^10 that stand for "not known" that percent would be all there is.
    sd = known.log_sd(slopes[:, i], 1.0 if name == QUANTITIES[0] else 10.0)
    bounded = sd < UNBOUNDED_LOG_SD
    return Identified(
        name,
        float(values[i]),
        float(values[i] * np.exp(-1.96 * sd)) if bounded else 0.0,
        float(values[i] * np.exp(1.96 * sd)) if bounded else float("inf"),
        bool(sd < LARGEST_LOG_SD),
    )
