"""Calibrate the `wong_wang` circuit: the four numbers that make it follow its mean field.

Unknown are the two constant currents, offset_E_nA and offset_I_nA, and the background spikes that
stand for a coupling current, kappa_kHz_per_nA and bend_per_nA. Wanted are the mean field's rates:
of E and I at rest, of E under coupling currents. Gauss-Newton with a measured Jacobian, kept up
to date by Broyden's rule; every evaluation sees the same random numbers.

    python tests/benchmarks/calibrate_wong_wang.py [--copies 3] [--seconds 15]

The standard error of R_E is 3 to 4 / sqrt(spikes), from blocks of 1 s: it fluctuates slowly with
S. Three copies and 15 s give 1.3 % at rest, and take 300 to 400 CPU s. The last line tells the
CPU time per simulated second of one copy.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from scipy.optimize import fsolve

from cosim.spiking.circuit import load_circuit
from cosim.spiking.compose import CircuitCopy, compose
from cosim.spiking.engine import NeuronEngine

COUPLINGS_nA = (0.0, 0.0076, 0.0153, 0.0338)
# Rates at rest count twice: there a co-simulation spends its time.
WEIGHTS = np.array([2.0, 2.0, 1.0, 1.0, 1.0])
STEP = np.array([1e-3, 1e-3, 0.2, 2.0])  # nA, nA, kHz/nA, 1/nA: changes a rate by 3 to 8 %
LARGEST = np.array([0.005, 0.005, 0.4, 4.0])
SLOPE_E, SLOPE_I = 0.971, 1.003  # as in the circuit
SETTLING_S = 0.5
UNKNOWNS = ("offset_E_nA", "offset_I_nA", "kappa_kHz_per_nA", "bend_per_nA")


def transfer_hz(current_nA, a, b, d):
    """H(I) of Deco et al. (2014)."""
    x = a * current_nA - b
    return x / -np.expm1(-d * x)


def mean_field_hz(coupling_nA):
    """Stationary rates (R_E, R_I) of a node that gets a coupling current, Hz."""

    def rates(S_E, S_I):
        return (
            transfer_hz(0.382 + 1.4 * 0.15 * S_E - S_I + coupling_nA, 310.0, 125.0, 0.16),
            transfer_hz(0.7 * 0.382 + 0.15 * S_E - S_I, 615.0, 177.0, 0.087),
        )

    def change(S):
        R_E, R_I = rates(*S)
        return -S[0] / 100 + (1 - S[0]) * 0.641e-3 * R_E, -S[1] / 10 + 1e-3 * R_I

    return rates(*fsolve(change, (0.16, 0.04), xtol=1e-12))


class Copies:
    """Independent copies of the network, side by side in one NEURON network."""

    def __init__(self, n_copies, seed, start):
        circuit = load_circuit("wong_wang", dict(zip(UNKNOWNS, start, strict=True)), Path())
        self._n_copies, self.cost = n_copies, 0.0
        regions = [f"copy{index}" for index in range(n_copies)]
        composition = compose([CircuitCopy(circuit, r, {"E": r, "I": r}) for r in regions])
        self._engine = NeuronEngine(composition, 0.1, 0.1, seed)
        self._gids = {
            name: np.concatenate([self._engine.network.local_gids(f"{r}.{name}") for r in regions])
            for name in "EI"
        }
        self._cells = {
            name: [
                self._engine._cells[gid].secs["soma"]["pointps"]["lif"]["hObj"]
                for gid in gids.tolist()
            ]
            for name, gids in self._gids.items()
        }
        self._start = np.array(start)
        self._constant = {name: cells[0].I_0 for name, cells in self._cells.items()}

    def rates_hz(self, unknowns, coupling_nA, seconds):
        change = np.asarray(unknowns) - self._start
        for cell in self._cells["E"]:
            cell.I_0 = self._constant["E"] + change[0]
            cell.kappa, cell.bend = SLOPE_E * unknowns[2], unknowns[3]
            cell.I_c = coupling_nA
        for cell in self._cells["I"]:
            cell.I_0 = self._constant["I"] + change[1]
        self._engine.initialize()
        start_s = time.process_time()
        self._engine.advance(round((SETTLING_S + seconds) * 1e4))
        self.cost = (time.process_time() - start_s) / (SETTLING_S + seconds) / self._n_copies
        times_ms, gids = self._engine.take_spikes()
        gids = gids[times_ms >= SETTLING_S * 1e3]
        return [np.isin(gids, mine).sum() / mine.size / seconds for mine in self._gids.values()]

    def residuals(self, unknowns, seconds):
        """log(network / mean field) of R_E and R_I at rest, then of R_E under coupling."""
        found = np.array([self.rates_hz(unknowns, x, seconds) for x in COUPLINGS_nA])
        log_ratio = np.log(found / [mean_field_hz(x) for x in COUPLINGS_nA])
        return np.array([*log_ratio[0], *log_ratio[1:, 0]])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--start", type=float, nargs=4, default=(0.0, 0.0, 4.4, 0.0))
    options = parser.parse_args()
    copies = Copies(options.copies, options.seed, options.start)
    unknowns = np.array(options.start)
    # The Jacobian comes from common random numbers: a third of the time is enough for it.
    short = options.seconds / 3
    at_start = copies.residuals(unknowns, short)
    jacobian = np.stack(
        [
            (copies.residuals(unknowns + step, short) - at_start) / step.sum()
            for step in np.diag(STEP)
        ],
        axis=1,
    )
    print("d log rate / d unknown:", jacobian.round(2).tolist(), flush=True)
    residuals = copies.residuals(unknowns, options.seconds)
    for iteration in range(options.iterations + 1):
        print(
            f"{iteration}: {dict(zip(UNKNOWNS, unknowns.round(5).tolist(), strict=True))}; log "
            f"ratio R_E, R_I at rest, R_E at {COUPLINGS_nA[1:]} nA: {residuals.round(4).tolist()}",
            flush=True,
        )
        if iteration == options.iterations:
            break
        step = -np.linalg.lstsq(jacobian * WEIGHTS[:, None], residuals * WEIGHTS, rcond=None)[0]
        step = np.clip(step, -LARGEST, LARGEST)
        unknowns = unknowns + step
        before, residuals = residuals, copies.residuals(unknowns, options.seconds)
        scaled = step / STEP
        surprise = residuals - before - jacobian @ step
        jacobian = jacobian + np.outer(surprise, scaled / STEP) / (scaled @ scaled)
    print(f"{copies.cost:.2f} CPU s per simulated s at {COUPLINGS_nA[-1]} nA")


if __name__ == "__main__":
    main()
