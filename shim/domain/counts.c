/* How many CPUs a program is told of, in managed mode. */
#include "shim/verdict.h"

#define CALLER __builtin_return_address(0)

long managed_sysconf(int name)
{
    if (name == _SC_NPROCESSORS_ONLN)
        may_manage(REQUEST_CPU_COUNT, SYMBOL_sysconf, CALLER);
    return real.sysconf(name);
}

long managed___sysconf(int name)
{
    if (name == _SC_NPROCESSORS_ONLN)
        may_manage(REQUEST_CPU_COUNT, SYMBOL___sysconf, CALLER);
    return real.__sysconf(name);
}

int managed_get_nprocs(void)
{
    may_manage(REQUEST_CPU_COUNT, SYMBOL_get_nprocs, CALLER);
    return real.get_nprocs();
}
