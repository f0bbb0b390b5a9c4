TITLE Persistent sodium current of layer 5 pyramidal cells

COMMENT
I = gbar m (v - ena). Kinetics of Traub et al. (2003) as used by Bahl et al. 2012
(doi:10.1016/j.jneumeth.2012.04.006).
ENDCOMMENT

NEURON {
    SUFFIX pyr_nap
    USEION na READ ena WRITE ina
    RANGE gbar
}

UNITS {
    (mV) = (millivolt)
    (mA) = (milliamp)
    (pS) = (picosiemens)
    (um) = (micron)
}

PARAMETER {
    gbar = 0 (pS/um2)
}

ASSIGNED {
    v (mV)
    ena (mV)
    ina (mA/cm2)
    minf
    mtau (ms)
}

STATE { m }

INITIAL {
    rates(v)
    m = minf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    ina = (1e-4) * gbar * m * (v - ena)
}

DERIVATIVE states {
    rates(v)
    m' = (minf - m) / mtau
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    minf = 1 / (1 + exp(-(v + 48) / 10))
    if (v < -40) {
        mtau = 0.025 + 0.14 * exp((v + 40) / 10)
    } else {
        mtau = 0.02 + 0.145 * exp(-(v + 40) / 10)
    }
}
UNITSON
