/* Subject of tools/bench: the method of conjugate gradients, in many regions of some ten microseconds each. Prints what
 * it saw of them (bench_seen.h).
 *
 *   bench_cg [SIDE [SOLVES]]
 *
 * The matrix is that of Poisson's equation on a square of SIDE x SIDE points (96), five in a row, stored by rows. */
#include "bench_seen.h"
#include <string.h>

struct matrix {
    long rows, *first, *column;
    double *value;
};

static struct seen seen;

static void *allocate(long count, size_t size)
{
    void *memory = calloc((size_t)count, size);
    if (!memory)
        abort();
    return memory;
}

static void put(struct matrix *a, long *used, long column, double value)
{
    a->column[*used] = column;
    a->value[(*used)++] = value;
}

static struct matrix poisson(long side)
{
    struct matrix a = {.rows = side * side};
    long used = 0;
    a.first = allocate(a.rows + 1, sizeof *a.first);
    a.column = allocate(a.rows * 5, sizeof *a.column);
    a.value = allocate(a.rows * 5, sizeof *a.value);
    for (long row = 0; row < a.rows; row++) {
        long x = row % side, y = row / side;
        if (y > 0)
            put(&a, &used, row - side, -1);
        if (x > 0)
            put(&a, &used, row - 1, -1);
        put(&a, &used, row, 4);
        if (x < side - 1)
            put(&a, &used, row + 1, -1);
        if (y < side - 1)
            put(&a, &used, row + side, -1);
        a.first[row + 1] = used;
    }
    return a;
}

/* y = A x; the product of x and y. */
static double multiply(const struct matrix *a, const double *x, double *y)
{
    double begun = nanoseconds(), product = 0;
#pragma omp parallel for schedule(static) reduction(+ : product)
    for (long row = 0; row < a->rows; row++) {
        double sum = 0;
        for (long i = a->first[row]; i < a->first[row + 1]; i++)
            sum += a->value[i] * x[a->column[i]];
        y[row] = sum;
        product += x[row] * sum;
    }
    saw(&seen, begun);
    return product;
}

/* x += step direction, residual -= step image; the square of the residual. */
static double advance(long rows, double step, const double *direction, const double *image, double *x, double *residual)
{
    double begun = nanoseconds(), square = 0;
#pragma omp parallel for schedule(static) reduction(+ : square)
    for (long i = 0; i < rows; i++) {
        x[i] += step * direction[i];
        residual[i] -= step * image[i];
        square += residual[i] * residual[i];
    }
    saw(&seen, begun);
    return square;
}

/* direction = residual + share direction */
static void turn(long rows, double share, const double *residual, double *direction)
{
    double begun = nanoseconds();
#pragma omp parallel for schedule(static)
    for (long i = 0; i < rows; i++)
        direction[i] = residual[i] + share * direction[i];
    saw(&seen, begun);
}

/* Solves A x = b; how many iterations that took, or 0 where it does not converge. */
static long solve(const struct matrix *a, const double *b, double *x)
{
    size_t size = (size_t)a->rows * sizeof *b;
    double *residual = allocate(a->rows, sizeof *b), *direction = allocate(a->rows, sizeof *b),
           *image = allocate(a->rows, sizeof *b), square = 0, goal;
    long iterations = 0;
    memset(x, 0, size);
    memcpy(residual, b, size);
    memcpy(direction, b, size);
    for (long i = 0; i < a->rows; i++)
        square += b[i] * b[i];
    for (goal = square * 1e-16; square > goal && iterations < a->rows; iterations++) {
        double before = square, step = before / multiply(a, direction, image);
        square = advance(a->rows, step, direction, image, x, residual);
        turn(a->rows, square / before, residual, direction);
    }
    free(residual);
    free(direction);
    free(image);
    return square > goal ? 0 : iterations;
}

int main(int argc, char **argv)
{
    long side = argc > 1 ? atol(argv[1]) : 96, solves = argc > 2 ? atol(argv[2]) : 18;
    struct matrix a = poisson(side);
    double *b = allocate(a.rows, sizeof *b), *x = allocate(a.rows, sizeof *x);
    for (long i = 0; i < a.rows; i++)
        b[i] = 1 + (double)(i % 7);
    for (long i = 0; i < solves; i++)
        if (!solve(&a, b, x))
            return 1;
    report(&seen);
    return 0;
}
