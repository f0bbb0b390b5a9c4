COMMENT
High-voltage-activated calcium channel.

Kinetics: Reuveni, Friedman, Amitai & Gutnick (1993) J Neurosci 13:4609, in the form used by
Hay et al. (2011) PLoS Comput Biol 7:e1002107.
ENDCOMMENT

NEURON {
    SUFFIX CaHVAcalcium
    USEION ca READ eca WRITE ica
    RANGE gbar, ica
}

UNITS {
    (mV) = (millivolt)
    (mA) = (milliamp)
    (S) = (siemens)
}

PARAMETER {
    gbar = 2e-4 (S/cm2)
}

ASSIGNED {
    v (mV)
    eca (mV)
    ica (mA/cm2)
    am (/ms)
    bm (/ms)
    ah (/ms)
    bh (/ms)
}

STATE {
    m
    h
}

INITIAL {
    rates(v)
    m = am/(am + bm)
    h = ah/(ah + bh)
}

BREAKPOINT {
    SOLVE gates METHOD cnexp
    ica = gbar*m*m*h*(v - eca)
}

DERIVATIVE gates {
    rates(v)
    m' = am - (am + bm)*m
    h' = ah - (ah + bh)*h
}

PROCEDURE rates(v (mV)) {
    UNITSOFF
    am = 0.055*3.8*linoid((-27 - v)/3.8)
    bm = 0.94*exp((-75 - v)/17)
    ah = 0.000457*exp((-13 - v)/50)
    bh = 0.0065/(exp((-15 - v)/28) + 1)
    UNITSON
}

FUNCTION linoid(x) {
    : x/(exp(x) - 1), whose limit at 0 is 1
    if (fabs(x) < 1e-6) {
        linoid = 1 - x/2
    } else {
        linoid = x/(exp(x) - 1)
    }
}
