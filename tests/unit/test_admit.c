/* policy/admit: which programs wait for a CPU, and that nobody waits for long. */
#include "policy/admit.h"
#include "tests/unit/unit.h"

static const struct admit_hints none = {false, false}, cpu = {true, false}, io = {false, true}, both = {true, true};
static const struct admit_run computing = {200, 240, 250}, waiting = {20, 30, 2000}, in_between = {60, 60, 100},
                              brief = {2, 2, 3}, crowded = {100, 1600, 1700};

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
    const struct admit_run extreme = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
    for (int i = 0; i < 100000; i++) {
        word ^= word << 13, word ^= word >> 7, word ^= word << 17;
        assert_true(admit_is_cpu_bound(learn(word, &extreme, 200), &none));
        assert_false(admit_is_cpu_bound(learn(word, &waiting, 100), &none));
        struct admit_place place = {1, 1, 5, 10000, 0};
        assert_true(admit_now(&place, word, 1000));
    }
}

static admit_facts of_typical(uint64_t ms)
{
    const struct admit_run run = {ms, ms, ms};
    return learn(0, &run, 2);
}

static void the_first_in_line_takes_a_free_seat(void **state)
{
    (void)state;
    const admit_facts facts = of_typical(500);
    for (unsigned seats = 1; seats < 70; seats++)
        for (unsigned taken = 0; taken < 70; taken++)
            for (unsigned ahead = 0; ahead < 3; ahead++) {
                const struct admit_place place = {seats, taken, ahead, 10, 10};
                assert_int_equal(admit_now(&place, facts, 1000), !ahead && taken < seats);
            }
}

static void a_line_does_not_stand_still_for_longer_than_the_patience(void **state)
{
    (void)state;
    const admit_facts facts = of_typical(500);
    assert_false(admit_now(&(struct admit_place){3, 3, 0, 2000, 999}, facts, 1000));
    assert_true(admit_now(&(struct admit_place){3, 3, 0, 2000, 1000}, facts, 1000));
    assert_false(admit_now(&(struct admit_place){3, 3, 1, 2000, 1000}, facts, 1000));
    assert_true(admit_now(&(struct admit_place){3, 3, 9, 10000, 0}, facts, 1000));
}

static void who_needs_little_waits_little(void **state)
{
    (void)state;
    const admit_facts facts = of_typical(10);
    assert_false(admit_now(&(struct admit_place){3, 3, 9, 319, 0}, facts, 1000));
    assert_true(admit_now(&(struct admit_place){3, 3, 9, 320, 0}, facts, 1000));
    assert_true(admit_now(&(struct admit_place){3, 3, 9, 0, 0}, facts, 0));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_program_is_never_held_back),
        cmocka_unit_test(a_program_that_has_computed_twice_is_known),
        cmocka_unit_test(a_program_that_mostly_waits_is_not_held_back),
        cmocka_unit_test(hints_decide_where_nothing_speaks_against_them),
        cmocka_unit_test(any_word_can_be_read),
        cmocka_unit_test(the_first_in_line_takes_a_free_seat),
        cmocka_unit_test(a_line_does_not_stand_still_for_longer_than_the_patience),
        cmocka_unit_test(who_needs_little_waits_little),
        cmocka_unit_test(nobody_waits_for_those_who_sit_for_long),
        cmocka_unit_test(seats_are_one_more_than_cpus_and_no_more_than_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
