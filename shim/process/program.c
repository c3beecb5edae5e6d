#include "shim/process/program.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/os.h"
#include "shim/text.h"

/* ---- where it is ---- */

static bool is_executable(const char *path)
{
    struct stat file;
    return os_stat(path, &file) == 0 && S_ISREG(file.st_mode) && os_call(SYS_faccessat, AT_FDCWD, path, X_OK) == 0;
}

/* `name` is "NAME=". */
static const char *variable(const char *name)
{
    for (char **entry = environ; entry && *entry; entry++) {
        const char *value = text_rest(*entry, name);
        if (value)
            return value;
    }
    return NULL;
}

bool program_find(const char *file, char path[PROGRAM_PATH])
{
    size_t length = strlen(file);
    const char *directories = variable("PATH=");
    if (strchr(file, '/') || !directories) {
        directories = strchr(file, '/') ? "" : "/bin:/usr/bin"; /* as libc does where there is no PATH */
        if (!*directories) {
            memcpy(path, file, length < PROGRAM_PATH ? length + 1 : 0);
            return length < PROGRAM_PATH;
        }
    }
    for (;; directories++) {
        size_t directory = strcspn(directories, ":");
        if (directory + 1 + length < PROGRAM_PATH) {
            memcpy(path, directories, directory);
            path[directory] = '/';
            memcpy(path + directory + !!directory, file, length + 1); /* an empty one is the current directory */
            if (is_executable(path))
                return true;
        }
        directories += directory;
        if (!*directories)
            return false;
    }
}

/* ---- what it is ---- */

union start {
    char text[1024];
    Elf64_Ehdr elf;
};

/* set-group-ID without permission to execute for the group means something else, and is ignored. */
static bool changes_identity(const struct stat *file)
{
    bool user = file->st_mode & S_ISUID && file->st_uid != os_call(SYS_getuid);
    bool group = (file->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && file->st_gid != os_call(SYS_getgid);
    return user || group;
}

/* Linux ignores either under this; a mount without set-ID is left out here. */
static bool may_gain_privileges(void)
{
    return os_call(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) != 1;
}

/* Root has all of them without the file's help. */
static bool gains_capabilities(int fd)
{
    char value[64];
    return os_call(SYS_getuid) != 0 && may_gain_privileges() &&
           os_call(SYS_fgetxattr, fd, "security.capability", value, sizeof value) > 0;
}

static bool is_native(const Elf64_Ehdr *header)
{
    return header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_machine == EM_X86_64;
}

/* The loader has no interpreter, but loads a program, and LD_PRELOAD with it. */
static bool is_loader(const char *path)
{
    const char *base = text_base(path);
    return text_rest(base, "ld-") || text_rest(base, "ld.so");
}

/* The interpreter's path, of which the end tells whose it is; empty: there is none. Linkers put it behind the headers.
 */
static void read_interpreter(int fd, const union start *start, char path[64])
{
    path[0] = '\0';
    for (unsigned i = 0; i < start->elf.e_phnum; i++) {
        size_t at = start->elf.e_phoff + (size_t)i * sizeof(Elf64_Phdr);
        Elf64_Phdr header;
        if (at > sizeof *start - sizeof header)
            return;
        memcpy(&header, start->text + at, sizeof header);
        if (header.p_type != PT_INTERP)
            continue;
        size_t length = header.p_filesz < 63 ? header.p_filesz : 63;
        bool is_read = header.p_offset <= sizeof *start - length;
        if (is_read)
            memcpy(path, start->text + header.p_offset, length);
        path[is_read || os_read_at(fd, path, length, (int64_t)header.p_offset) ? length : 0] = '\0';
        return;
    }
}

static void read_elf(int fd, const char *path, const union start *start, const struct stat *file,
                     struct program_facts *facts)
{
    char interpreter[64];
    *facts = (struct program_facts){.foreign = !is_native(&start->elf)};
    if (facts->foreign)
        return;
    read_interpreter(fd, start, interpreter);
    facts->dynamic = *interpreter || is_loader(path);
    facts->musl = text_rest(text_base(interpreter), "ld-musl");
    facts->changes_identity = changes_identity(file) && may_gain_privileges();
    facts->gains_capabilities = gains_capabilities(fd);
}

/* "#! INTERPRETER [ARGUMENT]"; whether that is what `start` begins with. */
static bool read_script(union start *start, char path[PROGRAM_PATH])
{
    char *line = start->text;
    if (line[0] != '#' || line[1] != '!')
        return false;
    line[sizeof start->text - 1] = '\0';
    line += 2 + strspn(line + 2, " \t");
    size_t length = strcspn(line, " \t\n");
    if (!length || length >= PROGRAM_PATH)
        return false;
    memcpy(path, line, length);
    path[length] = '\0';
    return true;
}

/* A shared object or core file is none; what is neither ELF nor a script, nobody can tell. */
static bool read_file(const char *path, struct program_facts *facts, char script[PROGRAM_PATH])
{
    union start start;
    struct stat file;
    int fd = os_open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
    script[0] = '\0';
    if (fd < 0)
        return false;
    memset(&start, 0, sizeof start);
    os_read_at(fd, &start, sizeof start, 0); /* a short file is less */
    bool is_elf = os_fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && memcmp(start.elf.e_ident, ELFMAG, SELFMAG) == 0;
    if (is_elf)
        read_elf(fd, path, &start, &file, facts);
    os_close(fd);
    return is_elf || read_script(&start, script);
}

bool program_read(const char *path, struct program_facts *facts)
{
    char script[2][PROGRAM_PATH];
    bool is_known = read_file(path, facts, script[0]);
    /* Linux lets an interpreter be a script in turn, a few times (binfmt_script). */
    for (int i = 0; i < 4 && is_known && script[i % 2][0]; i++)
        is_known = read_file(script[i % 2], facts, script[(i + 1) % 2]);
    return is_known;
}
