TITLE Fast sodium and delayed-rectifier potassium currents of cortical cells

COMMENT
I_Na = gnabar m^3 h (v - ena), I_Kd = gkbar n^4 (v - ek), with the rates of Traub & Miles (1991,
Neuronal Networks of the Hippocampus, Cambridge University Press) around the threshold parameter
vt, as Pospischil et al. 2008 print them (doi:10.1007/s00422-008-0263-8). The rates hold at 36 degC;
Q10 is 3.
ENDCOMMENT

NEURON {
    SUFFIX pospischil_nak
    USEION na READ ena WRITE ina
    USEION k READ ek WRITE ik
    RANGE gnabar, gkbar, vt
}

UNITS {
    (S) = (siemens)
    (mV) = (millivolt)
    (mA) = (milliamp)
}

PARAMETER {
    gnabar = 0.05 (S/cm2)
    gkbar = 0.005 (S/cm2)
    vt = -55 (mV)
}

ASSIGNED {
    v (mV)
    celsius (degC)
    ena (mV)
    ek (mV)
    ina (mA/cm2)
    ik (mA/cm2)
    speed
    minf
    hinf
    ninf
    mtau (ms)
    htau (ms)
    ntau (ms)
}

STATE { m h n }

INITIAL {
    speed = 3^((celsius - 36) / 10)
    rates(v)
    m = minf
    h = hinf
    n = ninf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    ina = gnabar * m * m * m * h * (v - ena)
    ik = gkbar * n * n * n * n * (v - ek)
}

DERIVATIVE states {
    rates(v)
    m' = (minf - m) / mtau
    h' = (hinf - h) / htau
    n' = (ninf - n) / ntau
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    LOCAL u, open, close
    u = v - vt
    open = 1.28 * ratio((13 - u) / 4)
    close = 1.4 * ratio((u - 40) / 5)
    minf = open / (open + close)
    mtau = 1 / (speed * (open + close))
    open = 0.128 * exp((17 - u) / 18)
    close = 4 / (1 + exp((40 - u) / 5))
    hinf = open / (open + close)
    htau = 1 / (speed * (open + close))
    open = 0.16 * ratio((15 - u) / 5)
    close = 0.5 * exp((10 - u) / 40)
    ninf = open / (open + close)
    ntau = 1 / (speed * (open + close))
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
