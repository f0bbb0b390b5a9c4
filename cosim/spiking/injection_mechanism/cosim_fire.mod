TITLE Many NetCon events in one call

COMMENT
What a Python loop over NetCon.event does, without the loop: nrn_netcon_event is the function
behind NetCon.event, so the event queue holds the same items either way, and what is left in it at
the end of a call, of a window or in a SaveState does not tell how they came there. No instance of
anything is made and no state is kept.

Addresses travel as the bits of a Vector's elements.
ENDCOMMENT

NEURON { SUFFIX nothing }

VERBATIM
#include "hocdec.h"
#include <cstddef>
#include <cstring>
class NetCon;
void nrn_netcon_event(NetCon*, double);
ENDVERBATIM

: cosim_note(List of NetCons, Vector of its length): write down where each connection is.
PROCEDURE cosim_note() {
VERBATIM
    Object* connections = *hoc_objgetarg(1);
    double* noted = vector_vec(vector_arg(2));
    const int n = ivoc_list_count(connections);
    if (n != vector_capacity(vector_arg(2))) {
        hoc_execerror("cosim_note: the Vector is not as long as the List", nullptr);
    }
    for (int i = 0; i < n; ++i) {
        Object* connection = ivoc_list_item(connections, i);
        if (!is_obj_type(connection, "NetCon")) {
            hoc_execerror("cosim_note: the List holds something other than NetCons", nullptr);
        }
        std::memcpy(noted + i, &connection->u.this_pointer, sizeof(void*));
    }
ENDVERBATIM
}

: cosim_fire(noted, Vector of numbers of connections, Vector of times in ms, how many of them)
PROCEDURE cosim_fire() {
VERBATIM
    const double* noted = vector_vec(vector_arg(1));
    const double* which = vector_vec(vector_arg(2));
    const double* times = vector_vec(vector_arg(3));
    const int n = static_cast<int>(*getarg(4));
    const auto at = [&](int i) {
        NetCon* connection;
        std::memcpy(&connection, noted + static_cast<std::size_t>(which[i]), sizeof connection);
        return connection;
    };
    for (int i = 0; i < n; ++i) {
        if (i + 8 < n) {
            __builtin_prefetch(at(i + 8));  // a solve has driven the connections out of the caches
        }
        nrn_netcon_event(at(i), times[i]);
    }
ENDVERBATIM
}
