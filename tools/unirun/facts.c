#include "tools/unirun/facts.h"

#include <endian.h>
#include <linux/capability.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tools/unirun/elf_file.h"

/* ---- privilege ---- */

/* Linux ignores set-ID bits and file capabilities under either. */
static bool is_privilege_off(const char *path)
{
    struct statvfs mount;
    bool nosuid = !statvfs(path, &mount) && mount.f_flag & ST_NOSUID;
    return nosuid || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
}

/* set-group-ID without permission to execute for the group means something else, and is ignored. */
static bool changes_identity(const char *path)
{
    struct stat file;
    if (stat(path, &file))
        return false;
    bool user = file.st_mode & S_ISUID && file.st_uid != getuid();
    bool group = (file.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && file.st_gid != getgid();
    return user || group;
}

static bool gains_any(uint32_t permitted, int first)
{
    for (int bit = 0; bit < 32; bit++)
        if (permitted & UINT32_C(1) << bit && prctl(PR_CAPBSET_READ, first + bit, 0, 0, 0) == 1)
            return true;
    return false;
}

/* Capabilities that the bounding set forbids are not gained. Root has all of them without the file's help. */
static bool gains_capabilities(const char *path)
{
    struct vfs_ns_cap_data caps = {0};
    ssize_t size = getxattr(path, "security.capability", &caps, sizeof caps);
    if (getuid() == 0 || size < (ssize_t)XATTR_CAPS_SZ_1)
        return false;
    bool two_words = size >= (ssize_t)XATTR_CAPS_SZ_2;
    return le32toh(caps.magic_etc) & VFS_CAP_FLAGS_EFFECTIVE || gains_any(le32toh(caps.data[0].permitted), 0) ||
           (two_words && gains_any(le32toh(caps.data[1].permitted), 32));
}

/* ---- what the file says ---- */

static void check_needed(const char *name, void *data)
{
    static const char *const runtimes[] = {
        "libasan.so",       "libtsan.so",       "liblsan.so",       "libhwasan.so",       "libmsan.so",
        "libclang_rt.asan", "libclang_rt.tsan", "libclang_rt.lsan", "libclang_rt.hwasan", "libclang_rt.msan",
    };
    for (size_t i = 0; i < sizeof runtimes / sizeof *runtimes; i++)
        if (!strncmp(name, runtimes[i], strlen(runtimes[i])))
            *(bool *)data = true;
}

/* Linked in statically, a runtime still gives its entry points to the libraries of the program. */
static void check_symbol(const struct elf_symbol *symbol, void *data)
{
    static const char *const entries[] = {"__asan_init", "__tsan_init", "__msan_init", "__hwasan_init", "__lsan_init"};
    for (size_t i = 0; symbol->defined && i < sizeof entries / sizeof *entries; i++)
        if (!strcmp(symbol->name, entries[i]))
            *(bool *)data = true;
}

static bool has_sanitizer(const struct elf_file *file)
{
    bool found = false;
    elf_file_needed(file, check_needed, &found);
    elf_file_symbols(file, check_symbol, &found);
    return found;
}

static void check_soname(const char *name, void *data)
{
    if (!strncmp(name, "ld-", 3))
        *(bool *)data = true;
}

/* The loader has no interpreter, but loads a program, and LD_PRELOAD with it. */
static bool is_loader(const struct elf_file *file)
{
    bool found = false;
    elf_file_soname(file, check_soname, &found);
    return found;
}

static bool is_go(const struct elf_file *file)
{
    return elf_file_has_section(file, ".go.buildinfo") || elf_file_has_section(file, ".note.go.buildid");
}

static struct program_facts read_native(const struct elf_file *file, const char *path)
{
    const char *interpreter = elf_file_interpreter(file);
    bool privilege_off = is_privilege_off(path);
    return (struct program_facts){
        .dynamic = interpreter || is_loader(file),
        .musl = interpreter && strstr(interpreter, "ld-musl"),
        .go = is_go(file),
        .sanitizer = has_sanitizer(file),
        .changes_identity = !privilege_off && changes_identity(path),
        .gains_capabilities = !privilege_off && gains_capabilities(path),
    };
}

bool facts_read(const char *path, struct program_facts *facts)
{
    struct elf_file file;
    if (!elf_file_open(&file, path))
        return false;
    /* Of a foreign file nothing else matters, and its details are another machine's. */
    *facts = elf_file_is_native(&file) ? read_native(&file, path) : (struct program_facts){.foreign = true};
    elf_file_close(&file);
    return true;
}

struct program_verdict facts_judge(const struct program *program, size_t *at)
{
    struct program_verdict verdict = {REASON_NONE, true};
    for (*at = 0; *at < program->count; ++*at) {
        struct program_facts facts;
        if (facts_read(program->path[*at], &facts))
            verdict = decide_program(&facts);
        if (verdict.reason != REASON_NONE)
            break;
    }
    return verdict;
}
