# %% [markdown]
"""
# 15 In which regime is a region of the fitted model?

No simulation: where a region of the two-state model rests, over the weights of its inhibition, and
where it has two rests. Fits start at the quiet rest and stay off the bistable band, at whose edges
activity tips over. Needs the extra `fit`.
"""

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from fitting.bifurcation import bistable_boundary, regime_map
from fitting.models import named_model

SHORT = bool(os.environ.get("GALLERY_SHORT"))  # what the tests set: a fraction of the time
OUTPUT = Path(os.environ.get("GALLERY_OUTPUT", "."))

# %%
model = named_model("reduced_wong_wang_tanh")
held = {"g_EE": torch.tensor(0.5, dtype=torch.float64)}
n = 31 if SHORT else 161
g_IE, g_EI = np.linspace(0, 2, n), np.linspace(0, 1, n)
plane = regime_map(model, {"g_IE": g_IE, "g_EI": g_EI}, held)
boundary = bistable_boundary(model, held, *(np.linspace(0, 2, k) for k in (81, 401)))

# %%
figure, axes = plt.subplots(figsize=(6, 4.4), layout="constrained")
image = axes.pcolormesh(g_IE, g_EI, plane.lowest_E.T, vmin=0, vmax=1, rasterized=True)
figure.colorbar(image, label="gating variable $S_E$ at the lower rest")
axes.plot(boundary.g_IE, boundary.quiet_lost, color="C1", label="below: no quiet rest")
axes.plot(boundary.g_IE, boundary.active_lost, color="C3", label="above: no active rest")
axes.fill_between(
    boundary.g_IE,
    boundary.quiet_lost,
    boundary.active_lost,
    facecolor="none",
    edgecolor="white",
    hatch="//",
    label="bistable",
)
axes.set(xlabel="g_IE, nA", ylabel="g_EI, nA", title="g_EE = 0.5 nA, no input from others")
axes.legend(facecolor="0.2", framealpha=0.9, labelcolor="white")
figure.savefig(OUTPUT / "15_regimes.png", dpi=110)
print(f"the band begins at g_IE {np.nanmin(boundary.g_IE):.2f} nA")
