TITLE Izhikevich cell with AMPA and GABA conductances, and a stimulating electrode

COMMENT
V' = n2 V^2 + n1 V + n0 - u/C - g_ampa (V - E_ampa) - g_gaba (V - E_gaba) + Ie + stimulation
u' = a (b (V - Vr) - u)          g_ampa' = -g_ampa/tau          g_gaba' = -g_gaba/tau
When V is above thr at the end of a step: V = c, u = u + d, and both are held for a while.
An event adds its weights to the conductances, which go on in the refractory period too.

Maith et al. (2021) Eur. J. Neurosci. 53:2278, doi:10.1111/ejn.14868;
Meier et al. (2022) Exp. Neurol. 354:114111, doi:10.1016/j.expneurol.2022.114111.

One step of the classic Runge-Kutta scheme in V and u; the conductances decay exactly. In the
upstroke V grows by a factor of about 2 in 0.1 ms, where Euler's step would be late by one.

The stimulation of a step is its mean over the step, from the charge delivered so far. So every
pulse delivers its whole charge, whatever the step and wherever the pulse begins.
ENDCOMMENT

NEURON {
    POINT_PROCESS IzhikevichAmpaGaba
    RANGE a, b, c, d, C, Ie, n0, n1, n2, Vr, thr, V_init, u_init
    RANGE V, u, g_ampa, g_gaba, held_until, delivered, half
    RANGE E_ampa, E_gaba, tau, refractory
    RANGE stim_start, stim_stop, stim_current, pulse_rate, pulse_amplitude, pulse_width, recharge
    THREADSAFE
}

PARAMETER {
    a = 0.02 (/ms)
    b = 0.2
    c = -65 (mV)
    d = 2
    C = 1
    Ie = 0 (mV/ms)
    n0 = 140 (mV/ms)
    n1 = 5 (/ms)
    n2 = 0.04 (/mV-ms)
    Vr = 0 (mV)
    thr = 30 (mV)
    V_init = -70 (mV)
    u_init = -18.55
    E_ampa = 0 (mV)
    E_gaba = -90 (mV)
    tau = 10 (ms)
    refractory = 10 (ms)
    stim_start = 0 (ms)
    stim_stop = 0 (ms)
    stim_current = 0 (mV/ms)     : constant part
    pulse_rate = 0 (/s)
    pulse_amplitude = 0 (mV/ms)
    pulse_width = 0 (ms)
    recharge = 0                 : > 0: a second phase, so many times longer and weaker, returns the charge
}

ASSIGNED {
    dt (ms)
    half                         : decay of the conductances in half a step
    V (mV)
    u
    g_ampa (/ms)
    g_gaba (/ms)
    held_until (ms)
    delivered (mV)               : by the electrode so far
}

INITIAL {
    V = V_init
    u = u_init
    g_ampa = 0
    g_gaba = 0
    held_until = -1e9
    delivered = 0
    half = exp(-0.5 * dt / tau)
    net_send(0, 1)
}

BREAKPOINT {
    SOLVE advance METHOD after_cvode
}

: t is the end of the step here.
PROCEDURE advance() {
    LOCAL I, ea, eg, q, v1, v2, v3, v4, w1, w2, w3, w4, x, y
    I = Ie
    if (stim_stop > stim_start) {
        q = charge(t)
        I = I + (q - delivered) / dt
        delivered = q
    }
    ea = g_ampa * half
    eg = g_gaba * half
    if (t > held_until + 0.5 * dt) {
        v1 = slope(V, u, g_ampa, g_gaba) + I
        w1 = a * (b * (V - Vr) - u)
        x = V + 0.5 * dt * v1
        y = u + 0.5 * dt * w1
        v2 = slope(x, y, ea, eg) + I
        w2 = a * (b * (x - Vr) - y)
        x = V + 0.5 * dt * v2
        y = u + 0.5 * dt * w2
        v3 = slope(x, y, ea, eg) + I
        w3 = a * (b * (x - Vr) - y)
        x = V + dt * v3
        y = u + dt * w3
        v4 = slope(x, y, ea * half, eg * half) + I
        w4 = a * (b * (x - Vr) - y)
        V = V + dt * (v1 + 2 * v2 + 2 * v3 + v4) / 6
        u = u + dt * (w1 + 2 * w2 + 2 * w3 + w4) / 6
    }
    g_ampa = ea * half
    g_gaba = eg * half
}

FUNCTION slope(x, y, ea, eg) {
    slope = (n2 * x + n1) * x + n0 - y / C - ea * (x - E_ampa) - eg * (x - E_gaba)
}

: Integral of the stimulation up to a time.
FUNCTION charge(time) {
    LOCAL on, period, phase, n, back
    on = time
    if (on > stim_stop) {
        on = stim_stop
    }
    on = on - stim_start
    if (on < 0) {
        on = 0
    }
    charge = stim_current * on
    if (pulse_rate > 0) {
        period = 1000 / pulse_rate
        n = floor(on / period)
        phase = on - n * period
        if (phase < pulse_width) {
            charge = charge + pulse_amplitude * phase
        } else {
            charge = charge + pulse_amplitude * pulse_width
            if (recharge > 0) {
                back = (phase - pulse_width) / recharge
                if (back > pulse_width) {
                    back = pulse_width
                }
                charge = charge - pulse_amplitude * back
            }
        }
        if (recharge <= 0) {
            charge = charge + n * pulse_amplitude * pulse_width
        }
    }
}

NET_RECEIVE (w_ampa (/ms), w_gaba (/ms)) {
    INITIAL {
        : Without this block NEURON sets every weight but the first to 0.
    }
    if (flag == 1) {
        WATCH (V > thr) 2
    } else if (flag == 2) {
        V = c
        u = u + d
        held_until = t + refractory
    } else {
        g_ampa = g_ampa + w_ampa
        g_gaba = g_gaba + w_gaba
    }
}
