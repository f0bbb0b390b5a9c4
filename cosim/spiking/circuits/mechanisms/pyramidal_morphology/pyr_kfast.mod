TITLE Fast potassium current of layer 5 pyramidal cells

COMMENT
I = q gbar n (v - ek), q = 2.3^((celsius - 23)/10), all rates times q. Kinetics of Mainen et al. (1995)
as used by Bahl et al. 2012 (doi:10.1016/j.jneumeth.2012.04.006).
ENDCOMMENT

NEURON {
    SUFFIX pyr_kfast
    USEION k READ ek WRITE ik
    RANGE gbar
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
}

ASSIGNED {
    v (mV)
    celsius (degC)
    ek (mV)
    ik (mA/cm2)
    q
    ninf
    ntau (ms)
}

STATE { n }

INITIAL {
    q = 2.3^((celsius - 23) / 10)
    rates(v)
    n = ninf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    ik = (1e-4) * q * gbar * n * (v - ek)
}

DERIVATIVE states {
    rates(v)
    n' = (ninf - n) / ntau
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    LOCAL open, close
    TABLE ninf, ntau DEPEND celsius FROM -150 TO 150 WITH 3000
    open = 0.02 * 9 * ratio(-(v - 25) / 9)
    close = 0.002 * 9 * ratio((v - 25) / 9)
    ninf = open / (open + close)
    ntau = 1 / (2.3^((celsius - 23) / 10) * (open + close))
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
