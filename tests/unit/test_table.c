/* The domain's table: its layout, and who its rows belong to. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim/domain/member.h"
#include "shim/domain/table.h"
#include "shim/libc.h"
#include "shim/switchboard/switchboard.h"
#include "tests/unit/unit.h"

/* What the shim looks up when it starts. */
struct libc libc = {.getrlimit = getrlimit, .kill = kill, .mmap = mmap, .munmap = munmap};
union switchboard real;

static int set_up(void **state)
{
    (void)state;
    real.prctl = (void *)prctl;
    return 0;
}

/* ---- the layout ---- */

#define FIELD(type, field, offset, size)                                                                               \
    assert_int_equal(offsetof(type, field), offset);                                                                   \
    assert_int_equal(sizeof((type *)0)->field, size)

/* Other versions of the library read and write the same file. Whoever changes a number here changes TABLE_VERSION. */
static void the_layout_is_that_of_its_version(void **state)
{
    (void)state;
    assert_int_equal(TABLE_VERSION, 4);
    assert_int_equal(TABLE_MAGIC, UINT64_C(0x756e6972756e0004));
    assert_int_equal(TABLE_ROWS, 1024);
    FIELD(struct table, magic, 0, 8);
    FIELD(struct table, rows, 8, 4);
    FIELD(struct table, turn, 64, 8);
    FIELD(struct table, tickets, 128, 8);
    FIELD(struct table, moves, 136, 4);
    FIELD(struct table, active, 192, 128);
    FIELD(struct table, row, 4096, 384 * 1024);
    FIELD(struct table_row, owner, 0, 8);
    FIELD(struct table_row, waiting, 8, 4);
    FIELD(struct table_row, waited_ms, 12, 4);
    FIELD(struct table_row, name, 16, 16);
    FIELD(struct table_row, seat, 32, 8);
    FIELD(struct table_row, queued, 40, 4);
    FIELD(struct table_row, running, 44, 4);
    FIELD(struct table_row, parked, 48, 4);
    FIELD(struct table_row, downgrades, 52, 4);
    FIELD(struct table_row, program, 56, 4);
    FIELD(struct table_row, niceness, 60, 2);
    FIELD(struct table_row, verdict, 62, 2);
    FIELD(struct table_row, activity, 64, 8);
    FIELD(struct table_row, want, 128, 160);
    FIELD(struct table_row, session, 288, 4);
    FIELD(struct table_row, wake, 292, 4);
    FIELD(struct table_row, room, 296, 8);
    FIELD(struct table_row, need, 304, 4);
    FIELD(struct table_row, scope, 308, 4);
    FIELD(struct table_row, asked, 312, 4);
    FIELD(struct turn_want, share, 0, 136);
    FIELD(struct turn_want, region_ns, 136, 4);
    FIELD(struct turn_want, gap_ns, 140, 4);
    FIELD(struct turn_want, service_us, 144, 8);
    FIELD(struct turn_want, niceness, 152, 1);
    FIELD(struct turn_want, waits, 153, 1);
    FIELD(struct turn_want, is_crowded, 154, 1);
    FIELD(struct share_want, cpus, 0, 128);
    FIELD(struct share_want, demand, 128, 4);
    FIELD(struct share_want, wish, 132, 4);
    assert_int_equal(sizeof(struct share_want), 136);
    assert_int_equal(sizeof(struct table_row), 384);
}

/* `activity` changes with every region of its owner; what others read while they look for room does not. */
static void what_changes_with_every_region_has_a_cache_line_of_its_own(void **state)
{
    (void)state;
    size_t line = offsetof(struct table_row, activity) / 64;
    assert_int_not_equal(line, offsetof(struct table_row, owner) / 64);
    assert_int_not_equal(line, offsetof(struct table_row, waiting) / 64);
    assert_int_not_equal(line, offsetof(struct table_row, want) / 64);
    assert_int_equal(offsetof(struct table_row, want) % 64, 0);
}

/* ---- niceness ---- */

static void niceness_is_that_of_the_kernel(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0) {
        const struct sched_param none = {0}, some = {1};
        int begun = getpriority(PRIO_PROCESS, 0), wrong = member_niceness() != begun;
        wrong += nice(3) != begun + 3 || member_niceness() != begun + 3;
        wrong += sched_setscheduler(0, SCHED_BATCH, &none) || member_niceness() != begun + 3;
        if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &some) == 0) /* root may */
            wrong += member_niceness() != -21;
        wrong += sched_setscheduler(0, SCHED_IDLE, &none) || member_niceness() != 20;
        _exit(wrong);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* ---- life ---- */

