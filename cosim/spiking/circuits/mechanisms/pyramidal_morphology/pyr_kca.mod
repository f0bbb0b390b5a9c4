TITLE Calcium-dependent potassium current of the apical tuft

COMMENT
I = q gbar n (v - ek), q = 2.3^((celsius - 23)/10), all rates times q; opening is proportional to the
calcium concentration. Kinetics after Reuveni et al. (1993) as used by Bahl et al. 2012
(doi:10.1016/j.jneumeth.2012.04.006).
ENDCOMMENT

NEURON {
    SUFFIX pyr_kca
    USEION k READ ek WRITE ik
    USEION ca READ cai
    RANGE gbar
}

UNITS {
    (mV) = (millivolt)
    (mA) = (milliamp)
    (pS) = (picosiemens)
    (um) = (micron)
    (molar) = (1/liter)
    (mM) = (millimolar)
}

PARAMETER {
    gbar = 0 (pS/um2)
}

ASSIGNED {
    v (mV)
    celsius (degC)
    cai (mM)
    ek (mV)
    ik (mA/cm2)
    q
    ninf
    ntau (ms)
}

STATE { n }

INITIAL {
    q = 2.3^((celsius - 23) / 10)
    rates(cai)
    n = ninf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    ik = (1e-4) * q * gbar * n * (v - ek)
}

DERIVATIVE states {
    rates(cai)
    n' = (ninf - n) / ntau
}

UNITSOFF
PROCEDURE rates(cai (mM)) {
    LOCAL open, close
    open = 0.01 * cai
    close = 0.02
    ninf = open / (open + close)
    ntau = 1 / (q * (open + close))
}
UNITSON
