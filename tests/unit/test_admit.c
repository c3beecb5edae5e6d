/* policy/admit: which programs wait for a CPU, and that nobody waits for long. */
#include "policy/admit.h"

#include <limits.h>

#include "tests/unit/unit.h"

static const struct admit_hints none = {false, false}, cpu = {true, false}, io = {false, true}, both = {true, true};
static const struct admit_run computing = {200, 240, 250, ADMIT_AT_ONCE, 0}, waiting = {20, 30, 2000, ADMIT_AT_ONCE, 0},
                              in_between = {60, 60, 100, ADMIT_AT_ONCE, 0}, brief = {2, 2, 3, ADMIT_AT_ONCE, 0},
                              crowded = {100, 1600, 1700, ADMIT_AT_ONCE, 0};

static admit_facts learn(admit_facts facts, const struct admit_run *run, int times)
{
    while (times--)
        facts = admit_learn(facts, run);
    return facts;
}

static void an_unknown_program_is_never_held_back(void **state)
{
    (void)state;
    assert_false(admit_is_cpu_bound(0, &none));
    assert_false(admit_is_cpu_bound(learn(0, &computing, 1), &none));
    assert_false(admit_is_cpu_bound(learn(0, &brief, 100), &none));
    assert_false(admit_is_cpu_bound(learn(0, &in_between, 100), &none));
}

static void a_program_that_has_computed_twice_is_known(void **state)
{
    (void)state;
    assert_true(admit_is_cpu_bound(learn(0, &computing, 2), &none));
    assert_true(admit_is_cpu_bound(learn(0, &crowded, 2), &none)); /* it had a sixteenth of a CPU */
    assert_true(admit_is_cpu_bound(learn(learn(0, &computing, 2), &brief, 9), &none));
    assert_true(admit_is_cpu_bound(learn(learn(0, &computing, 2), &in_between, 9), &none));
}

static void a_program_that_mostly_waits_is_not_held_back(void **state)
{
    (void)state;
    admit_facts facts = learn(0, &computing, 1000);
    assert_true(admit_is_cpu_bound(learn(facts, &waiting, 1), &none));
    assert_false(admit_is_cpu_bound(learn(facts, &waiting, 3), &none));
    assert_false(admit_is_cpu_bound(learn(0, &waiting, 1000), &none));
    assert_true(admit_is_cpu_bound(learn(learn(0, &waiting, 1000), &computing, 4), &none));
    /* Every second run waits; every fourth does. */
    for (int i = 0; i < 100; i++)
        facts = learn(learn(facts, &computing, 1), &waiting, 1);
    assert_false(admit_is_cpu_bound(learn(facts, &computing, 1), &none));
    for (int i = 0; i < 100; i++)
        facts = learn(learn(facts, &waiting, 1), &computing, 3);
    assert_true(admit_is_cpu_bound(facts, &none));
}

static void who_had_to_wait_in_line_may_find_nothing_to_do(void **state)
{
    (void)state;
    struct admit_run idle = waiting;
    const admit_facts facts = learn(0, &computing, 3);
    for (idle.wait = ADMIT_ANYWAY; idle.wait <= ADMIT_WAITED_FOR; idle.wait++)
        assert_int_equal(learn(facts, &idle, 1) & 0xffffffff, facts);
}

static void hints_decide_where_nothing_speaks_against_them(void **state)
{
    (void)state;
    assert_true(admit_is_cpu_bound(0, &cpu));
    assert_false(admit_is_cpu_bound(learn(0, &waiting, 1), &cpu));
    assert_false(admit_is_cpu_bound(learn(0, &computing, 9), &io));
    assert_false(admit_is_cpu_bound(0, &both));
}

