TITLE Muscarinic potassium current of layer 5 pyramidal cells

COMMENT
I = gbar m (v - ek), rates times 2.3^((celsius - 36)/10). Kinetics of Yamada, Koch & Adams (1989) as used
by Bahl et al. 2012 (doi:10.1016/j.jneumeth.2012.04.006).
ENDCOMMENT

NEURON {
    SUFFIX pyr_km
    USEION k READ ek WRITE ik
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
    celsius (degC)
    ek (mV)
    ik (mA/cm2)
    speed
    minf
    mtau (ms)
}

STATE { m }

INITIAL {
    speed = 2.3^((celsius - 36) / 10)
    rates(v)
    m = minf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    ik = (1e-4) * gbar * m * (v - ek)
}

DERIVATIVE states {
    rates(v)
    m' = (minf - m) / mtau
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    minf = 1 / (1 + exp(-(v + 35) / 10))
    mtau = 1000 / (speed * (3.3 * exp((v + 35) / 20) + exp(-(v + 35) / 20)))
}
UNITSON
