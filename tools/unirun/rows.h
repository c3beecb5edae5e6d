/* The rows of shim/switchboard/symbols.def and families.def, as data. */
#ifndef UNIRUN_TOOLS_ROWS_H
#define UNIRUN_TOOLS_ROWS_H

#include <stdbool.h>
#include <stddef.h>

enum provider {
#define PROVIDER(id, soname) PROVIDER_##id,
#include "shim/switchboard/families.def"
    PROVIDERS
};

/* The soname of a provider. */
const char *provider_soname(enum provider provider);

enum disposition { DISPOSITION_SHIM, DISPOSITION_SHIM_AT, DISPOSITION_STUB, DISPOSITION_SKIP };

struct row {
    enum provider provider;
    enum disposition disposition;
    const char *name;
    const char *family;          /* NULL for SKIP, which names none */
    const char *const *versions; /* up to NULL; of SHIM_AT with their @ or @@; NULL for SKIP */
    const char *reason;          /* of SKIP; NULL otherwise */
    bool managed;                /* managed mode does not merely forward it */
};

/* The i-th row, or NULL past the last. */
const struct row *row_at(size_t i);

/* The row of a provider's name; NULL where there is none. Of several SHIM_AT rows the first. */
const struct row *row_find(enum provider provider, const char *name);

/* The family whose pattern `name` matches, or NULL. */
const char *family_of(enum provider provider, const char *name);

/* "shim", "stub" or "skip". */
const char *disposition_name(enum disposition disposition);

#endif
