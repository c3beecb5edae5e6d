#include "tools/unirun/elf_file.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/unirun/command.h"

bool elf_file_open(struct elf_file *file, const char *path)
{
    elf_version(EV_CURRENT);
    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    file->elf = file->fd < 0 ? NULL : elf_begin(file->fd, ELF_C_READ_MMAP, NULL);
    if (file->elf && elf_kind(file->elf) == ELF_K_ELF && gelf_getehdr(file->elf, &file->header))
        return true;
    elf_file_close(file);
    return false;
}

void elf_file_close(struct elf_file *file)
{
    elf_end(file->elf);
    if (file->fd >= 0)
        close(file->fd);
}

bool elf_file_is_native(const struct elf_file *file)
{
#if defined __x86_64__
    const GElf_Half machine = EM_X86_64;
#elif defined __aarch64__
    const GElf_Half machine = EM_AARCH64;
#else
#error "name this machine"
#endif
    const unsigned char class = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
    return file->header.e_ident[EI_CLASS] == class && file->header.e_machine == machine;
}

/* Text inside the file that ends before the file does; NULL for what a broken file says. */
static const char *text_at(const struct elf_file *file, GElf_Off offset, GElf_Xword length)
{
    size_t size;
    const char *raw = elf_rawfile(file->elf, &size);
    if (!raw || !length || offset >= size || length > size - offset || raw[offset + length - 1])
        return NULL;
    return raw + offset;
}

const char *elf_file_interpreter(const struct elf_file *file)
{
    size_t count = 0;
    GElf_Phdr header;
    elf_getphdrnum(file->elf, &count);
    for (size_t i = 0; i < count && gelf_getphdr(file->elf, (int)i, &header); i++)
        if (header.p_type == PT_INTERP)
            return text_at(file, header.p_offset, header.p_filesz);
    return NULL;
}

/* ---- sections ---- */

static Elf_Scn *find_section(const struct elf_file *file, GElf_Word type, GElf_Shdr *header)
{
    for (Elf_Scn *section = NULL; (section = elf_nextscn(file->elf, section));)
        if (gelf_getshdr(section, header) && header->sh_type == type)
            return section;
    return NULL;
}

bool elf_file_has_section(const struct elf_file *file, const char *name)
{
    size_t names;
    GElf_Shdr header;
    if (elf_getshdrstrndx(file->elf, &names))
        return false;
    for (Elf_Scn *section = NULL; (section = elf_nextscn(file->elf, section));) {
        const char *found = gelf_getshdr(section, &header) ? elf_strptr(file->elf, names, header.sh_name) : NULL;
        if (found && !strcmp(found, name))
            return true;
    }
    return false;
}

static void dynamic_texts(const struct elf_file *file, GElf_Sxword tag, void (*each)(const char *name, void *data),
                          void *data)
{
    GElf_Shdr header;
    GElf_Dyn entry;
    Elf_Scn *section = find_section(file, SHT_DYNAMIC, &header);
    Elf_Data *table = section ? elf_getdata(section, NULL) : NULL;
    for (int i = 0; table && gelf_getdyn(table, i, &entry); i++) {
        const char *name = entry.d_tag == tag ? elf_strptr(file->elf, header.sh_link, entry.d_un.d_val) : NULL;
        if (name)
            each(name, data);
    }
}

void elf_file_needed(const struct elf_file *file, void (*each)(const char *name, void *data), void *data)
{
    dynamic_texts(file, DT_NEEDED, each, data);
}

void elf_file_soname(const struct elf_file *file, void (*each)(const char *name, void *data), void *data)
{
    dynamic_texts(file, DT_SONAME, each, data);
}

/* ---- versions ---- */

enum { INDEX = 0x7fff, HIDDEN = 0x8000 };

/* Calls `each` with the index and name of each version that is defined. */
static void each_definition(const struct elf_file *file,
                            void (*each)(GElf_Half index, GElf_Half flags, const char *name, void *data), void *data)
{
    GElf_Shdr header;
    GElf_Verdef definition;
    GElf_Verdaux name;
    Elf_Scn *section = find_section(file, SHT_GNU_verdef, &header);
    Elf_Data *table = section ? elf_getdata(section, NULL) : NULL;
    for (int at = 0; table && gelf_getverdef(table, at, &definition); at += (int)definition.vd_next) {
        const char *text = gelf_getverdaux(table, at + (int)definition.vd_aux, &name)
                               ? elf_strptr(file->elf, header.sh_link, name.vda_name)
                               : NULL;
        if (text)
            each(definition.vd_ndx & INDEX, definition.vd_flags, text, data);
        if (!definition.vd_next)
            break;
    }
}

struct definition_names {
    const char *name[INDEX + 1];
};

static void note_definition(GElf_Half index, GElf_Half flags, const char *name, void *data)
{
    struct definition_names *names = data;
    if (!(flags & VER_FLG_BASE))
        names->name[index] = name;
}

struct version_call {
    void (*each)(const char *version, void *data);
    void *data;
};

static void give_version(GElf_Half index, GElf_Half flags, const char *name, void *data)
{
    const struct version_call *call = data;
    (void)index;
    if (!(flags & VER_FLG_BASE))
        call->each(name, call->data);
}

void elf_file_versions(const struct elf_file *file, void (*each)(const char *version, void *data), void *data)
{
    each_definition(file, give_version, &(struct version_call){each, data});
}

/* ---- symbols ---- */

static bool is_function(const GElf_Sym *symbol)
{
    unsigned char type = GELF_ST_TYPE(symbol->st_info);
    return type == STT_FUNC || type == STT_GNU_IFUNC;
}

static struct elf_symbol describe(const GElf_Sym *symbol, const char *name, const struct definition_names *names,
                                  GElf_Versym version)
{
    const char *text = names->name[version & INDEX];
    return (struct elf_symbol){
        .name = name,
        .version = text && symbol->st_shndx != SHN_UNDEF ? text : "",
        .address = symbol->st_value,
        .defined = symbol->st_shndx != SHN_UNDEF,
        .function = is_function(symbol),
        .is_default = !(version & HIDDEN),
    };
}

void elf_file_symbols(const struct elf_file *file, void (*each)(const struct elf_symbol *symbol, void *data),
                      void *data)
{
    GElf_Shdr header, version_header;
    GElf_Sym symbol;
    Elf_Scn *section = find_section(file, SHT_DYNSYM, &header);
    Elf_Scn *version_section = find_section(file, SHT_GNU_versym, &version_header);
    Elf_Data *table = section ? elf_getdata(section, NULL) : NULL;
    Elf_Data *versions = version_section ? elf_getdata(version_section, NULL) : NULL;
    struct definition_names *names = needed(calloc(1, sizeof *names));
    each_definition(file, note_definition, names);
    for (int i = 0; table && gelf_getsym(table, i, &symbol); i++) {
        const char *name = elf_strptr(file->elf, header.sh_link, symbol.st_name);
        GElf_Versym version = 0;
        if (!name || !*name || GELF_ST_BIND(symbol.st_info) == STB_LOCAL)
            continue;
        if (versions)
            gelf_getversym(versions, i, &version);
        struct elf_symbol found = describe(&symbol, name, names, version);
        each(&found, data);
    }
    free(names);
}
