#include "shim/domain/file.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "shim/os.h"

static char *put_text(char *at, const char *text)
{
    while (*text)
        *at++ = *text++;
    return at;
}

static bool is_short(const char *name)
{
    size_t length = 0;
    while (length <= DOMAIN_NAME_MOST && name[length])
        length++;
    return length <= DOMAIN_NAME_MOST;
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

bool domain_table_name(char path[DOMAIN_FILE_PATH], unsigned version, const char *name)
{
    struct stat namespace;
    if (!is_short(name))
        return false;
    if (os_stat("/proc/self/ns/pid", &namespace))
    namespace.st_ino = 0;
    char *at = put_number(put_text(path, "/dev/shm/unirun-"), version);
    at = put_number(put_text(at, "."), (uint64_t)os_call(SYS_geteuid));
    at = put_number(put_text(at, "."), namespace.st_ino);
    *put_text(put_text(at, "."), name) = '\0';
    return true;
}

bool domain_programs_name(char path[DOMAIN_FILE_PATH], unsigned version, unsigned uid, const char *name)
{
    if (!is_short(name))
        return false;
    char *at = put_number(put_text(path, "/dev/shm/unirun-programs-"), version);
    at = put_number(put_text(at, "."), uid);
    *put_text(put_text(at, "."), name) = '\0';
    return true;
}

int domain_file_open(const char *path, int flags)
{
    /* O_NONBLOCK: somebody may hold a lease on it (fcntl(2), F_SETLEASE). */
    return os_open(path, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
}

bool domain_file_is_ours(int fd, struct stat *file)
{
    return os_fstat(fd, file) == 0 && S_ISREG(file->st_mode) && file->st_uid == os_call(SYS_geteuid) &&
           !(file->st_mode & 077) && file->st_nlink == 1;
}
