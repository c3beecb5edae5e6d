/* Who may run, for made-up tables: what must follow from the examples, and what must hold for every table. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/share.h"
#include "tests/unit/unit.h"

enum { MEMBERS = 1024 };

/* Rows are larger than what they want, as in the domain's table. */
static struct row {
    uint64_t other;
    struct share_want want;
    char more[48];
} rows[MEMBERS];

static struct share_set members, runs;

/* ---- tables ---- */

static struct share_table table_of(unsigned count)
{
    members = (struct share_set){{0}};
    for (unsigned i = 0; i < count; i++)
        share_add(&members, i);
    return (struct share_table){&rows[0].want, sizeof *rows, &members};
}

/* `demand` of the CPUs from `first` on, `cpus` of them. */
static void put(unsigned member, unsigned demand, unsigned first, unsigned cpus)
{
    memset(&rows[member], 0x55, sizeof *rows);
    memset(&rows[member].want, 0, sizeof rows[member].want);
    rows[member].want.demand = demand;
    for (unsigned cpu = first; cpu < first + cpus; cpu++)
        rows[member].want.cpus[cpu / 64] |= UINT64_C(1) << cpu % 64;
}

static struct share_verdict decide(unsigned count, unsigned leader)
{
    struct share_table table = table_of(count);
    memset(&runs, 0xff, sizeof runs);
    return share_decide(&table, leader, &runs);
}

static bool is_running(unsigned count, unsigned leader, unsigned member)
{
    decide(count, leader);
    return share_has(&runs, member);
}

/* The members that run while `leader` has the turn, as a text: "1010" is the first and the third. */
static const char *running(unsigned count, unsigned leader)
{
    static char text[MEMBERS + 1];
    decide(count, leader);
    for (unsigned i = 0; i < count; i++)
        text[i] = share_has(&runs, i) ? '1' : '0';
    text[count] = '\0';
    return text;
}

/* ---- examples ---- */

static void gangs_that_fit_run_side_by_side(void **state)
{
    (void)state;
    put(0, 2, 0, 8);
    put(1, 4, 0, 8);
    put(2, 2, 0, 8);
    for (unsigned leader = 0; leader < 3; leader++) {
        assert_string_equal(running(3, leader), "111");
        struct share_verdict verdict = decide(3, leader);
        assert_false(verdict.contended);
        assert_int_equal(verdict.leader, leader);
        assert_int_equal(verdict.next, leader);
    }
}

static void two_gangs_of_two_on_two_cpus_take_turns(void **state)
{
    (void)state;
    put(0, 2, 0, 2);
    put(1, 2, 0, 2);
    assert_string_equal(running(2, 0), "10");
    assert_string_equal(running(2, 1), "01");
    assert_true(decide(2, 0).contended);
    assert_int_equal(decide(2, 0).next, 1);
    assert_int_equal(decide(2, 1).next, 0);
}

static void two_of_three_gangs_of_two_fit_on_four_cpus(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        put(i, 2, 0, 4);
    assert_string_equal(running(3, 0), "110");
    assert_string_equal(running(3, 1), "011");
    assert_string_equal(running(3, 2), "101");
    assert_int_equal(decide(3, 0).next, 2);
    assert_int_equal(decide(3, 2).next, 1);
}

static void a_small_gang_fills_what_a_large_one_leaves(void **state)
{
    (void)state;
    put(0, 3, 0, 4);
    put(1, 4, 0, 4);
    put(2, 1, 0, 4);
    assert_string_equal(running(3, 0), "101");
    assert_int_equal(decide(3, 0).next, 1);
    assert_string_equal(running(3, 1), "010");
}

static void disjoint_masks_do_not_compete(void **state)
{
    (void)state;
    put(0, 2, 0, 2);
    put(1, 2, 2, 2);
    put(2, 2, 1022, 2);
    assert_string_equal(running(3, 1), "111");
    assert_false(decide(3, 1).contended);
}

