#include "shim/domain/file.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/os.h"

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

bool domain_file_name(char path[DOMAIN_FILE_PATH], const char *kind, unsigned version, const char *name)
{
    struct stat namespace;
    if (strlen(name) > DOMAIN_NAME_MOST)
        return false;
    if (os_stat("/proc/self/ns/pid", &namespace))
    namespace.st_ino = 0;
    char *at = put_text(put_text(path, "/dev/shm/unirun-"), kind);
    at = put_number(at, version);
    at = put_number(put_text(at, "."), geteuid());
    at = put_number(put_text(at, "."), namespace.st_ino);
    at = put_text(put_text(at, "."), name);
    *at = '\0';
    return true;
}

/* Ours alone. */
static bool is_ours(const struct stat *file)
{
    return S_ISREG(file->st_mode) && file->st_uid == geteuid() && !(file->st_mode & 077) && file->st_nlink == 1;
}

int domain_file_open(const char *path, int flags, struct stat *file)
{
    /* O_NONBLOCK: somebody may hold a lease on it (fcntl(2), F_SETLEASE). */
    int fd = os_open(path, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (fd < 0)
        return -1;
    if (os_fstat(fd, file) == 0 && is_ours(file))
        return fd;
    os_close(fd);
    return -1;
}
