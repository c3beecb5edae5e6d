/* A new thread finds X fresh: each row sets X in a task, and looks in a later one. What the looks say must be what they
 * say where each task has a thread of its own. With a name as argument, only that row.
 *
 * `recycled` (see posix_cases.h) tells for each row how many kernel threads its tasks had. */
#include "fresh.h"

#include "posix_cases.h"

static const struct row *const tables[] = {
    data_rows, libc_rows, inherited_rows, kernel_rows, time_rows, unseen_key_rows,
};

int heavy;

/* ---- where the looks write ---- */

static char found[512];

void find(const char *format, ...)
{
    size_t length = strlen(found);
    va_list list;
    va_start(list, format);
    vsnprintf(found + length, sizeof found - length, format, list);
    va_end(list);
}

/* ---- tasks ---- */

static void *task(void *arg)
{
    void (*run)(void);
    memcpy(&run, arg, sizeof run);
    run();
    return NULL;
}

void in_task(void (*run)(void))
{
    run_in_thread(task, &run);
}

const char *found_in_task(void (*look)(void))
{
    found[0] = 0;
    in_task(look);
    return found;
}

/* ---- rows ---- */

static void look(const struct row *row, const char *when)
{
    say("%s, %s: %s", row->name, when, found_in_task(row->look));
}

static void run_row(const struct row *row)
{
    tasks = 0;
    if (row->make)
        row->make();
    if (row->kind != LATE)
        look(row, "first task");
    heavy = 1;
    in_task(row->set);
    pause_ms(2);
    look(row, "second task");
    heavy = 0;
    for (int i = 0; i < (row->kind == WHOLE ? 997 : 20); i++)
        in_task(row->set);
    pause_ms(2);
    look(row, row->kind == WHOLE ? "thousandth task" : "later");
    write_recycled(row->name);
}

static void run_inherited(void)
{
    tasks = 0;
    in_task(change_one_by_one);
    in_task(change_one_by_one);
    look_and_say("main's");
    write_recycled("inherited");
    change_one_by_one();
}

int main(int argc, char **argv)
{
    alarm(100);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (const struct row *row = tables[i]; row->name; row++)
            if (argc < 2 ? !row->alone : strcmp(argv[1], row->name) == 0)
                run_row(row);
    if (argc < 2 || strcmp(argv[1], "inherited") == 0)
        run_inherited();
    return 0;
}