static void masks_that_overlap_compete_for_what_they_share(void **state)
{
    (void)state;
    put(0, 2, 0, 2);
    put(1, 2, 1, 2);
    put(2, 2, 2, 2);
    assert_string_equal(running(3, 0), "101");
    assert_string_equal(running(3, 1), "010");
}

static void an_empty_mask_takes_nothing_from_anybody(void **state)
{
    (void)state;
    put(0, 2, 0, 0);
    put(1, 2, 0, 2);
    assert_string_equal(running(2, 0), "11");
    assert_string_equal(running(2, 1), "11");
}

static void more_than_the_mask_means_all_of_it(void **state)
{
    (void)state;
    put(0, 16, 0, 2);
    put(1, 1, 0, 2);
    put(2, UINT32_MAX, 2, 2);
    assert_string_equal(running(3, 0), "101");
    assert_string_equal(running(3, 1), "011");
}

static void whoever_wants_nothing_does_not_run(void **state)
{
    (void)state;
    put(0, 0, 0, 2);
    put(1, 2, 0, 2);
    put(2, 0, 0, 2);
    assert_string_equal(running(3, 0), "010");
    assert_false(decide(3, 0).contended);
    assert_false(is_running(3, 0, 0));
}

static void a_leader_without_a_want_passes_the_cpus_on(void **state)
{
    (void)state;
    put(0, 2, 0, 2);
    put(1, 0, 0, 2);
    put(2, 2, 0, 2);
    assert_string_equal(running(3, 1), "001");
    assert_int_equal(decide(3, 1).next, 0);
}

static void who_is_no_member_is_not_looked_at(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        put(i, 2, 0, 2);
    struct share_table table = table_of(3);
    members = (struct share_set){{UINT64_C(1) << 2}}; /* the others' rows are no members' */
    struct share_verdict verdict = share_decide(&table, 0, &runs);
    assert_int_equal(verdict.leader, 2);
    assert_false(verdict.contended);
    assert_true(share_has(&runs, 2));
    assert_false(share_has(&runs, 0) || share_has(&runs, 1));
}

static void the_last_place_is_one_like_others(void **state)
{
    (void)state;
    put(0, 2, 0, 2);
    put(MEMBERS - 1, 2, 0, 2);
    struct share_table table = table_of(0);
    share_add(&members, 0);
    share_add(&members, MEMBERS - 1);
    assert_int_equal(share_decide(&table, MEMBERS - 1, &runs).next, 0);
    assert_true(share_has(&runs, MEMBERS - 1));
    assert_int_equal(share_decide(&table, 1, &runs).leader, MEMBERS - 1);
    assert_int_equal(share_decide(&table, 0, &runs).next, MEMBERS - 1);
}

static void a_leader_out_of_range_is_the_first(void **state)
{
    (void)state;
    put(0, 2, 0, 2);
    put(1, 2, 0, 2);
    assert_string_equal(running(2, 2), "10");
    assert_string_equal(running(2, UINT_MAX), "10");
    assert_int_equal(decide(2, 65535).next, 1);
    assert_int_equal(decide(2, 65535).leader, 0);
}

static void an_empty_table_has_an_answer(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        const struct share_set none = {{0}};
        struct share_table table = {i ? &rows[0].want : NULL, sizeof *rows, &none};
        struct share_verdict verdict = share_decide(&table, i * 7, NULL);
        assert_false(verdict.contended);
        assert_int_equal(verdict.leader, SHARE_MEMBERS);
        assert_int_equal(verdict.next, SHARE_MEMBERS);
        assert_int_equal(share_next(&none, i * 500), SHARE_MEMBERS);
    }
}

static void who_is_not_in_the_table_does_not_run(void **state)
{
    (void)state;
    put(0, 1, 0, 2);
    assert_true(is_running(1, 0, 0));
    assert_false(is_running(1, 0, 1));
    assert_false(is_running(1, 0, UINT_MAX));
}

/* ---- whatever the table ---- */

/* xorshift64: the same tables everywhere. */
static uint64_t seed;

