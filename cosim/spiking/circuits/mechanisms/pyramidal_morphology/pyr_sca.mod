TITLE Slow calcium current of the apical tuft

COMMENT
I = q gbar m^2 h (v - erev), q = 2.3^((celsius - 23)/10), all rates times q. Kinetics of Reuveni et al.
(1993) with inactivation three times slower, as used by Bahl et al. 2012
(doi:10.1016/j.jneumeth.2012.04.006); vshift moves them to more positive potentials.
ENDCOMMENT

NEURON {
    SUFFIX pyr_sca
    USEION ca WRITE ica
    RANGE gbar, vshift, erev
}

UNITS {
    (mV) = (millivolt)
    (mA) = (milliamp)
    (pS) = (picosiemens)
    (um) = (micron)
}

PARAMETER {
    gbar = 0 (pS/um2)
    vshift = 0 (mV)
    erev = 140 (mV)
}

ASSIGNED {
    v (mV)
    celsius (degC)
    ica (mA/cm2)
    q
    minf
    hinf
    mtau (ms)
    htau (ms)
}

STATE { m h }

INITIAL {
    q = 2.3^((celsius - 23) / 10)
    rates(v - vshift)
    m = minf
    h = hinf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    ica = (1e-4) * q * gbar * m * m * h * (v - erev)
}

DERIVATIVE states {
    rates(v - vshift)
    m' = (minf - m) / mtau
    h' = (hinf - h) / htau
}

UNITSOFF
PROCEDURE rates(u (mV)) {
    LOCAL open, close
    open = 0.055 * 3.8 * ratio(-(u + 27) / 3.8)
    close = 0.94 * exp(-(u + 75) / 17)
    minf = open / (open + close)
    mtau = 1 / (q * (open + close))
    open = 0.000457 * exp(-(u + 13) / 50) / 3
    close = 0.0065 / (exp(-(u + 15) / 28) + 1) / 3
    hinf = open / (open + close)
    htau = 1 / (q * (open + close))
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