static void any_word_can_be_read(void **state)
{
    (void)state;
    uint64_t word = 88172645463325252u;
    const struct admit_run extreme = {UINT64_MAX, UINT64_MAX, UINT64_MAX, ADMIT_AT_ONCE, 0};
    for (int i = 0; i < 100000; i++) {
        word ^= word << 13, word ^= word >> 7, word ^= word << 17;
        assert_true(admit_is_cpu_bound(learn(word & UINT32_MAX, &extreme, 200), &none));
        assert_false(admit_is_cpu_bound(learn(word, &waiting, 100), &none));
        const struct admit_place place = {.cpus = 1, .seats = 1, .taken = 1, .ahead = 5, .waited_ms = 10000};
        assert_int_equal(admit_now(&place, word, 1000), ADMIT_ANYWAY);
    }
}

static admit_facts of_typical(uint64_t ms)
{
    const struct admit_run run = {ms, ms, ms, ADMIT_AT_ONCE, 0};
    return learn(0, &run, 2);
}

/* Two CPUs, three seats, all taken. */
static struct admit_place full(unsigned ahead, unsigned waited_ms, unsigned first_ms)
{
    return (struct admit_place){
        .cpus = 2, .seats = 3, .taken = 3, .ahead = ahead, .waited_ms = waited_ms, .first_ms = first_ms};
}

static enum admit_verdict when_full(admit_facts facts, unsigned ahead, unsigned waited_ms, unsigned first_ms)
{
    const struct admit_place place = full(ahead, waited_ms, first_ms);
    return admit_now(&place, facts, 1000);
}

static void the_first_in_line_takes_a_free_seat(void **state)
{
    (void)state;
    const admit_facts facts = of_typical(500);
    for (unsigned seats = 1; seats < 4; seats++)
        for (unsigned taken = 0; taken < 6; taken++)
            for (unsigned ahead = 0; ahead < 3; ahead++) {
                const struct admit_place place = {
                    .cpus = 2, .seats = seats, .taken = taken, .ahead = ahead, .waited_ms = 10, .first_ms = 10};
                assert_int_equal(admit_now(&place, facts, 1000), !ahead && taken < seats ? ADMIT_SEATED : ADMIT_WAITS);
            }
}

static void a_line_does_not_stand_still_for_longer_than_the_patience(void **state)
{
    (void)state;
    const admit_facts facts = of_typical(500);
    assert_int_equal(when_full(facts, 0, 2000, 999), ADMIT_WAITS);
    assert_int_equal(when_full(facts, 0, 2000, 1000), ADMIT_ANYWAY);
    assert_int_equal(when_full(facts, 1, 2000, 1000), ADMIT_WAITS);
    assert_int_equal(when_full(facts, 9, 10000, 0), ADMIT_ANYWAY);
}

static void who_needs_little_waits_little(void **state)
{
    (void)state;
    const admit_facts facts = of_typical(10);
    const struct admit_place place = full(9, 0, 0);
    assert_int_equal(when_full(facts, 9, 319, 0), ADMIT_WAITS);
    assert_int_equal(when_full(facts, 9, 320, 0), ADMIT_ANYWAY);
    assert_int_equal(admit_now(&place, facts, 0), ADMIT_ANYWAY);
}

/* Two seats become free in as long as one run takes: for longer than the patience, the line would not move for that. */
static void who_needs_long_does_not_wait(void **state)
{
    (void)state;
    assert_int_equal(when_full(of_typical(2000), 0, 0, 0), ADMIT_WAITS);
    assert_int_equal(when_full(of_typical(2001), 0, 0, 0), ADMIT_ANYWAY);
    assert_int_equal(when_full(of_typical(2001), 1, 0, 0), ADMIT_WAITS); /* until it is the first */
}

static void who_has_a_limit_set_keeps_it(void **state)
{
    (void)state;
    const struct admit_place place = {.cpus = 2, .seats = 1, .taken = 1, .stuck = 1};
    assert_int_equal(admit_now(&place, of_typical(2001), 1000), ADMIT_WAITS);
}

