/* policy/decide: the whole table, for each of the three questions. */
#include "policy/decide.h"
#include "tests/unit/unit.h"

static struct config defaults(void)
{
    struct config config;
    config_read(NULL, &config, NULL, 0);
    return config;
}

static void calls_are_managed_where_the_shim_can(void **state)
{
    (void)state;
    struct config config = defaults();
    config.counts = COUNTS_QUOTA;
    for (enum request request = 0; request < REQUESTS; request++) {
        struct verdict can = decide_call(request, &config, 1u << request);
        assert_int_equal(can.outcome, OUTCOME_MANAGED);
        assert_int_equal(can.reason, REASON_NONE);
        struct verdict cannot = decide_call(request, &config, ~(1u << request));
        assert_int_equal(cannot.outcome, OUTCOME_DOWNGRADE);
        assert_int_equal(cannot.reason, REASON_LIBC);
    }
}

static void what_the_user_switched_off_is_forwarded_without_a_word(void **state)
{
    (void)state;
    struct config config = defaults();
    assert_int_equal(decide_call(REQUEST_CPU_COUNT, &config, 0).outcome, OUTCOME_FORWARD);
    config.counts = COUNTS_HOST;
    assert_int_equal(decide_call(REQUEST_CPU_COUNT, &config, ~0u).outcome, OUTCOME_FORWARD);
    config.recycle = false;
    assert_int_equal(decide_call(REQUEST_THREAD, &config, ~0u).outcome, OUTCOME_FORWARD);
    assert_int_equal(decide_call(REQUEST_PROCESS, &config, ~0u).outcome, OUTCOME_MANAGED);
    config.mode = MODE_PASSTHROUGH;
    for (enum request request = 0; request < REQUESTS; request++)
        assert_int_equal(decide_call(request, &config, ~0u).outcome, OUTCOME_FORWARD);
}

static void a_thread_is_managed_unless_its_attributes_or_creator_forbid(void **state)
{
    (void)state;
    const struct {
        struct thread_facts facts;
        enum reason reason;
    } table[] = {
        {{0}, REASON_NONE},
        {{.own_stack = true}, REASON_ATTRIBUTE_STACK},
        {{.own_scheduling = true}, REASON_ATTRIBUTE_SCHEDULING},
        {{.own_affinity = true}, REASON_ATTRIBUTE_AFFINITY},
        {{.unknown_creator = true}, REASON_CREATOR},
        {{.go = true}, REASON_GO_THREAD},
        {{.wrapped = true}, REASON_WRAPPED},
        {{.no_memory = true}, REASON_MEMORY},
        {{.own_stack = true, .own_affinity = true, .no_memory = true}, REASON_ATTRIBUTE_STACK},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct verdict verdict = decide_thread(&table[i].facts);
        assert_int_equal(verdict.reason, table[i].reason);
        assert_int_equal(verdict.outcome, verdict.reason == REASON_NONE ? OUTCOME_MANAGED : OUTCOME_DOWNGRADE);
    }
}

static void a_process_is_managed_unless_something_speaks_against_it(void **state)
{
    (void)state;
    struct config managed = defaults(), passthrough = defaults();
    passthrough.mode = MODE_PASSTHROUGH;
    const struct {
        struct process_facts facts;
        const struct config *config;
        enum mode mode;
        enum reason reason;
    } table[] = {
        {{0}, &managed, MODE_MANAGED, REASON_NONE},
        {{0}, &passthrough, MODE_PASSTHROUGH, REASON_NONE},
        {{.privileged = true}, &managed, MODE_PASSTHROUGH, REASON_NONE},
        {{.privileged = true, .sanitizer = true}, &managed, MODE_PASSTHROUGH, REASON_NONE},
        {{.sanitizer = true}, &managed, MODE_PASSTHROUGH, REASON_SANITIZER},
        {{.sanitizer = true}, &passthrough, MODE_PASSTHROUGH, REASON_NONE},
        {{.recorder = true}, &managed, MODE_PASSTHROUGH, REASON_RECORDER},
        {{.preempted = true}, &managed, MODE_PASSTHROUGH, REASON_PREEMPTED},
        {{.sanitizer = true, .preempted = true}, &managed, MODE_PASSTHROUGH, REASON_SANITIZER},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct process_verdict verdict = decide_process(table[i].config, &table[i].facts);
        assert_int_equal(verdict.mode, table[i].mode);
        assert_int_equal(verdict.reason, table[i].reason);
    }
}

static void a_program_gets_the_first_reason_that_one_can_act_on(void **state)
{
    (void)state;
    const struct {
        struct program_facts facts;
        enum reason reason;
        bool keep;
    } table[] = {
        {{.dynamic = true}, REASON_NONE, true},
        {{0}, REASON_STATIC, true},
        {{.go = true}, REASON_GO, true},
        {{.go = true, .dynamic = true}, REASON_GO, true},
        {{.foreign = true}, REASON_ARCHITECTURE, false},
        {{.foreign = true, .dynamic = true, .musl = true}, REASON_ARCHITECTURE, false},
        {{.dynamic = true, .musl = true}, REASON_MUSL, false},
        {{.dynamic = true, .changes_identity = true}, REASON_SETUID, true},
        {{.dynamic = true, .gains_capabilities = true}, REASON_FILE_CAPABILITIES, true},
        {{.dynamic = true, .sanitizer = true}, REASON_SANITIZER, false},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct program_verdict verdict = decide_program(&table[i].facts);
        assert_int_equal(verdict.reason, table[i].reason);
        assert_int_equal(verdict.keep_preload, table[i].keep);
    }
}

static void every_reason_has_its_words(void **state)
{
    (void)state;
    for (enum reason reason = REASON_NONE + 1; reason < REASONS; reason++) {
        const struct reason_text *text = reason_text(reason);
        assert_non_null(text->code);
        assert_true(strlen(text->why) > 10 && strlen(text->remedy) > 10);
        assert_int_equal(strspn(text->code, "abcdefghijklmnopqrstuvwxyz-"), strlen(text->code));
        for (enum reason other = REASON_NONE + 1; other < reason; other++)
            assert_string_not_equal(text->code, reason_text(other)->code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_are_managed_where_the_shim_can),
        cmocka_unit_test(what_the_user_switched_off_is_forwarded_without_a_word),
        cmocka_unit_test(a_thread_is_managed_unless_its_attributes_or_creator_forbid),
        cmocka_unit_test(a_process_is_managed_unless_something_speaks_against_it),
        cmocka_unit_test(a_program_gets_the_first_reason_that_one_can_act_on),
        cmocka_unit_test(every_reason_has_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
