/* A library with thread-local data, built in several ways: see meson.build. */
#include <string.h>

static int pointed_at;
static __thread int *pointer = &pointed_at;
static __thread long numbers[4] = {1, 2, 3, 4};
static __thread char zeros[64];
#ifdef LARGE
static __thread char more[20000];
#endif

void fresh_lib_set(void);
void fresh_lib_set(void)
{
    pointer = NULL;
    for (int i = 0; i < 4; i++)
        numbers[i]++;
    memset(zeros, 1, sizeof zeros);
#ifdef LARGE
    memset(more, 1, sizeof more);
#endif
}

/* 1234 if everything is as at start. */
int fresh_lib_look(void);
int fresh_lib_look(void)
{
    int dirt = 0;
    for (size_t i = 0; i < sizeof zeros; i++)
        dirt += zeros[i];
#ifdef LARGE
    for (size_t i = 0; i < sizeof more; i++)
        dirt += more[i];
#endif
    long value = numbers[0] * 1000 + numbers[1] * 100 + numbers[2] * 10 + numbers[3];
    return dirt || pointer != &pointed_at ? -(int)value : (int)value;
}
