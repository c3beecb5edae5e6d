#include "tools/unirun/rows.h"

#include <fnmatch.h>
#include <string.h>

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static const char *const sonames[] = {
#define PROVIDER(id, soname) soname,
#include "shim/switchboard/families.def"
};

static const struct {
    enum provider provider;
    const char *family, *pattern;
} families[] = {
#define FAMILY(provider, family, pattern) {PROVIDER_##provider, #family, pattern},
#include "shim/switchboard/families.def"
};

#define VERSIONS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define AT(...) ((const char *const[]){__VA_ARGS__, NULL})
#define ROUTE_MANAGED true
#define ROUTE_FORWARD false

static const struct row rows[] = {
#define SHIM(provider, family, name, versions, ret, params, args, route)                                               \
    {PROVIDER_##provider, DISPOSITION_SHIM, #name, #family, versions, NULL, ROUTE_##route},
#define SHIM_AT(provider, family, id, name, versions, ret, params, args, route)                                        \
    {PROVIDER_##provider, DISPOSITION_SHIM_AT, #name, #family, versions, NULL, ROUTE_##route},
#define STUB(provider, family, name, versions, route)                                                                  \
    {PROVIDER_##provider, DISPOSITION_STUB, #name, #family, versions, NULL, ROUTE_##route},
#define SKIP(provider, name, reason) {PROVIDER_##provider, DISPOSITION_SKIP, #name, NULL, NULL, reason, false},
#include "shim/switchboard/symbols.def"
};

const char *provider_soname(enum provider provider)
{
    return sonames[provider];
}

const struct row *row_at(size_t i)
{
    return i < LENGTH(rows) ? &rows[i] : NULL;
}

const struct row *row_find(enum provider provider, const char *name)
{
    for (size_t i = 0; i < LENGTH(rows); i++)
        if (rows[i].provider == provider && !strcmp(rows[i].name, name))
            return &rows[i];
    return NULL;
}

const char *family_of(enum provider provider, const char *name)
{
    for (size_t i = 0; i < LENGTH(families); i++)
        if (families[i].provider == provider && !fnmatch(families[i].pattern, name, 0))
            return families[i].family;
    return NULL;
}

const char *disposition_name(enum disposition disposition)
{
    static const char *const names[] = {"shim", "shim", "stub", "skip"};
    return names[disposition];
}