static uint64_t owner_of(pid_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    char *at = strrchr(text, ')');
    assert_non_null(at);
    for (int field = 2; field < 22; field++) {
        at = strchr(at + 1, ' ');
        assert_non_null(at);
    }
    return strtoull(at, NULL, 10) << 32 | (uint32_t)pid;
}

static pid_t start_child(void)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves it behind */
        for (;;)
            pause();
    }
    return child;
}

static void end_child(pid_t child)
{
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void a_process_knows_its_owner_word(void **state)
{
    (void)state;
    assert_int_equal(member_self(), owner_of(getpid()));
    assert_int_equal(member_life(member_self()), LIFE_ALIVE);
}

static void no_name_hides_the_start_time(void **state)
{
    static const char *const names[] = {") S 1 2 3 4 5", ") Z 1 (x) T", "a b\nc", ")))))))))))))))", "(", ""};
    char before[16];
    (void)state;
    uint64_t self = member_self();
    prctl(PR_GET_NAME, before);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        prctl(PR_SET_NAME, names[i]);
        assert_int_equal(member_self(), self);
        assert_int_equal(member_life(self), LIFE_ALIVE);
    }
    prctl(PR_SET_NAME, before);
}

static void a_process_that_was_never_is_dead(void **state)
{
    (void)state;
    static const uint64_t never[] = {0, UINT64_C(1) << 32, INT32_MAX, UINT32_MAX, UINT64_MAX, UINT64_C(0x80000000)};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++)
        assert_int_equal(member_life(never[i]), LIFE_DEAD);
}

static void another_process_of_the_same_number_is_dead(void **state)
{
    (void)state;
    assert_int_equal(member_life(member_self() + (UINT64_C(1) << 32)), LIFE_DEAD);
    /* Without a start time (no /proc of its own) the number alone counts. */
    assert_int_equal(member_life((uint32_t)getpid()), LIFE_ALIVE);
}

static void a_killed_process_is_dead_before_it_is_waited_for_and_after(void **state)
{
    (void)state;
    pid_t child = start_child();
    uint64_t owner = owner_of(child);
    assert_int_equal(member_life(owner), LIFE_ALIVE);
    siginfo_t info;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(member_life(owner), LIFE_DEAD);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(member_life(owner), LIFE_DEAD);
}

static void a_stopped_process_is_stopped_until_it_goes_on(void **state)
{
    (void)state;
    int status;
    pid_t child = start_child();
    uint64_t owner = owner_of(child);
    assert_int_equal(kill(child, SIGSTOP), 0);
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(member_life(owner), LIFE_STOPPED);
    assert_int_equal(kill(child, SIGCONT), 0);
    assert_int_equal(waitpid(child, &status, WCONTINUED), child);
    assert_int_equal(member_life(owner), LIFE_ALIVE);
    end_child(child);
}

