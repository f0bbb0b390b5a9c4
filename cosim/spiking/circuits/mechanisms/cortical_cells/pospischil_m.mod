TITLE Slow potassium current of cortical cells, which adapts their firing

COMMENT
I_M = gbar p (v - ek), with the kinetics of Yamada, Koch & Adams (1989, in Methods in Neuronal
Modeling, MIT Press) as Pospischil et al. 2008 print them (doi:10.1007/s00422-008-0263-8). The rates
hold at 36 degC; Q10 is 2.3.
ENDCOMMENT

NEURON {
    SUFFIX pospischil_m
    USEION k READ ek WRITE ik
    RANGE gbar, taumax
}

UNITS {
    (S) = (siemens)
    (mV) = (millivolt)
    (mA) = (milliamp)
}

PARAMETER {
    gbar = 7e-5 (S/cm2)
    taumax = 1000 (ms)
}

ASSIGNED {
    v (mV)
    celsius (degC)
    ek (mV)
    ik (mA/cm2)
    speed
    pinf
    ptau (ms)
}

STATE { p }

INITIAL {
    speed = 2.3^((celsius - 36) / 10)
    rates(v)
    p = pinf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    ik = gbar * p * (v - ek)
}

DERIVATIVE states {
    rates(v)
    p' = (pinf - p) / ptau
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    pinf = 1 / (1 + exp(-(v + 35) / 10))
    ptau = taumax / (speed * (3.3 * exp((v + 35) / 20) + exp(-(v + 35) / 20)))
}
UNITSON
