/* A thread writes to the heap: inside its block, or (`overflow`) one byte past it. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 16 };

static void *fill(void *arg)
{
    const int *past = arg;
    volatile char *block = malloc(SIZE);
    for (int i = 0; i < SIZE + *past; i++)
        block[i] = 'x';
    free((void *)block);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t thread;
    int past = argc > 1 && strcmp(argv[1], "overflow") == 0;
    pthread_create(&thread, NULL, fill, &past);
    pthread_join(thread, NULL);
    puts("filled");
    return 0;
}
