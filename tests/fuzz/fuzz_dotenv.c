/* Any file gives entries that lie inside it and come to an end. */
#include "tests/fuzz/fuzz.h"
#include "tools/unirun/dotenv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = copy_of(data, size);
    struct dotenv reader = {text, text + size, 1};
    struct dotenv_entry entry;
    enum dotenv_result result;
    for (size_t steps = 0; text && (result = dotenv_next(&reader, &entry)) != DOTENV_END; steps++) {
        REQUIRE(steps <= size);
        if (result == DOTENV_BAD) {
            REQUIRE(entry.problem);
            continue;
        }
        REQUIRE(entry.name_length && entry.name >= text && entry.name + entry.name_length <= text + size);
        REQUIRE(entry.value >= text && entry.value + entry.value_length <= text + size);
    }
    free(text);
    return 0;
}
