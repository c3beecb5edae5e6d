/* A region when no descriptor is left. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

int main(void)
{
    struct rlimit few = {32, 32};
    int sum = 0;
    setrlimit(RLIMIT_NOFILE, &few);
    while (open("/dev/null", O_RDONLY) >= 0)
        ;
#pragma omp parallel num_threads(2) reduction(+ : sum)
    sum++;
    printf("%d\n", sum);
    return 0;
}