static void a_process_that_may_not_be_signalled_is_alive(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        uint64_t parent = owner_of(getppid());
        if (setresgid(64321, 64321, 64321) || setresuid(64321, 64321, 64321))
            _exit(2);
        _exit(member_life(parent) == LIFE_ALIVE ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void asking_leaves_errno_and_no_descriptor(void **state)
{
    (void)state;
    int before = dup(0);
    close(before);
    errno = ENOTTY;
    member_life(member_self());
    member_life(INT32_MAX);
    member_life(0);
    assert_int_equal(errno, ENOTTY);
    int after = dup(0);
    close(after);
    assert_int_equal(before, after);
}

/* ---- rows ---- */

static char domain[32], path[128];
static struct table *table;

static int make_table(void **state)
{
    struct stat namespace;
    (void)state;
    snprintf(domain, sizeof domain, "unit-%d", getpid());
    if (stat("/proc/self/ns/pid", &namespace))
    namespace.st_ino = 0;
    snprintf(path, sizeof path, "/dev/shm/unirun-4.%u.%lu.%s", geteuid(), (unsigned long)namespace.st_ino, domain);
    unlink(path);
    table = table_map(domain);
    return table ? 0 : -1;
}

static int remove_table(void **state)
{
    (void)state;
    munmap(table, sizeof *table);
    return unlink(path);
}

static void a_new_table_is_empty_and_private_to_its_user(void **state)
{
    struct stat file;
    (void)state;
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode, S_IFREG | 0600);
    assert_int_equal(file.st_size, sizeof *table);
    assert_true(file.st_blocks * 512 >= file.st_size); /* writing to it cannot fail */
    assert_int_equal(table->magic, TABLE_MAGIC);
    assert_int_equal(table->rows, 0);
    assert_int_equal(table->turn, 0);
}

static void everybody_maps_the_same_table(void **state)
{
    (void)state;
    struct table *other = table_map(domain);
    assert_non_null(other);
    assert_ptr_equal(member_take_row(table, member_self()), &table->row[0]);
    assert_int_equal(other->row[0].owner, member_self());
    munmap(other, sizeof *other);
}

static void mapping_leaves_errno_and_no_descriptor(void **state)
{
    (void)state;
    int before = dup(0);
    close(before);
    errno = ENOTTY;
    struct table *other = table_map(domain);
    assert_non_null(other);
    assert_null(table_map("no/such/folder"));
    assert_int_equal(errno, ENOTTY);
    int after = dup(0);
    close(after);
    assert_int_equal(before, after);
    munmap(other, sizeof *other);
}

/* Whether the file as it is now would be taken. */
static bool is_taken(void)
{
    struct table *other = table_map(domain);
    if (other)
        munmap(other, sizeof *other);
    return other;
}

static void what_does_not_look_like_our_table_is_not_taken(void **state)
{
    (void)state;
    char link_path[sizeof path + 8];
    snprintf(link_path, sizeof link_path, "%s.link", path);
    assert_true(is_taken());

    assert_int_equal(chmod(path, 0640), 0);
    assert_false(is_taken());
    assert_int_equal(chmod(path, 0600), 0);

    assert_int_equal(link(path, link_path), 0);
    assert_false(is_taken());
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(link_path, path), 0);
    assert_false(is_taken());
    assert_int_equal(rename(link_path, path), 0);

    table->magic++; /* another layout */
    assert_false(is_taken());
    table->magic = TABLE_MAGIC;

    assert_int_equal(truncate(path, sizeof *table + 1), 0);
    assert_false(is_taken());
    assert_int_equal(truncate(path, sizeof *table), 0);
    assert_true(is_taken());
}

static void a_name_that_is_too_long_has_no_table(void **state)
{
    char name[256];
    (void)state;
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_null(table_map(name));
    name[65] = '\0';
    assert_null(table_map(name));
}

/* The start time is wrong, so it is dead, whether there is a process of this number or not. */
static uint64_t dead(unsigned number)
{
    return UINT64_C(0xffffffff) << 32 | (number + 1);
}

/* The same, whose number is another process's by now. */
static uint64_t replaced(unsigned number)
{
    return (uint64_t)(0x40000000 + number) << 32 | 1;
}

static void rows_are_taken_in_order_and_given_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        assert_ptr_equal(member_take_row(table, dead(i)), &table->row[i]);
    assert_int_equal(table->rows, 5);
    member_clear(&table->row[2], dead(2));
    assert_int_equal(table->row[2].owner, 0);
    assert_ptr_equal(member_take_row(table, member_self()), &table->row[2]);
    assert_int_equal(table->rows, 5);
    char name[16];
    prctl(PR_GET_NAME, name);
    assert_string_equal(table->row[2].name, name);
}

static void the_row_of_another_is_not_cleared(void **state)
{
    (void)state;
    struct table_row *row = member_take_row(table, dead(1));
    row->want.share.demand = 2;
    member_clear(row, dead(2));
    assert_int_equal(row->owner, dead(1));
    assert_int_equal(row->want.share.demand, 2);
    member_clear(row, dead(1));
    assert_int_equal(row->owner, 0);
    assert_int_equal(row->want.share.demand, 0);
    assert_int_equal(row->activity, 0);
}

/* exec keeps the process id and the start time. */
static void after_exec_the_row_is_the_same_and_wants_nothing(void **state)
{
    (void)state;
    member_take_row(table, dead(0));
    struct table_row *row = member_take_row(table, dead(1));
    member_clear(&table->row[0], dead(0));
    row->want.share.demand = 2;
    row->activity = UINT64_C(7) << 32 | 1;
    row->waiting = 1;
    assert_ptr_equal(member_take_row(table, dead(1)), row);
    assert_int_equal(row->want.share.demand, 0);
    assert_int_equal((uint32_t)row->activity, 0);
    assert_int_equal(row->waiting, 0);
}

static void a_full_table_is_rid_of_the_dead(void **state)
{
    (void)state;
    pid_t child = start_child();
    for (unsigned i = 0; i < TABLE_ROWS; i++)
        assert_non_null(member_take_row(table, i == 7 ? owner_of(child) : replaced(i)));
    assert_int_equal(table->rows, TABLE_ROWS);
    table->row[7].want.share.demand = 2;
    assert_non_null(member_take_row(table, member_self()));
    unsigned used = 0;
    for (unsigned i = 0; i < TABLE_ROWS; i++)
        used += table->row[i].owner != 0;
    assert_int_equal(used, 2);
    assert_int_equal(table->row[7].owner, owner_of(child));
    assert_int_equal(table->row[7].want.share.demand, 2);
    end_child(child);
}

