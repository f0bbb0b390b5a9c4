TITLE Calcium beneath the membrane of the apical tuft

COMMENT
A shell of 0.1 um that the calcium current fills and that empties with 200 ms to 1e-4 mM; an outward
current does not empty it. Destexhe, Babloyantz & Sejnowski (1993, doi:10.1016/S0006-3495(93)81190-1) as
used by Bahl et al. 2012 (doi:10.1016/j.jneumeth.2012.04.006).
ENDCOMMENT

NEURON {
    SUFFIX pyr_cad
    USEION ca READ ica WRITE cai
    RANGE depth, taur, cainf
}

UNITS {
    (mA) = (milliamp)
    (um) = (micron)
    (molar) = (1/liter)
    (mM) = (millimolar)
    FARADAY = (faraday) (coulomb)
}

PARAMETER {
    depth = 0.1 (um)
    taur = 200 (ms)
    cainf = 1e-4 (mM)
}

ASSIGNED {
    ica (mA/cm2)
    inflow (mM/ms)
}

STATE { cai (mM) }

INITIAL {
    cai = cainf
}

BREAKPOINT {
    SOLVE state METHOD cnexp
}

DERIVATIVE state {
    inflow = -(1e4) * ica / (2 * FARADAY * depth)
    if (inflow < 0) {
        inflow = 0
    }
    cai' = inflow + (cainf - cai) / taur
}
