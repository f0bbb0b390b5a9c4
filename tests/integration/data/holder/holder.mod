COMMENT
Holds a number that is set from outside, so that a test can read back what arrived.
ENDCOMMENT
NEURON {
    POINT_PROCESS Holder
    RANGE x
}
PARAMETER { x = 0 }
