TITLE Slow potassium current of layer 5 pyramidal cells

COMMENT
I = q gbar a^2 (b1 + b2)/2 (v - ek), q = 2.3^((celsius - 21)/10); two inactivations of equal share.
Kinetics of Korngreen & Sakmann (2000, doi:10.1111/j.1469-7793.2000.00621.x) as used by Bahl et al. 2012
(doi:10.1016/j.jneumeth.2012.04.006), where temperature scales the conductance and not the rates.
ENDCOMMENT

NEURON {
    SUFFIX pyr_kslow
    USEION k READ ek WRITE ik
    RANGE gbar
    GLOBAL ainf, binf, atau, b1tau, b2tau
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
    ainf
    binf
    atau (ms)
    b1tau (ms)
    b2tau (ms)
}

STATE { a b1 b2 }

INITIAL {
    q = 2.3^((celsius - 21) / 10)
    rates(v)
    a = ainf
    b1 = binf
    b2 = binf
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    ik = (1e-4) * q * gbar * a * a * 0.5 * (b1 + b2) * (v - ek)
}

DERIVATIVE states {
    rates(v)
    a' = (ainf - a) / atau
    b1' = (binf - b1) / b1tau
    b2' = (binf - b2) / b2tau
}

UNITSOFF
PROCEDURE rates(v (mV)) {
    LOCAL open, close
    TABLE ainf, binf, atau, b1tau, b2tau FROM -120 TO 100 WITH 2200
    open = 0.0052 * 13.1 * ratio(-(v - 11.1) / 13.1)
    close = 0.01938 * exp(-(v + 1.27) / 71) - 0.0053
    ainf = open / (open + close)
    atau = 1 / (open + close)
    binf = 1 / (1 + exp((v + 58) / 11))
    b1tau = 360 + (1010 + 23.7 * (v + 54)) * exp(-((v + 75) / 48)^2)
    b2tau = 2350 + 1380 * exp(-0.01118 * v) - 210 * exp(-0.0306 * v)
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
