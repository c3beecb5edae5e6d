#ifndef UNIRUN_TESTS_WORKERS_H
#define UNIRUN_TESTS_WORKERS_H

/* In the program: thread-local data that every thread finds to be 7. */
long *program_scratch(void);

/* In the library with the shim's inside. */
int run_worker_tests(void);

#endif
