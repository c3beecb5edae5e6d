/* The functions of unirun.h. */
#include "shim/startup.h"
#include "shim/unirun.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT const char *unirun_version(void)
{
    return UNIRUN_VERSION;
}

EXPORT const char *unirun_mode(void)
{
    startup();
    return config_mode_name(settings.mode);
}
