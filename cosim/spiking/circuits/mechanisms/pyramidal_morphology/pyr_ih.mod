TITLE Hyperpolarisation-activated cation current of layer 5 pyramidal cells

COMMENT
I = gbar n (v - erev). Kinetics of Kole et al. (2006, doi:10.1523/JNEUROSCI.3664-05.2006), measured at
34 degC and not scaled, as used by Bahl et al. 2012 (doi:10.1016/j.jneumeth.2012.04.006).
ENDCOMMENT

NEURON {
    SUFFIX pyr_ih
    NONSPECIFIC_CURRENT i
    RANGE gbar, erev
    GLOBAL ninf, ntau
}

UNITS {
    (mV) = (millivolt)
    (mA) = (milliamp)
    (pS) = (picosiemens)
    (um) = (micron)
}

PARAMETER {
    gbar = 0 (pS/um2)
    erev = -47 (mV)
}

ASSIGNED {
    v (mV)
    i (mA/cm2)
    ninf
    ntau (ms)
}

STATE { n }

INITIAL {
    rates(v)
    n = ninf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    i = (1e-4) * gbar * n * (v - erev)
}

DERIVATIVE states {
    rates(v)
    n' = (ninf - n) / ntau
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    LOCAL open, close
    TABLE ninf, ntau FROM -150 TO 100 WITH 2500
    open = 0.00643 * 11.9 * ratio((v + 154.9) / 11.9)
    close = 0.193 * exp(v / 33.1)
    ninf = open / (open + close)
    ntau = 1 / (open + close)
}

: x / (exp(x) - 1), with its limit at 0
FUNCTION ratio(x) {
    if (fabs(x) < 1e-6) {
        ratio = 1 - x / 2
    } else {
        ratio = x / (exp(x) - 1)
    }
}
UNITSON
