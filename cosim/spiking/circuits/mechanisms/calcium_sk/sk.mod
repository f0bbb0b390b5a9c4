COMMENT
Small-conductance calcium-activated potassium channel of the SK2 type: no voltage dependence,
Hill activation by cytosolic calcium.

EC50 and Hill coefficient: Koehler et al. (1996) Science 273:1709; with the time constant of 1 ms as
in the layer 5b pyramidal cell of Hay et al. (2011) PLoS Comput Biol 7:e1002107.
ENDCOMMENT

NEURON {
    SUFFIX SKcalcium
    USEION k READ ek WRITE ik
    USEION ca READ cai
    RANGE gbar, g, ik, zinf
}

UNITS {
    (mV) = (millivolt)
    (mA) = (milliamp)
    (mM) = (milli/liter)
    (S) = (siemens)
}

PARAMETER {
    gbar = 1e-3 (S/cm2)
    ec50 = 0.00043 (mM)
    hill = 4.8
    tau = 1 (ms)
}

ASSIGNED {
    v (mV)
    ek (mV)
    cai (mM)
    ik (mA/cm2)
    g (S/cm2)
    zinf
}

STATE {
    z
}

INITIAL {
    zinf = activation(cai)
    z = zinf
}

BREAKPOINT {
    SOLVE gate METHOD cnexp
    g = gbar*z
    ik = g*(v - ek)
}

DERIVATIVE gate {
    zinf = activation(cai)
    z' = (zinf - z)/tau
}

FUNCTION activation(ca (mM)) {
    : Diffusion may leave a concentration a rounding error below zero.
    if (ca <= 0) {
        activation = 0
    } else {
        activation = 1/(1 + (ec50/ca)^hill)
    }
}