static void who_joins_sweeps_the_rows_of_the_gone(void **state)
{
    (void)state;
    pid_t living = start_child(), ended = start_child();
    struct table_row *kept = member_take_row(table, owner_of(living)), *left = member_take_row(table, owner_of(ended));
    kept->want.share.demand = left->want.share.demand = 2;
    end_child(ended);
    member_sweep(table);
    assert_int_equal(left->owner, 0);
    assert_int_equal(left->want.share.demand, 0);
    assert_int_equal(kept->owner, owner_of(living));
    assert_int_equal(kept->want.share.demand, 2);
    end_child(living);
}

static void a_table_full_of_the_living_has_no_row(void **state)
{
    (void)state;
    pid_t child = start_child();
    for (unsigned i = 0; i < TABLE_ROWS; i++)
        table->row[i].owner = owner_of(child);
    table->rows = TABLE_ROWS;
    assert_null(member_take_row(table, member_self()));
    end_child(child);
    assert_non_null(member_take_row(table, member_self()));
}

static void a_wrong_number_of_rows_does_no_harm(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        member_take_row(table, dead(i));
    table->rows = 0; /* too small: rows that are in use are passed by */
    assert_ptr_equal(member_take_row(table, member_self()), &table->row[5]);
    member_clear(&table->row[5], member_self());
    table->rows = UINT32_MAX; /* beyond the end */
    assert_non_null(member_take_row(table, member_self()));
}

static void many_at_once_get_a_row_each(void **state)
{
    enum { CHILDREN = 8, ROWS = 100 };
    pid_t children[CHILDREN];
    (void)state;
    for (unsigned i = 0; i < CHILDREN; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i])
            continue;
        struct table *own = table_map(domain); /* its own: the parent's is not there in a child */
        for (unsigned j = 0; own && j < ROWS; j++)
            if (!member_take_row(own, replaced(i * ROWS + j)))
                _exit(1);
        for (unsigned j = 0; own && j < ROWS; j += 2)
            for (unsigned k = 0; k < TABLE_ROWS; k++)
                member_clear(&own->row[k], replaced(i * ROWS + j));
        _exit(!own);
    }
    for (unsigned i = 0; i < CHILDREN; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    unsigned seen[CHILDREN * ROWS] = {0};
    for (unsigned i = 0; i < TABLE_ROWS; i++)
        if (table->row[i].owner)
            seen[(table->row[i].owner >> 32) - (replaced(0) >> 32)]++;
    for (unsigned i = 0; i < CHILDREN * ROWS; i++)
        assert_int_equal(seen[i], i % 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_table, remove_table)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_layout_is_that_of_its_version),
        cmocka_unit_test(what_changes_with_every_region_has_a_cache_line_of_its_own),
        cmocka_unit_test(niceness_is_that_of_the_kernel),
        cmocka_unit_test(a_process_knows_its_owner_word),
        cmocka_unit_test(no_name_hides_the_start_time),
        cmocka_unit_test(a_process_that_was_never_is_dead),
        cmocka_unit_test(another_process_of_the_same_number_is_dead),
        cmocka_unit_test(a_killed_process_is_dead_before_it_is_waited_for_and_after),
        cmocka_unit_test(a_stopped_process_is_stopped_until_it_goes_on),
        cmocka_unit_test(a_process_that_may_not_be_signalled_is_alive),
        cmocka_unit_test(asking_leaves_errno_and_no_descriptor),
        TEST(a_new_table_is_empty_and_private_to_its_user),
        TEST(everybody_maps_the_same_table),
        TEST(mapping_leaves_errno_and_no_descriptor),
        TEST(what_does_not_look_like_our_table_is_not_taken),
        TEST(a_name_that_is_too_long_has_no_table),
        TEST(rows_are_taken_in_order_and_given_back),
        TEST(the_row_of_another_is_not_cleared),
        TEST(after_exec_the_row_is_the_same_and_wants_nothing),
        TEST(a_full_table_is_rid_of_the_dead),
        TEST(who_joins_sweeps_the_rows_of_the_gone),
        TEST(a_table_full_of_the_living_has_no_row),
        TEST(a_wrong_number_of_rows_does_no_harm),
        TEST(many_at_once_get_a_row_each),
    };
    return cmocka_run_group_tests_name("table", tests, set_up, NULL);
}
