TITLE Adaptive exponential integrate-and-fire current of a one-compartment section

COMMENT
Brette & Gerstner 2005 (doi:10.1152/jn.00686.2005) as Destexhe 2009 uses it
(doi:10.1007/s10827-009-0164-4). The section brings capacitance, leak and synapses; this adds

    i = -gl delta exp((v - vt) / delta) + w,    tauw dw/dt = a (v - el) - w.

When v passes vspike the cell fires: w grows by b, and v is held at vreset for trefr. With vspike at
vt, as in the author's programs (ModelDB 126466), the exponential only hastens the approach.
A network sees the spike as the section's crossing of vspike, which comes before the reset.
ENDCOMMENT

NEURON {
    POINT_PROCESS DestexheAdEx
    NONSPECIFIC_CURRENT i
    RANGE gl, el, delta, vt, vspike, vreset, trefr, a, b, tauw, held
}

UNITS {
    (nA) = (nanoamp)
    (mV) = (millivolt)
    (uS) = (microsiemens)
}

PARAMETER {
    gl = 0.01 (uS)
    el = -60 (mV)
    delta = 2.5 (mV)
    vt = -50 (mV)
    vspike = -50 (mV)
    vreset = -60 (mV)
    trefr = 2.5 (ms)
    a = 0.001 (uS)
    b = 0 (nA)
    tauw = 600 (ms)
}

ASSIGNED {
    v (mV)
    i (nA)
    held
}

STATE { w (nA) }

INITIAL {
    w = 0
    held = 0
    net_send(0, 1)
}

BREAKPOINT {
    SOLVE states METHOD cnexp
    if (held) {
        : strong enough that a thousandth of the membrane's charge leaks past it in a step
        i = 1000 (uS) * (v - vreset)
    } else {
        i = -gl * delta * bounded_exp((v - vt) / delta) + w
    }
}

DERIVATIVE states {
    w' = (a * (v - el) - w) / tauw
}

: Above vspike the cell is about to be reset, so growth beyond exp(10) has no meaning.
FUNCTION bounded_exp(x) {
    if (x > 10) {
        bounded_exp = exp(10)
    } else {
        bounded_exp = exp(x)
    }
}

NET_RECEIVE (weight) {
    if (flag == 1) {
        WATCH (v > vspike) 2
    } else if (flag == 2) {
        v = vreset
        w = w + b
        held = 1
        net_send(trefr, 3)
    } else if (flag == 3) {
        held = 0
    }
}
