TITLE Leaky integrate-and-fire cell of the Wong-Wang network

COMMENT
One cell: membrane, receptors and background in one point process, so that a step costs one pass
over a few numbers and the in-degree costs nothing between spikes.

    C dV/dt = -g_L (V - V_L) - (g_bg x + g_ampa) (V - E_exc) - g_nmda B(V) (V - E_exc)
              - g_gaba (V - E_inh) + i_exc - i_inh + I_0

A spike at V >= V_th; V is then held at V_reset for t_ref. B is the magnesium block of Jahr and
Stevens (1990) at 1 mM. Over a step the conductances are constant and V moves by the exact
solution, so any conductance is stable.

Receptors, in the order of weights in a NetCon:

    ampa, nmda, gaba     conductances, uS: a spike opens w (ampa, gaba), or w times the jump of s
    nmda_nA, gaba_nA     the mean field's linear form, currents, nA per unit of gate

NMDA: s jumps by gamma (1 - s) at a presynaptic spike and decays with tau_nmda, which is the mean
field's dS/dt = -S / tau + (1 - S) gamma R, spike by spike. s belongs to the presynaptic cell. It
is kept in the NetCon, where it changes at spikes only: all connections of one cell see the same
spikes, so their s are the same number, and neither a transfer between ranks nor a step costs
anything. The target sums w times the jumps, and the sum decays like each of its terms: exact.

Background: Poisson spikes at nu_bg + kappa I_c (1 + bend D) kHz onto an AMPA gate x. The bend makes
up for the driving force and the membrane time that depolarisation takes. D is what depolarises: the
part of I_c above I_held, which inhibition holds back (0 below it). The number of spikes in a step
is drawn by inversion from one uniform number, so the n-th step takes the n-th number of the
stream (gid, seed), wherever the cell is and however the run is cut. Spikes are spread evenly over
their step: x has the mean nu tau of shot noise for any dt, and its variance nu tau / 2 up to
(dt / tau)^2 / 12.
ENDCOMMENT

NEURON {
    THREADSAFE
    POINT_PROCESS WongWangLIF
    RANGE C, g_L, V_L, V_th, V_reset, t_ref, I_0, E_exc, E_inh
    RANGE g_bg, nu_bg, I_c, I_held, kappa, bend, tau_ampa, tau_nmda, tau_gaba, gamma, s_nmda_0, s_gaba_0
    RANGE gid, seed
    RANGE V, spike, x, g_ampa, g_nmda, g_gaba, i_exc, i_inh
    RANDOM background
}

UNITS {
    (mV) = (millivolt)
    (nA) = (nanoamp)
    (nF) = (nanofarad)
    (nS) = (nanosiemens)
    (uS) = (microsiemens)
    (kHz) = (kilohertz)
}

PARAMETER {
    C = 0.5 (nF)
    g_L = 25 (nS)
    V_L = -70 (mV)
    V_th = -50 (mV)
    V_reset = -55 (mV)
    t_ref = 2 (ms)
    I_0 = 0 (nA)        : constant current
    E_exc = 0 (mV)
    E_inh = -70 (mV)
    g_bg = 0 (nS)       : conductance that a background spike opens
    nu_bg = 0 (kHz)     : background spikes, all sources together
    I_c = 0 (nA)        : coupling current from outside the network
    kappa = 0 (kHz/nA)  : background spikes per coupling current
    bend = 0 (/nA)      : by how much kappa grows with what of it depolarises
    I_held = 0 (nA)     : coupling current that inhibition holds back
    tau_ampa = 2 (ms)
    tau_nmda = 100 (ms)
    tau_gaba = 10 (ms)
    gamma = 0.641
    s_nmda_0 = 0        : gates of the network's own connections (nmda_nA, gaba_nA) at the start
    s_gaba_0 = 0
    gid = 0             : stream of the background
    seed = 0
}

