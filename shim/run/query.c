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
    /* Before start-up is possible every call is forwarded. */
    return config_mode_name(startup() ? settings.mode : MODE_PASSTHROUGH);
}
