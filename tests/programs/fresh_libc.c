/* What libc keeps for a thread. */
#include <dlfcn.h>
#include <locale.h>
#include <netdb.h>
#include <resolv.h>

#include "fresh.h"
#include "posix_cases.h"

static void set_errno(void)
{
    errno = 44;
}

static void look_errno(void)
{
    find("%d", errno);
}

static void set_dlerror(void)
{
    dlopen("/nonexistent.so", RTLD_NOW);
}

static void look_dlerror(void)
{
    const char *text = dlerror();
    find("%s", text ? text : "none");
}

static void set_h_errno(void)
{
    h_errno = NO_RECOVERY;
}

static void look_h_errno(void)
{
    find("%d", h_errno);
}

static void set_resolver(void)
{
    res_init();
    _res.retrans = 77;
    _res.options |= RES_DEBUG;
}

static void look_resolver(void)
{
    find("initialised %d, debug %d", (_res.options & RES_INIT) != 0, (_res.options & RES_DEBUG) != 0);
}

static void set_locale(void)
{
    static locale_t locale;
    if (!locale)
        locale = newlocale(LC_ALL_MASK, "C", NULL);
    uselocale(locale);
}

static void look_locale(void)
{
    find("%d", uselocale(NULL) == LC_GLOBAL_LOCALE);
}

static void set_cancel(void)
{
    int old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old);
}

static void look_cancel(void)
{
    int state, type;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
    find("%d %d", state, type);
}

const struct row libc_rows[] = {
    {"errno", NULL, set_errno, look_errno, WHOLE, false},
    {"dlerror", NULL, set_dlerror, look_dlerror, WHOLE, false},
    {"h_errno", NULL, set_h_errno, look_h_errno, WHOLE, false},
    {"resolver", NULL, set_resolver, look_resolver, WHOLE, false},
    {"locale", NULL, set_locale, look_locale, WHOLE, false},
    {"cancellation", NULL, set_cancel, look_cancel, WHOLE, false},
    {0},
};
