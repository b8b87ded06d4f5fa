/* A few threads that help with a task and sleep between tasks.
 *
 * The caller does not wait for a helper that has not started when the work is done, and none spins
 * longer than a wake-up takes: with other busy processes a task takes no longer than in one thread.
 */

#include "threads.h"

#include <pthread.h>
#include <signal.h>

#define MAX_THREADS 64
#define SPINS 2000

static pthread_mutex_t in_use = PTHREAD_MUTEX_INITIALIZER, lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t begin = PTHREAD_COND_INITIALIZER, done = PTHREAD_COND_INITIALIZER;
static void (*the_work)(void *);
static void *the_task;
static ptrdiff_t most = 1, made, to_begin, running;

static void spin_until(const ptrdiff_t *count, int zero)
{
    for (int i = 0; i < SPINS && (__atomic_load_n(count, __ATOMIC_RELAXED) == 0) != zero; i++)
#ifdef __x86_64__
        __builtin_ia32_pause();
#else
        __asm__ volatile("");
#endif
}

static void *help(void *nothing)
{
    pthread_mutex_lock(&lock);
    for (;;) {
        while (to_begin == 0) {
            pthread_mutex_unlock(&lock);
            spin_until(&to_begin, 0);
            pthread_mutex_lock(&lock);
            if (to_begin == 0)
                pthread_cond_wait(&begin, &lock);
        }
        to_begin--;
        void (*work)(void *) = the_work;
        void *task = the_task;
        pthread_mutex_unlock(&lock);
        work(task);
        pthread_mutex_lock(&lock);
        if (--running == 0)
            pthread_cond_signal(&done);
    }
    return nothing;
}

/* A forked child has none of the threads. */
static void forget(void)
{
    pthread_mutex_init(&in_use, NULL);
    pthread_mutex_init(&lock, NULL);
    pthread_cond_init(&begin, NULL);
    pthread_cond_init(&done, NULL);
    made = to_begin = running = 0;
}

static void make_helpers(ptrdiff_t wanted)
{
    static int knows_forks;
    sigset_t all, before;
    if (made >= wanted)
        return;
    if (!knows_forks)
        knows_forks = pthread_atfork(NULL, NULL, forget) == 0;
    sigfillset(&all);
    /* Signals are the interpreter's. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (pthread_t id; made < wanted && pthread_create(&id, NULL, help, NULL) == 0; made++)
        pthread_detach(id);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Set the number of threads of a task, including the caller's. */
void set_threads(ptrdiff_t threads)
{
    most = threads < 1 ? 1 : threads < MAX_THREADS ? threads : MAX_THREADS;
}

ptrdiff_t allowed_threads(ptrdiff_t wanted)
{
    return wanted < most ? wanted : most;
}

/* Call ``work`` on ``task`` in up to so many threads, and return when all are done. */
void in_parallel(void (*work)(void *), void *task, ptrdiff_t threads)
{
    threads = allowed_threads(threads);
    if (threads <= 1 || pthread_mutex_trylock(&in_use) != 0) {
        work(task);
        return;
    }
    pthread_mutex_lock(&lock);
    make_helpers(threads - 1);
    the_work = work;
    the_task = task;
    running = made < threads - 1 ? made : threads - 1;
    __atomic_store_n(&to_begin, running, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&begin);
    pthread_mutex_unlock(&lock);
    work(task);
    pthread_mutex_lock(&lock);
    running -= to_begin;
    to_begin = 0;
    pthread_mutex_unlock(&lock);
    spin_until(&running, 1);
    pthread_mutex_lock(&lock);
    while (running > 0)
        pthread_cond_wait(&done, &lock);
    pthread_mutex_unlock(&lock);
    pthread_mutex_unlock(&in_use);
}

typedef struct {
    part_t *part;
    const void *task;
    ptrdiff_t n, size, next;
} parts_t;

static void take_parts(void *argument)
{
    parts_t *parts = argument;
    for (ptrdiff_t at; (at = next_part(&parts->next, parts->size)) < parts->n;)
        parts->part(parts->task, at, at + parts->size < parts->n ? at + parts->size : parts->n);
}

void in_parts(part_t *part, const void *task, ptrdiff_t n, ptrdiff_t size)
{
    parts_t parts = {part, task, n, size, 0};
    in_parallel(take_parts, &parts, (n - 1) / size + 1);
}
