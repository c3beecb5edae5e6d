#include "tools/unirun/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/unirun/command.h"

/* Linux looks at so much of a script (BINPRM_BUF_SIZE). */
enum { HEAD = 256 };

/* ---- a name to a file ---- */

/* 0, or why execve() would refuse the file. */
static int refusal(const char *path)
{
    struct stat file;
    if (stat(path, &file))
        return errno;
    if (!S_ISREG(file.st_mode) || access(path, X_OK))
        return EACCES;
    return 0;
}

/* PATH's default is that of execvp(). */
static char *find_in_path(const char *name)
{
    const char *path = getenv("PATH");
    int error = ENOENT;
    path = path ? path : "/bin:/usr/bin";
    for (const char *end;; path = end + 1) {
        end = strchrnul(path, ':');
        char *file = format_text("%.*s%s%s", (int)(end - path), path, end > path ? "/" : "./", name);
        int refused = refusal(file);
        if (!refused)
            return file;
        free(file);
        /* As execvp(): a file that may not be executed is worth telling if nothing better is found. */
        error = refused == EACCES ? EACCES : error;
        if (!*end)
            break;
    }
    errno = error;
    return NULL;
}

char *program_find(const char *name)
{
    int refused = ENOENT;
    if (*name && !strchr(name, '/'))
        return find_in_path(name);
    if (*name)
        refused = refusal(name);
    errno = refused;
    return refused ? NULL : needed(strdup(name));
}

/* ---- scripts ---- */

#define BLANKS " \t"

static bool read_head(const char *path, char head[HEAD])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd < 0 ? -1 : read(fd, head, HEAD - 1);
    if (fd >= 0)
        close(fd);
    head[got > 0 ? got : 0] = 0;
    return got > 0;
}

/* The next word of `*text`, which ends there with a NUL; NULL at the end. */
static char *next_word(char **text)
{
    char *word = *text + strspn(*text, BLANKS);
    char *end = word + strcspn(word, BLANKS);
    *text = *end ? end + 1 : end;
    *end = 0;
    return *word ? word : NULL;
}

static bool takes_value(const char *option)
{
    return !strcmp(option, "-u") || !strcmp(option, "-C") || !strcmp(option, "-a");
}

/* The program that env is given: what is neither an option nor an assignment. "-S" and what it joins are an option that
 * the next words belong to; -SNAME has the name with it. */
static char *env_program(char *arguments)
{
    for (char *word; (word = next_word(&arguments));) {
        if (!strncmp(word, "-S", 2) && word[2])
            word += 2;
        if (takes_value(word))
            next_word(&arguments);
        else if (*word != '-' && !strchr(word, '='))
            return word;
    }
    return NULL;
}

static bool is_env(const char *path)
{
    const char *slash = strrchr(path, '/');
    return !strcmp(slash ? slash + 1 : path, "env");
}

static void add(struct program *program, char *path)
{
    if (path && program->count < PROGRAM_CHAIN)
        program->path[program->count++] = path;
    else
        free(path);
}

/* Adds what `path` is interpreted by. Returns whether that may be a script itself. */
static bool add_interpreters(struct program *program, const char *path)
{
    char head[HEAD];
    if (!read_head(path, head))
        return false;
    if (strncmp(head, "#!", 2)) {
        /* execve() takes it for no program, so execvp() gives it to the shell. */
        if (strncmp(head, ELFMAG, SELFMAG))
            add(program, needed(strdup("/bin/sh")));
        return false;
    }
    char *line = head + 2;
    line[strcspn(line, "\n")] = 0;
    char *interpreter = next_word(&line);
    if (!interpreter)
        return false;
    add(program, needed(strdup(interpreter)));
    if (is_env(interpreter)) {
        char *name = env_program(line);
        add(program, name ? program_find(name) : NULL);
    }
    return true;
}

void program_follow(const char *path, struct program *program)
{
    *program = (struct program){.count = 0};
    add(program, needed(strdup(path)));
    for (size_t before = 0; before < program->count && program->count < PROGRAM_CHAIN;) {
        before = program->count;
        if (!add_interpreters(program, program->path[before - 1]))
            break;
    }
}

void program_free(struct program *program)
{
    for (size_t i = 0; i < program->count; i++)
        free(program->path[i]);
}