static void runs_that_do_not_end_without_others_are_stuck(void **state)
{
    (void)state;
    const admit_facts facts = of_typical(300);
    struct admit_sitter sitter = {.is_alike = true, .verdict = ADMIT_AT_ONCE, .cpu_ms = 601};
    assert_true(admit_may_wait_for(&sitter));
    assert_true(admit_is_stuck(&sitter, facts));
    assert_false(admit_is_stuck(&sitter, 0)); /* it is not known what they take */
    sitter.cpu_ms = 600;
    assert_true(admit_may_wait_for(&sitter));
    assert_false(admit_is_stuck(&sitter, facts));
    sitter.verdict = ADMIT_WAITED_FOR;
    assert_true(admit_is_stuck(&sitter, facts)); /* nor the next one without it */
    sitter.verdict = ADMIT_SEATED;
    sitter.cpu_ms = 100000;
    assert_false(admit_may_wait_for(&sitter)); /* one has ended */
    assert_false(admit_is_stuck(&sitter, facts));
    sitter.verdict = ADMIT_AT_ONCE;
    sitter.is_alike = false;
    assert_false(admit_may_wait_for(&sitter));
    assert_false(admit_is_stuck(&sitter, facts));
}

static void those_who_are_stuck_are_given_company(void **state)
{
    (void)state;
    struct admit_place place = full(0, 0, 0);
    place.stuck = 2; /* another computes beside them */
    assert_int_equal(admit_now(&place, of_typical(300), 1000), ADMIT_WAITS);
    place.stuck = 3;
    assert_int_equal(admit_now(&place, of_typical(300), 1000), ADMIT_WAITED_FOR);
    place.ahead = 1;
    assert_int_equal(admit_now(&place, of_typical(300), 1000), ADMIT_WAITS);
}

static void a_line_that_stands_still_for_the_own_like_says_the_same(void **state)
{
    (void)state;
    struct admit_place place = full(0, 1000, 1000);
    place.alike = 2;
    assert_int_equal(admit_now(&place, of_typical(300), 1000), ADMIT_ANYWAY);
    place.alike = 3;
    assert_int_equal(admit_now(&place, of_typical(300), 1000), ADMIT_WAITED_FOR);
    place.first_ms = 999;
    assert_int_equal(admit_now(&place, of_typical(300), 1000), ADMIT_WAITS);
    const struct admit_place bounded = {
        .cpus = 2, .seats = 1, .taken = 1, .alike = 1, .stuck = 1, .first_ms = 1000, .waited_ms = 1000};
    assert_int_equal(admit_now(&bounded, of_typical(300), 1000), ADMIT_ANYWAY);
}

static void programs_that_wait_for_each_other_are_not_held_back_for_a_while(void **state)
{
    (void)state;
    const struct admit_run waited_for = {300, 300, 300, ADMIT_WAITED_FOR, 0}, seated = {300, 300, 300, ADMIT_SEATED, 0};
    admit_facts facts = learn(of_typical(300), &waited_for, 1);
    assert_false(admit_is_cpu_bound(facts, &none));
    assert_false(admit_is_cpu_bound(facts, &cpu));
    assert_false(admit_is_cpu_bound(learn(facts, &computing, 23), &none));
    assert_true(admit_is_cpu_bound(learn(facts, &computing, 24), &none));
    facts = learn(facts, &waited_for, 1000);
    assert_false(admit_is_cpu_bound(learn(facts, &computing, 1015), &none));
    assert_true(admit_is_cpu_bound(learn(facts, &computing, 1016), &none));
    /* Builds in which it happens now and then are, most of the time. */
    int held = 0;
    facts = of_typical(300);
    for (int i = 0; i < 10000; i++) {
        facts = learn(facts, i % 100 ? &seated : &waited_for, 1);
        held += admit_is_cpu_bound(facts, &none);
    }
    assert_true(held > 7000);
}

static void nobody_waits_for_those_who_sit_for_long(void **state)
{
    (void)state;
    assert_true(admit_waits_for(319, of_typical(10), 1000));
    assert_false(admit_waits_for(320, of_typical(10), 1000));
    assert_true(admit_waits_for(9999, of_typical(5000), 1000));
    assert_false(admit_waits_for(10000, of_typical(5000), 1000));
    assert_false(admit_waits_for(10000, 0, 1000));
}

