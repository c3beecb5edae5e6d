#include "shim/domain/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "shim/atomic.h"
#include "shim/domain/file.h"
#include "shim/libc.h"
#include "shim/os.h"

/* Memory that is not there when it is written to is a SIGBUS, and a file beyond the limit a SIGXFSZ. */
static bool has_room(int fd, const struct stat *file)
{
    struct rlimit limit;
    if (file->st_size == sizeof(struct table))
        return true;
    if (file->st_size != 0 || libc.getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur < sizeof(struct table))
        return false;
    return os_allocate(fd, sizeof(struct table)) == 0;
}

static struct table *map_file(int fd, const struct stat *file)
{
    if (!has_room(fd, file))
        return NULL;
    void *memory = libc.mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, sizeof(struct table), MADV_DONTFORK);
    return memory;
}

struct table *table_map(const char *name)
{
    char path[DOMAIN_FILE_PATH];
    struct stat file;
    int saved = errno;
    struct table *table = NULL;
    bool is_named = domain_table_name(path, TABLE_VERSION, name);
    int fd = is_named ? domain_file_open(path, O_RDWR | O_CREAT) : -1;
    if (fd >= 0) {
        table = domain_file_is_ours(fd, &file) ? map_file(fd, &file) : NULL;
        os_close(fd);
    }
    if (table) {
        uint64_t magic = 0;
        /* Relaxed: a new file is all zero, which is an empty table; the word only says that it is one. */
        __atomic_compare_exchange_n(&table->magic, &magic, TABLE_MAGIC, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
        if (!table_is_sound(table)) {
            libc.munmap(table, sizeof *table);
            table = NULL;
        }
    }
    errno = saved;
    return table;
}
