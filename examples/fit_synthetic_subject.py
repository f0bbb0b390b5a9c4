"""A subject whose parameters are known: simulated on Hagmann 66, fitted, held against the truth.

The subject rests elsewhere than the fit assumes (rate, g_EI, kappa), as a person's brain would, so
only what FC determines can come out right: g b / kappa. Writes ``fit.nc`` and ``report.html``.

    python examples/fit_synthetic_subject.py OUTPUT [--seed 0] [--minutes 30]
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import tvb_data

from fitting.config import FitFile, check_fit_file
from fitting.coupling import Connectome
from fitting.dataset import Subject, make_subject
from fitting.evaluation import SimulationSettings, evaluate
from fitting.export import write_fit
from fitting.loaders import TvbConnectivity, read_tvb_zip
from fitting.models import named_model
from fitting.network import RestingNetwork
from fitting.report import write_report
from fitting.run import FIT_NAME, REPORT_NAME, run_fit

TR_S = 0.72
RATIO = "g b / kappa"


def true_network(weights: np.ndarray, rng: np.random.Generator) -> RestingNetwork:
    """A network with its rest, its slow rate and its coupling drawn at random."""
    free = {
        "log_g": torch.tensor(np.log(rng.uniform(0.8, 2.0))),
        "log_kappa": torch.tensor(np.log(rng.uniform(0.003, 0.006))),
    }
    model = named_model("reduced_wong_wang_tanh")
    connectome = Connectome(torch.as_tensor(weights / weights.max()))
    rate_hz, g_EI = rng.uniform(3.0, 4.0), rng.uniform(0.1, 0.2)
    return RestingNetwork(model, connectome, free, rate_hz=rate_hz, g_EI=g_EI)


def truth(network: RestingNetwork) -> dict[str, float]:
    """The values that a fit reports, as they were drawn."""
    point, parameters = network.point(), network.parameters()
    ratio = parameters["g"] * point.b / point.kappa_per_ms
    names = ("g", "g_EE", "g_IE", "g_EI")
    return {name: float(parameters[name]) for name in names} | {RATIO: float(ratio)}


def subject_of(
    network: RestingNetwork, hagmann: TvbConnectivity, minutes: float, seed: int
) -> Subject:
    """Its BOLD, on noise that neither the fit nor its evaluation draws."""
    scan = SimulationSettings(minutes, seeds=(10_000 + seed,), single_precision=False)
    name = f"synthetic/{seed}"
    bold = evaluate(network, TR_S, scan).bold
    return make_subject(name, hagmann.weights, {"rest": 1 + bold}, TR_S, hagmann.labels)


def settings(seed: int, n_trs: int) -> FitFile:
    """First half to second, the connectome known."""
    half = n_trs // 2
    return check_fit_file(
        {
            "subject": f"synthetic/{seed}",
            "seed": seed,
            "split": {"train": [0, half], "test": [half, n_trs]},
            "fit": {"connectome": False},
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=30.0)
    arguments = parser.parse_args()
    folder = Path(tvb_data.__file__).parent / "connectivity"
    hagmann = read_tvb_zip(folder / "connectivity_66.zip")
    weights = (hagmann.weights + hagmann.weights.T) / 2
    np.fill_diagonal(weights, 0.0)
    network = true_network(weights, np.random.default_rng(arguments.seed))
    subject = subject_of(network, hagmann, arguments.minutes, arguments.seed)
    n_trs = subject.scans["rest"].shape[1]
    result = run_fit(settings(arguments.seed, n_trs), subject, arguments.output)
    result = replace(result, truth=truth(network))
    write_fit(result, arguments.output / FIT_NAME)
    write_report(result, arguments.output / REPORT_NAME)
    found = {one.name: one for one in result.identified}[RATIO]
    print(f"{RATIO}: true {result.truth[RATIO]:.3g}, fitted {found.value:.3g}", end=" ")
    print(f"({found.low:.3g} to {found.high:.3g}); test r {result.metrics['test_fc_r']:.3f}")


if __name__ == "__main__":
    main()