static uint64_t next_number(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static unsigned below(unsigned limit)
{
    return (unsigned)(next_number() >> 20) % limit;
}

/* What the table at hand was made from. */
static uint64_t first_seed;

#define REQUIRE(condition)                                                                                             \
    do                                                                                                                 \
        if (!(condition))                                                                                              \
            fail_msg("%s: not so in the table of seed 0x%016llx", #condition, (unsigned long long)first_seed);         \
    while (0)

enum { TABLES = 400 };

/* Runs `check` on tables of every size that `fill` makes. */
static void for_many(void (*fill)(unsigned), void (*check)(unsigned))
{
    static const unsigned least[] = {1, 1, 2, 16, 300}, most[] = {4, 16, 64, 200, MEMBERS};
    for (unsigned i = 0; i < TABLES; i++) {
        seed = first_seed = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
        unsigned kind = i % 20 ? i % 4 : 4; /* few large ones */
        unsigned count = least[kind] + below(most[kind] - least[kind] + 1);
        fill(count);
        check(count);
    }
}

static unsigned machine;

static void fill_homogeneous(unsigned count)
{
    machine = 1 + below(below(4) ? 16 : SHARE_CPUS);
    for (unsigned i = 0; i < count; i++)
        put(i, below(3) ? 1 + below(machine + 2) : 0, 0, machine);
}

static void fill_mixed(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned first = below(40), cpus = below(24);
        if (!below(4))
            first = below(SHARE_CPUS - 64);
        put(i, below(3) ? below(20) : 0, first, cpus);
    }
}

static void fill_with_garbage(unsigned count)
{
    unsigned char *byte = (unsigned char *)rows;
    for (size_t i = 0; i < count * sizeof *rows; i++)
        byte[i] = (unsigned char)(next_number() >> 30);
}

static unsigned demand_of(unsigned member)
{
    unsigned demand = rows[member].want.demand;
    return demand > machine ? machine : demand;
}

static void check_that_the_leader_runs(unsigned count)
{
    for (unsigned leader = 0; leader < count; leader += 1 + count / 8) {
        bool runs_itself = is_running(count, leader, leader);
        REQUIRE(runs_itself == (rows[leader].want.demand != 0));
    }
}

static void the_leader_always_runs(void **state)
{
    (void)state;
    for_many(fill_homogeneous, check_that_the_leader_runs);
    for_many(fill_mixed, check_that_the_leader_runs);
}

static void check_the_use_of_cpus(unsigned count)
{
    for (unsigned leader = 0; leader < count; leader += 1 + count / 8) {
        unsigned used = 0;
        decide(count, leader);
        for (unsigned i = 0; i < count; i++)
            used += share_has(&runs, i) ? demand_of(i) : 0;
        REQUIRE(used <= machine);
        for (unsigned i = 0; i < count; i++)
            if (rows[i].want.demand && !share_has(&runs, i))
                REQUIRE(demand_of(i) > machine - used);
    }
}

static void no_cpu_is_taken_twice_and_none_is_kept_from_who_fits(void **state)
{
    (void)state;
    for_many(fill_homogeneous, check_the_use_of_cpus);
}

/* With masks that differ, every set of CPUs that runners are confined to must hold them: here, all and each mask. */
static void check_that_runners_fit_their_masks(unsigned count)
{
    decide(count, below(count));
    for (unsigned i = 0; i < count; i += 1 + count / 32) {
        unsigned inside = 0, cpus = 0;
        for (unsigned word = 0; word < SHARE_WORDS; word++)
            cpus += (unsigned)__builtin_popcountll(rows[i].want.cpus[word]);
        for (unsigned j = 0; j < count; j++) {
            bool within = share_has(&runs, j);
            unsigned own = 0;
            for (unsigned word = 0; word < SHARE_WORDS; word++) {
                within = within && !(rows[j].want.cpus[word] & ~rows[i].want.cpus[word]);
                own += (unsigned)__builtin_popcountll(rows[j].want.cpus[word]);
            }
            if (within)
                inside += rows[j].want.demand < own ? rows[j].want.demand : own;
        }
        REQUIRE(inside <= cpus);
    }
}

static void gangs_that_run_have_room_in_their_masks(void **state)
{
    (void)state;
    for_many(fill_mixed, check_that_runners_fit_their_masks);
}

/* From one leader to the next, everybody who wants to runs at least once in `count` turns. */
static void check_that_everybody_comes_to_run(unsigned count)
{
    static bool ran[MEMBERS];
    unsigned leader = below(count);
    memset(ran, false, sizeof ran);
    for (unsigned turn = 0; turn < count; turn++) {
        struct share_verdict verdict = decide(count, leader);
        unsigned refused = 0;
        for (unsigned i = 0; i < count && i < MEMBERS; i++) {
            ran[i] |= share_has(&runs, i);
            refused += rows[i].want.demand && !share_has(&runs, i);
        }
        REQUIRE(verdict.contended == (refused != 0));
        if (verdict.contended)
            REQUIRE(rows[verdict.next].want.demand && !share_has(&runs, verdict.next));
        else
            REQUIRE(verdict.next == leader);
        leader = verdict.next;
    }
    for (unsigned i = 0; i < count; i++)
        REQUIRE(ran[i] == (rows[i].want.demand != 0));
}

static void nobody_starves(void **state)
{
    (void)state;
    for_many(fill_homogeneous, check_that_everybody_comes_to_run);
    for_many(fill_mixed, check_that_everybody_comes_to_run);
}

static bool is_same(const struct share_verdict *a, const struct share_verdict *b)
{
    return a->contended == b->contended && a->leader == b->leader && a->next == b->next;
}

/* Whether it asks who runs or not, and whatever was in its set before. */
static void check_that_all_agree(unsigned count)
{
    struct share_table table = table_of(count);
    unsigned leader = below(count + 3);
    struct share_verdict first = decide(count, leader);
    for (unsigned i = 0; i < 4; i++) {
        struct share_set again = {{next_number(), next_number()}};
        struct share_verdict verdict = share_decide(&table, leader, i ? &again : NULL);
        REQUIRE(is_same(&verdict, &first));
        REQUIRE(!i || memcmp(&again, &runs, sizeof runs) == 0);
    }
}

static void everybody_computes_the_same(void **state)
{
    (void)state;
    for_many(fill_homogeneous, check_that_all_agree);
    for_many(fill_mixed, check_that_all_agree);
    for_many(fill_with_garbage, check_that_all_agree);
}

static void check_that_there_is_an_answer(unsigned count)
{
    struct share_verdict verdict = decide(count, (unsigned)next_number());
    REQUIRE(verdict.next < count && verdict.leader < count);
    for (unsigned i = 0; i < count; i++)
        REQUIRE(!share_has(&runs, i) || rows[i].want.demand);
    for (unsigned i = count; i < MEMBERS; i++)
        REQUIRE(!share_has(&runs, i)); /* nobody is there */
}

static void garbage_has_an_answer(void **state)
{
    (void)state;
    for_many(fill_with_garbage, check_that_there_is_an_answer);
}

/* ---- sizes ---- */

static unsigned size_of(unsigned count, unsigned leader, unsigned me)
{
    struct share_table table = table_of(count);
    return share_size(&table, leader, me);
}

static void put_malleable(unsigned member, unsigned wish, unsigned first, unsigned cpus)
{
    put(member, 1, first, cpus);
    rows[member].want.wish = wish;
}

static void who_is_alone_gets_what_it_wishes(void **state)
{
    (void)state;
    put_malleable(0, 4, 0, 8);
    assert_int_equal(size_of(1, 0, 0), 4);
    put_malleable(0, 100, 0, 8);
    assert_int_equal(size_of(1, 0, 0), 8);
    put(0, 3, 0, 8); /* one of a fixed size */
    assert_int_equal(size_of(1, 0, 0), 3);
}

static void what_nobody_needs_is_dealt_out_from_the_leader_on(void **state)
{
    (void)state;
    put_malleable(0, 4, 0, 5);
    put_malleable(1, 4, 0, 5);
    assert_int_equal(size_of(2, 0, 0), 3);
    assert_int_equal(size_of(2, 0, 1), 2);
    assert_int_equal(size_of(2, 1, 1), 3);
    put_malleable(0, 2, 0, 5); /* what it does not wish is the other's */
    assert_int_equal(size_of(2, 0, 0), 2);
    assert_int_equal(size_of(2, 0, 1), 3);
}

static void a_fixed_size_goes_before(void **state)
{
    (void)state;
    put(0, 2, 0, 4);
    put_malleable(1, 4, 0, 4);
    assert_int_equal(size_of(2, 0, 1), 2);
    put(0, 4, 0, 4); /* it does not fit beside the malleable one, which leads, and has all */
    assert_int_equal(size_of(2, 1, 1), 4);
}

static void other_cpus_are_no_part_of_it(void **state)
{
    (void)state;
    put_malleable(0, 8, 0, 2);
    put_malleable(1, 8, 2, 6);
    assert_int_equal(size_of(2, 0, 0), 2);
    assert_int_equal(size_of(2, 0, 1), 6);
}

/* On CPUs that all may use: no more is given out than there is, and nothing is left while somebody wishes for it. */
static void sizes_add_up(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TABLES; i++) {
        seed = first_seed = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
        unsigned count = 1 + below(20), cpus = 1 + below(64), leader = below(count), given = 0, wanting = 0;
        for (unsigned member = 0; member < count; member++)
            put_malleable(member, below(10), 0, cpus);
        decide(count, leader);
        for (unsigned member = 0; member < count; member++) {
            unsigned size = share_has(&runs, member) ? size_of(count, leader, member) : 0,
                     wish = rows[member].want.wish;
            given += size;
            wanting += share_has(&runs, member) && size < wish;
        }
        REQUIRE(given <= cpus);
        REQUIRE(given == cpus || !wanting);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(gangs_that_fit_run_side_by_side),
        cmocka_unit_test(two_gangs_of_two_on_two_cpus_take_turns),
        cmocka_unit_test(two_of_three_gangs_of_two_fit_on_four_cpus),
        cmocka_unit_test(a_small_gang_fills_what_a_large_one_leaves),
        cmocka_unit_test(disjoint_masks_do_not_compete),
        cmocka_unit_test(masks_that_overlap_compete_for_what_they_share),
        cmocka_unit_test(an_empty_mask_takes_nothing_from_anybody),
        cmocka_unit_test(more_than_the_mask_means_all_of_it),
        cmocka_unit_test(whoever_wants_nothing_does_not_run),
        cmocka_unit_test(a_leader_without_a_want_passes_the_cpus_on),
        cmocka_unit_test(who_is_no_member_is_not_looked_at),
        cmocka_unit_test(the_last_place_is_one_like_others),
        cmocka_unit_test(a_leader_out_of_range_is_the_first),
        cmocka_unit_test(an_empty_table_has_an_answer),
        cmocka_unit_test(who_is_not_in_the_table_does_not_run),
        cmocka_unit_test(the_leader_always_runs),
        cmocka_unit_test(no_cpu_is_taken_twice_and_none_is_kept_from_who_fits),
        cmocka_unit_test(gangs_that_run_have_room_in_their_masks),
        cmocka_unit_test(nobody_starves),
        cmocka_unit_test(everybody_computes_the_same),
        cmocka_unit_test(garbage_has_an_answer),
        cmocka_unit_test(who_is_alone_gets_what_it_wishes),
        cmocka_unit_test(what_nobody_needs_is_dealt_out_from_the_leader_on),
        cmocka_unit_test(a_fixed_size_goes_before),
        cmocka_unit_test(other_cpus_are_no_part_of_it),
        cmocka_unit_test(sizes_add_up),
    };
    return cmocka_run_group_tests_name("share", tests, NULL, NULL);
}