static void seats_are_one_more_than_cpus_and_no_more_than_wanted(void **state)
{
    (void)state;
    assert_int_equal(admit_seats(2, 0), 3);
    assert_int_equal(admit_seats(2, 1), 1);
    assert_int_equal(admit_seats(2, 65536), 3);
}

/* ---- memory ---- */

static void the_most_of_the_last_runs_is_what_a_program_needs(void **state)
{
    (void)state;
    struct admit_run run = {1, 1, 1, ADMIT_AT_ONCE, 160};
    assert_int_equal(admit_need(0), 0);
    assert_int_equal(admit_need(learn(0, &brief, 5)), 0);
    admit_facts facts = admit_learn(learn(0, &computing, 3), &run);
    assert_int_equal(admit_need(facts), 171);
    assert_true(admit_is_cpu_bound(facts, &none));
    assert_int_equal(admit_need(learn(facts, &brief, 9)), 171); /* nobody looked */
    run.peak = 80;
    facts = admit_learn(facts, &run);
    assert_int_equal(admit_need(facts), 160);
    assert_int_equal(admit_need(learn(facts, &run, 100)), 86);
    run.peak = 200;
    assert_int_equal(admit_need(admit_learn(facts, &run)), 213);
    run.peak = UINT_MAX;
    assert_int_equal(admit_need(admit_learn(facts, &run)), 65535 + 65535 / 16 + 1);
    assert_true(admit_is_cpu_bound(learn(0, &computing, 2) | UINT64_C(0xffff) << 48, &none));
}

static void who_needs_little_does_not_look_at_memory(void **state)
{
    (void)state;
    assert_false(admit_looks_at_memory(0, false));
    assert_true(admit_looks_at_memory(0, true));
    assert_false(admit_looks_at_memory(2, true));
    assert_true(admit_looks_at_memory(20, true));
    assert_false(admit_looks_at_memory(20, false));
    assert_true(admit_looks_at_memory(200, false));
}

/* Runs that have just begun, of the program that asks or of others. */
static void add_runners(struct admit_memory *memory, int count, struct admit_runner runner)
{
    while (count--)
        admit_gather(memory, &runner);
}

static enum admit_verdict now(const struct admit_memory *memory)
{
    return admit_memory_now(memory, 1000);
}

static void known_ones_run_as_many_as_fit(void **state)
{
    (void)state;
    struct admit_memory memory = {.available = 580, .need = 190};
    add_runners(&memory, 2, (struct admit_runner){.is_alike = true, .need = 190});
    assert_int_equal(now(&memory), ADMIT_AT_ONCE); /* 570 */
    add_runners(&memory, 1, (struct admit_runner){.is_watched = true, .need = 190, .has = 170});
    assert_int_equal(now(&memory), ADMIT_WAITS); /* and 20 */
    memory.available = 590;
    assert_int_equal(now(&memory), ADMIT_AT_ONCE);
    memory.ahead = 1, memory.reserved = 1;
    assert_int_equal(now(&memory), ADMIT_WAITS); /* until that one has its part */
}

static void an_unknown_program_without_siblings_starts(void **state)
{
    (void)state;
    struct admit_memory memory = {.available = 0};
    assert_int_equal(now(&memory), ADMIT_AT_ONCE);
    add_runners(&memory, 9, (struct admit_runner){.need = 500});
    memory.ahead = 3;
    assert_int_equal(now(&memory), ADMIT_AT_ONCE);
}

