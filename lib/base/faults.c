/* faults.c: what the system may refuse, refused on purpose. Every allocation, write,
 * sync, rename and start of a thread asks here first, so that tests can walk through each
 * of them. */
#include "base/base.h"
#include <stdatomic.h>

static struct {
    atomic_long until; /* calls until the one that fails; 0 or less: none will */
    atomic_long made;
} count[RJ_FAULTS];
static _Atomic(rj_fault_act) instead;

bool rj_fault_due(enum rj_fault kind)
{
    rj_fault_act act;

    atomic_fetch_add(&count[kind].made, 1);
    if (atomic_load(&count[kind].until) <= 0 ||
        atomic_fetch_sub(&count[kind].until, 1) != 1)
        return false;
    act = atomic_load(&instead);
    if (act)
        act();
    return true;
}

long rj_fault_at(enum rj_fault kind, long n, rj_fault_act act)
{
    atomic_store(&instead, act);
    atomic_store(&count[kind].until, n);
    return atomic_exchange(&count[kind].made, 0);
}
