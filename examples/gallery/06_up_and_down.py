# %% [markdown]
"""
# 06 Do Up and Down states of cortex and thalamus reach the rest of the brain?

One circuit spans two regions of the CoCoMac connectome: somatosensory cortex and the thalamus that
belongs to it (Destexhe 2009, doi:10.1007/s10827-009-0164-4). Strong adaptation makes Up and Down
states; weak adaptation makes irregular firing.
"""

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt

import cosim

SHORT = bool(os.environ.get("GALLERY_SHORT"))  # what the tests set: a fraction of the time
OUTPUT = Path(os.environ.get("GALLERY_OUTPUT", "."))


# %%
def run(adaptation_nA: float | None) -> cosim.RunResult:
    drive = {"coupling": "aggregated", "rate_scale": 50.0, "weight_uS": 0.006}
    circuit = cosim.Circuit(
        circuit="cortico_thalamic",
        populations={"CxE": "RM-S1_R", "CxI": "RM-S1_R", "TC": "TM-OP_R", "RE": "TM-OP_R"},
        parameters={"adaptation_nA": adaptation_nA or 0.0, "thalamocortical_delay_ms": 16.9},
        inputs=[cosim.Input(to="CxE", **drive), cosim.Input(to="TC", **drive)],
        outputs=[
            cosim.Output(source=name, to=rate)
            for name, rate in (("CxE", "R_e"), ("CxI", "R_i"), ("TC", "R_e"), ("RE", "R_i"))
        ],
    )
    brain = cosim.Brain(
        connectome="tvb96",
        normalize="region",
        parameters={"G": 0.2},
        noise={"S_e": 0.001, "S_i": 0.001},
    )
    duration_ms = 200.0 if SHORT else 2000.0
    circuits = [] if adaptation_nA is None else [circuit]
    return cosim.run(cosim.Experiment(duration_ms=duration_ms, brain=brain, circuits=circuits))


without = run(None)  # all mean field, the same noise
runs = {"strong adaptation": run(0.04), "weak adaptation": run(0.005)}

# %% [markdown]
"""
Above, cells; below, the three regions outside the circuit that change most against the run without
cells.
"""

# %%
figure, axes = plt.subplots(2, 2, figsize=(9, 4.6), sharex=True, layout="constrained")
for column, (label, result) in zip(axes.T, runs.items(), strict=True):
    rates = result.rates(bin_ms=10.0)
    for name, colour in (("RM-S1_R.CxE", "C0"), ("TM-OP_R.TC", "C3")):
        rate = rates.sel(population=name)
        column[0].plot(rate.time, rate, color=colour, lw=0.9, label=name)
    column[0].set(title=label, ylabel="rate, Hz")
    S = [one.mean_field.temporal_average.sel(variable="S_e") for one in (result, without)]
    change = (S[0] - S[1]).drop_sel(region=["RM-S1_R", "TM-OP_R"])
    most = abs(change).max("time_temporal_average")
    for region in most.sortby(most).region.values[:-4:-1]:
        column[1].plot(change.time_temporal_average, change.sel(region=region), label=region)
    column[1].set(xlabel="time, ms", ylabel="change of $S_E$")
    print(label, f"{float(rates.sel(population='RM-S1_R.CxE').mean()):.1f} Hz in CxE")
axes[0, 1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
for panel in axes[1]:
    panel.legend(frameon=False, fontsize=8)
figure.savefig(OUTPUT / "06_up_and_down.png", dpi=110)
