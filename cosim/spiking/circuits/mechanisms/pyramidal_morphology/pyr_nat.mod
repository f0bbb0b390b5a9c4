TITLE Transient sodium current of layer 5 pyramidal cells

COMMENT
I = q gbar m^3 h (v - ena), q = 2.3^((celsius - 23)/10), all rates times q. Kinetics of Mainen et al.
(1995) with the half activations of Kole et al. as used by Bahl et al. 2012
(doi:10.1016/j.jneumeth.2012.04.006); vshift moves them to more positive potentials.
ENDCOMMENT

NEURON {
    SUFFIX pyr_nat
    USEION na READ ena WRITE ina
    RANGE gbar, vshift
    GLOBAL minf, hinf, mtau, htau
}

UNITS {
    (mV) = (millivolt)
    (mA) = (milliamp)
    (pS) = (picosiemens)
    (um) = (micron)
}

PARAMETER {
    gbar = 0 (pS/um2)
    vshift = 10 (mV)
}

ASSIGNED {
    v (mV)
    celsius (degC)
    ena (mV)
    ina (mA/cm2)
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
    ina = (1e-4) * q * gbar * m * m * m * h * (v - ena)
}

DERIVATIVE states {
    rates(v - vshift)
    m' = (minf - m) / mtau
    h' = (hinf - h) / htau
}

UNITSOFF
PROCEDURE rates(u (mV)) {
    LOCAL open, close, speed
    TABLE minf, hinf, mtau, htau DEPEND celsius FROM -150 TO 150 WITH 3000
    speed = 2.3^((celsius - 23) / 10)
    open = 0.182 * 9 * ratio(-(u + 28) / 9)
    close = 0.124 * 9 * ratio((u + 28) / 9)
    minf = open / (open + close)
    mtau = 1 / (speed * (open + close))
    open = 0.024 * 5 * ratio(-(u + 50) / 5)
    close = 0.0091 * 5 * ratio((u + 75) / 5)
    hinf = 1 / (1 + exp((u + 55) / 6.2))
    htau = 1 / (speed * (open + close))
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