static void of_unknown_siblings_two_run_at_once_where_memory_is_tight(void **state)
{
    (void)state;
    for (unsigned had = 0; had <= 200; had += 50) {
        struct admit_memory memory = {.available = 560 - had};
        const struct admit_runner growing = {.is_alike = true, .is_watched = true, .has = had};
        add_runners(&memory, 1, growing);
        assert_int_equal(now(&memory), ADMIT_AT_ONCE);
        add_runners(&memory, 1, growing);
        assert_int_equal(now(&memory), ADMIT_WAITS);
    }
    struct admit_memory ample = {.available = 20000};
    add_runners(&ample, 18, (struct admit_runner){.is_alike = true});
    assert_int_equal(now(&ample), ADMIT_AT_ONCE);
    add_runners(&ample, 1, (struct admit_runner){.is_alike = true});
    assert_int_equal(now(&ample), ADMIT_WAITS);
    assert_int_equal(admit_guess(&ample), 1024);
}

static void who_does_not_grow_any_more_has_what_it_needs(void **state)
{
    (void)state;
    struct admit_runner runner = {.is_alike = true, .is_watched = true, .has = 20, .flat_cpu_ms = 199};
    struct admit_memory memory = {.available = 400};
    add_runners(&memory, 4, runner);
    assert_int_equal(now(&memory), ADMIT_WAITS);
    runner.flat_cpu_ms = 200;
    memory = (struct admit_memory){.available = 400};
    add_runners(&memory, 4, runner);
    assert_int_equal(now(&memory), ADMIT_AT_ONCE);
    assert_int_equal(admit_guess(&memory), 190); /* still half: it has not said what it needs */
    runner.asleep_ms = 30;
    add_runners(&memory, 1, runner);
    assert_int_equal(admit_guess(&memory), 40); /* it has */
    /* One that has more goes before. */
    add_runners(&memory, 1, (struct admit_runner){.is_alike = true, .is_watched = true, .has = 60});
    assert_int_equal(admit_guess(&memory), 120);
}

static void known_ones_are_believed_to_grow_for_longer(void **state)
{
    (void)state;
    struct admit_runner runner = {.is_watched = true, .need = 190, .has = 20, .asleep_ms = 10000};
    const unsigned expected[] = {170, 85, 42, 21};
    for (unsigned i = 0; i < 4; i++) {
        struct admit_memory memory = {.available = 190 + expected[i], .need = 190};
        runner.flat_cpu_ms = i * 1000 + 999;
        add_runners(&memory, 1, runner);
        assert_int_equal(now(&memory), ADMIT_AT_ONCE);
        memory.available--;
        assert_int_equal(now(&memory), ADMIT_WAITS);
    }
}

static void nobody_waits_for_who_makes_no_progress_nor_without_a_bound(void **state)
{
    (void)state;
    struct admit_memory memory = {.available = 100, .need = 190};
    assert_int_equal(now(&memory), ADMIT_ANYWAY); /* nobody else */
    add_runners(&memory, 1, (struct admit_runner){.need = 190});
    assert_int_equal(now(&memory), ADMIT_WAITS);
    memory.quiet_ms = 149, memory.still_ms = 59999, memory.waited_ms = 599999;
    assert_int_equal(now(&memory), ADMIT_WAITS);
    struct admit_memory quiet = memory, still = memory, old = memory;
    quiet.quiet_ms++, still.still_ms++, old.waited_ms++;
    assert_int_equal(now(&quiet), ADMIT_ANYWAY);
    assert_int_equal(now(&still), ADMIT_ANYWAY);
    assert_int_equal(now(&old), ADMIT_ANYWAY);
    quiet.ahead = still.ahead = old.ahead = 1; /* whose turn it is first; but for the last bound */
    assert_int_equal(now(&quiet), ADMIT_WAITS);
    assert_int_equal(now(&still), ADMIT_WAITS);
    assert_int_equal(now(&old), ADMIT_ANYWAY);
}

