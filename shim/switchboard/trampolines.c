/* The exported functions that C can forward: all the code there is on the passthrough path.
 *
 * Each compiles to one `jmp *calls+N(%rip)` (-O2, whatever the build type: a test reads the disassembly). The return
 * address therefore stays the caller's, and nothing of ours is on the stack when the program unwinds. */
#undef _FILE_OFFSET_BITS /* with it the headers make one name out of two */

#include "shim/switchboard/switchboard.h"

#define EXPORT __attribute__((visibility("default")))

#define SHIM(provider, family, name, versions, ret, params, args, route)                                               \
    EXPORT ret name params                                                                                             \
    {                                                                                                                  \
        return calls.name args;                                                                                        \
    }

/* A name with several addresses is exported at its versions only: an unversioned definition beside them would answer
 * for every version, depending on the order of the hash chain. `remove` keeps the row's id itself out of the symbol
 * table. */
#define AT(...) __VA_ARGS__
#define SYMVER_1(id, name, at) __asm__(".symver " #id ", " #name at ", remove");
#define SYMVER_2(id, name, at, at2)                                                                                    \
    __asm__(".symver " #id ", " #name at);                                                                             \
    SYMVER_1(id, name, at2)
#define SYMVER_PICK(id, name, at, at2, macro, ...) macro
#define SYMVER(id, name, ...) SYMVER_PICK(id, name, __VA_ARGS__, SYMVER_2, SYMVER_1, )(id, name, __VA_ARGS__)
#define SHIM_AT(provider, family, id, name, versions, ret, params, args, route)                                        \
    EXPORT ret id params;                                                                                              \
    SYMVER(id, name, versions)                                                                                         \
    EXPORT ret id params                                                                                               \
    {                                                                                                                  \
        return calls.id args;                                                                                          \
    }

#include "shim/switchboard/symbols.def"
