# %% [markdown]
"""
# 11 At what rates do regions rest, and what does inhibition control do to them?

No simulation: a run starts at the resting state of the coupled network, which is solved for. With
`fic` each region's inhibitory weight J_i is solved for as well, such that all rest at 3 Hz (Deco et
al. 2014, doi:10.1523/JNEUROSCI.5068-13.2014).
"""

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import cosim
from cosim.plan_brain import plan_brain

SHORT = bool(os.environ.get("GALLERY_SHORT"))  # what the tests set: a fraction of the time
OUTPUT = Path(os.environ.get("GALLERY_OUTPUT", "."))

COUPLINGS = np.linspace(0.0, 0.4, 5 if SHORT else 21)


# %%
def resting_hz(G: float, controlled: bool) -> np.ndarray:
    """Excitatory rates of all regions at rest, Hz."""
    fic = cosim.config.FeedbackInhibition(rate_hz=3.0) if controlled else None
    planned = plan_brain(cosim.Brain(parameters={"G": G}, fic=fic), Path(), driven=False)
    return planned.initial_rates_hz[0]


# %%
figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.4), sharey=True, layout="constrained")
for controlled, panel in zip((False, True), axes, strict=True):
    rates_hz = np.array([resting_hz(G, controlled) for G in COUPLINGS])
    labels = ["each region", *["_"] * (rates_hz.shape[1] - 1)]
    panel.plot(COUPLINGS, rates_hz, color="0.7", lw=0.6, label=labels)
    panel.plot(COUPLINGS, rates_hz.max(axis=1), color="C3", lw=4, label="most active region")
    panel.plot(COUPLINGS, rates_hz.mean(axis=1), color="C0", lw=2, label="mean of 66 regions")
    panel.set(xlabel="global coupling G", ylim=(0, None))
    at_most = rates_hz.max(axis=1)[-1]
    print(
        "controlled" if controlled else "as it is", f"G {COUPLINGS[-1]:g}: at most {at_most:.1f} Hz"
    )
axes[0].set(ylabel="excitatory rate at rest, Hz", title="without control, J_i = 1")
axes[1].set_title("with feedback inhibition control at 3 Hz")
axes[0].legend(frameon=False)
figure.savefig(OUTPUT / "11_resting_rates.png", dpi=110)
