/* cmocka, behind the headers that it wants included first. */
#ifndef UNIRUN_TESTS_UNIT_H
#define UNIRUN_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#endif
