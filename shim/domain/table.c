#include "shim/domain/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/atomic.h"
#include "shim/libc.h"
#include "shim/os.h"

/* ---- the file's name ---- */

enum { NAME_MOST = 64, FILE_PATH = NAME_MOST + 96 };

static char *put_text(char *at, const char *text)
{
    size_t length = strlen(text);
    memcpy(at, text, length);
    return at + length;
}

static char *put_number(char *at, uint64_t number)
{
    char digits[20];
    int count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count)
        *at++ = digits[--count];
    return at;
}

/* "/dev/shm/unirun-1.UID.NAMESPACE.NAME": process ids mean something only among the processes that share them. */
static bool name_file(char path[FILE_PATH], const char *name)
{
    struct stat namespace;
    if (strlen(name) > NAME_MOST)
        return false;
    if (os_stat("/proc/self/ns/pid", &namespace))
    namespace.st_ino = 0;
    char *at = put_text(path, "/dev/shm/unirun-");
    at = put_number(at, TABLE_VERSION);
    at = put_number(put_text(at, "."), geteuid());
    at = put_number(put_text(at, "."), namespace.st_ino);
    at = put_text(put_text(at, "."), name);
    *at = '\0';
    return true;
}

/* ---- the file ---- */

/* Ours alone: nobody else can have put it there, nor write it. */
static bool is_ours(const struct stat *file)
{
    return S_ISREG(file->st_mode) && file->st_uid == geteuid() && !(file->st_mode & 077) && file->st_nlink == 1;
}

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

static struct table *map_file(int fd)
{
    struct stat file;
    if (os_fstat(fd, &file) || !is_ours(&file) || !has_room(fd, &file))
        return NULL;
    void *memory = libc.mmap(NULL, sizeof(struct table), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, sizeof(struct table), MADV_DONTFORK);
    return memory;
}

struct table *table_map(const char *name)
{
    /* O_NONBLOCK: somebody may hold a lease on it (fcntl(2), F_SETLEASE). */
    const int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    char path[FILE_PATH];
    int saved = errno;
    struct table *table = NULL;
    int fd = name_file(path, name) ? os_open(path, flags, 0600) : -1;
    if (fd >= 0) {
        table = map_file(fd);
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