static void who_needs_a_small_part_starts(void **state)
{
    (void)state;
    struct admit_memory memory = {.available = 6400, .need = 200, .ahead = 1, .reserved = UINT_MAX};
    add_runners(&memory, 1, (struct admit_runner){.need = 100000});
    assert_int_equal(now(&memory), ADMIT_AT_ONCE);
    memory.need = 201;
    assert_int_equal(now(&memory), ADMIT_WAITS);
    memory.available = 0;
    memory.need = 8;
    assert_int_equal(now(&memory), ADMIT_AT_ONCE);
    /* What an unknown one needs is not small because there is little. */
    struct admit_memory unknown = {.available = 0};
    add_runners(&unknown, 3, (struct admit_runner){.is_alike = true, .is_watched = true, .has = 2});
    assert_int_equal(now(&unknown), ADMIT_WAITS);
}

/* Whatever the table and /proc say: the bounds hold. */
static void any_memory_can_be_read(void **state)
{
    (void)state;
    uint64_t word = 88172645463325252u;
    for (int i = 0; i < 100000; i++) {
        struct admit_memory memory = {.available = (unsigned)word, .need = (unsigned)(word >> 32)};
        for (int j = 0; j < 4; j++) {
            word ^= word << 13, word ^= word >> 7, word ^= word << 17;
            add_runners(&memory, 1,
                        (struct admit_runner){.is_alike = word & 1,
                                              .is_watched = word & 2,
                                              .need = word & 4 ? (unsigned)(word >> 8) : 0,
                                              .has = word & 8 ? (unsigned)(word >> 24) : UINT_MAX,
                                              .flat_cpu_ms = (unsigned)(word >> 32),
                                              .asleep_ms = word & 16 ? (unsigned)(word >> 16) : 0});
        }
        memory.reserved = (unsigned)(word >> 20);
        memory.quiet_ms = 150;
        assert_int_not_equal(now(&memory), ADMIT_WAITS);
        memory.quiet_ms = 0, memory.ahead = 1, memory.waited_ms = UINT_MAX;
        assert_int_not_equal(now(&memory), ADMIT_WAITS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_program_is_never_held_back),
        cmocka_unit_test(a_program_that_has_computed_twice_is_known),
        cmocka_unit_test(a_program_that_mostly_waits_is_not_held_back),
        cmocka_unit_test(who_had_to_wait_in_line_may_find_nothing_to_do),
        cmocka_unit_test(hints_decide_where_nothing_speaks_against_them),
        cmocka_unit_test(any_word_can_be_read),
        cmocka_unit_test(the_first_in_line_takes_a_free_seat),
        cmocka_unit_test(a_line_does_not_stand_still_for_longer_than_the_patience),
        cmocka_unit_test(who_needs_little_waits_little),
        cmocka_unit_test(who_needs_long_does_not_wait),
        cmocka_unit_test(who_has_a_limit_set_keeps_it),
        cmocka_unit_test(runs_that_do_not_end_without_others_are_stuck),
        cmocka_unit_test(those_who_are_stuck_are_given_company),
        cmocka_unit_test(a_line_that_stands_still_for_the_own_like_says_the_same),
        cmocka_unit_test(programs_that_wait_for_each_other_are_not_held_back_for_a_while),
        cmocka_unit_test(nobody_waits_for_those_who_sit_for_long),
        cmocka_unit_test(seats_are_one_more_than_cpus_and_no_more_than_wanted),
        cmocka_unit_test(the_most_of_the_last_runs_is_what_a_program_needs),
        cmocka_unit_test(who_needs_little_does_not_look_at_memory),
        cmocka_unit_test(known_ones_run_as_many_as_fit),
        cmocka_unit_test(an_unknown_program_without_siblings_starts),
        cmocka_unit_test(of_unknown_siblings_two_run_at_once_where_memory_is_tight),
        cmocka_unit_test(who_does_not_grow_any_more_has_what_it_needs),
        cmocka_unit_test(known_ones_are_believed_to_grow_for_longer),
        cmocka_unit_test(nobody_waits_for_who_makes_no_progress_nor_without_a_bound),
        cmocka_unit_test(who_needs_a_small_part_starts),
        cmocka_unit_test(any_memory_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