ASSIGNED {
    dt (ms)
    V (mV)
    spike               : 1 in the step after a crossing, else 0
    x                   : background gate
    g_ampa (nS)
    g_nmda (nS)
    g_gaba (nS)
    i_exc (nA)
    i_inh (nA)
    held                : steps left in V_reset
    known_dt (ms)       : dt and rate for which the numbers below hold
    known_rate (kHz)
    k_ampa
    k_nmda
    k_gaba
    per_spike           : what a background spike leaves of itself at the end of its step
    mean_n              : background spikes per step
    p_none
}

INITIAL {
    random_setids(background, gid, seed, 1)
    random_setseq(background, 0)
    known_dt = -1
    known_rate = -1
    V = V_reset + (V_th - V_reset) * random_uniform(background)
    spike = 0
    held = 0
    x = nu_bg * tau_ampa
    g_ampa = 0
    g_nmda = 0
    g_gaba = 0
    i_exc = 0
    i_inh = 0
}

BREAKPOINT {
    SOLVE advance
}

PROCEDURE advance() { LOCAL n, u, p, sum, rate, depol, g_e, g, push
    depol = I_c - I_held
    if (depol < 0) { depol = 0 }
    rate = nu_bg + kappa * I_c * (1 + bend * depol)
    if (dt != known_dt || rate != known_rate) { prepare(rate) }

    u = random_uniform(background)
    n = 0
    p = p_none
    sum = p
    while (u > sum) {
        n = n + 1
        p = p * mean_n / n
        sum = sum + p
    }
    x = x * k_ampa + n * per_spike
    g_ampa = g_ampa * k_ampa
    g_nmda = g_nmda * k_nmda
    g_gaba = g_gaba * k_gaba
    i_exc = i_exc * k_nmda
    i_inh = i_inh * k_gaba

    spike = 0
    if (held > 0) {
        held = held - 1
    } else {
        g_e = g_bg * x + g_ampa
        if (g_nmda > 0) { g_e = g_e + g_nmda / (1 + exp(-0.062 * V) / 3.57) }
        g = g_L + g_e + g_gaba
        push = g_L * V_L + g_e * E_exc + g_gaba * E_inh + 1000 * (i_exc - i_inh + I_0)
        V = push / g + (V - push / g) * exp(-0.001 * dt * g / C)
        if (V >= V_th) {
            V = V_reset
            spike = 1
            held = floor(t_ref / dt + 0.5)
        }
    }
}

PROCEDURE prepare(rate (kHz)) {
    known_dt = dt
    known_rate = rate
    k_ampa = exp(-dt / tau_ampa)
    k_nmda = exp(-dt / tau_nmda)
    k_gaba = exp(-dt / tau_gaba)
    per_spike = (1 - k_ampa) * tau_ampa / dt
    mean_n = rate * dt
    if (mean_n < 0) { mean_n = 0 }  : a rate below zero is none
    p_none = exp(-mean_n)
    VERBATIM
    if (!(mean_n <= 500.0)) {
        hoc_execerror("WongWangLIF: more than 500 background spikes in a step (nu_bg, kappa, I_c);",
                      "lower them or dt");
    }
    ENDVERBATIM
}

NET_RECEIVE(ampa (uS), nmda (uS), gaba (uS), nmda_nA (nA), gaba_nA (nA), s, t_s (ms)) { LOCAL jump
    INITIAL {
        s = 0
        t_s = 0
        if (nmda_nA != 0) {
            s = s_nmda_0
            i_exc = i_exc + nmda_nA * s
        }
        i_inh = i_inh + gaba_nA * s_gaba_0
    }
    g_ampa = g_ampa + 1000 * ampa
    g_gaba = g_gaba + 1000 * gaba
    i_inh = i_inh + gaba_nA
    if (nmda != 0 || nmda_nA != 0) {
        s = s * exp(-(t - t_s) / tau_nmda)
        t_s = t
        jump = gamma * (1 - s)
        s = s + jump
        g_nmda = g_nmda + 1000 * nmda * jump
        i_exc = i_exc + nmda_nA * jump
    }
}
