/* An ELF file, read with libelf: what it is, what it needs, which functions it takes and gives. */
#ifndef UNIRUN_TOOLS_ELF_FILE_H
#define UNIRUN_TOOLS_ELF_FILE_H

#include <gelf.h>
#include <stdbool.h>

struct elf_file {
    int fd;
    Elf *elf;
    GElf_Ehdr header;
};

/* Returns false where `path` is no ELF file or cannot be read; then there is nothing to close. */
bool elf_file_open(struct elf_file *file, const char *path);
void elf_file_close(struct elf_file *file);

/* Whether a loader like ours could load it: the same class and machine as this command. */
bool elf_file_is_native(const struct elf_file *file);

/* The program interpreter, or NULL. Valid until the file is closed. */
const char *elf_file_interpreter(const struct elf_file *file);

bool elf_file_has_section(const struct elf_file *file, const char *name);

/* Calls `each` with every DT_NEEDED, or with DT_SONAME. */
void elf_file_needed(const struct elf_file *file, void (*each)(const char *name, void *data), void *data);
void elf_file_soname(const struct elf_file *file, void (*each)(const char *name, void *data), void *data);

/* A dynamic symbol. `version` is "" where there is none. */
struct elf_symbol {
    const char *name, *version;
    GElf_Addr address;
    bool defined, function, is_default;
};

/* Calls `each` with every global or weak symbol of .dynsym. */
void elf_file_symbols(const struct elf_file *file, void (*each)(const struct elf_symbol *symbol, void *data),
                      void *data);

/* Calls `each` with the name of every version that the file defines, but not with the one that is its soname. */
void elf_file_versions(const struct elf_file *file, void (*each)(const char *version, void *data), void *data);

#endif
