#ifndef DQN_PORT_THREADS_H
#define DQN_PORT_THREADS_H

#include <stddef.h>

/* Take the next part of a task; threads take parts when they are free. */
static inline ptrdiff_t next_part(ptrdiff_t *next, ptrdiff_t size)
{
    return __atomic_fetch_add(next, size, __ATOMIC_RELAXED);
}

ptrdiff_t allowed_threads(ptrdiff_t wanted);
void in_parallel(void (*work)(void *), void *task, ptrdiff_t threads);

/* Floats that a part of a task reads or writes at least: fewer are not worth a thread. */
#define PART 65536

/* Call ``part`` for all of n, so many at once, in as many threads as there are parts. */
typedef void part_t(const void *task, ptrdiff_t begin, ptrdiff_t end);
void in_parts(part_t *part, const void *task, ptrdiff_t n, ptrdiff_t size);

#endif
