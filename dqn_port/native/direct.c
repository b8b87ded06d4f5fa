/* Products whose lanes lie side by side in memory: they are read where they are.
 *
 *     out[panel + row, lane] = Σ over blocks Σk a[panel + k, lane] · b[panel + row + k]
 *
 * The order of the additions is that of products.c. Products with 0 are skipped here, too: terms
 * that are 0 in all lanes, and rows of which something else tells that they are not needed.
 */

#include "products.h"
#include "threads.h"
#include "vectors.h"

#include <stdlib.h>

/* Rows that are summed side by side: as many as have room for their addresses in registers. */
#define TOGETHER 8
/* Vectors as well, where there are twice the registers. */
#define AT_ONCE (LANES / 8)
#define WORTH_A_THREAD 500000

enum { ALL, EVEN, ODD, CHAINS };

typedef struct {
    const int32_t *panel_a; /* [panels]: where a panel begins in a, in rows of all lanes */
    const int32_t *panel_b;
    const int32_t *panel_out; /* as panel_a */
    const int32_t *panel_alive;
    const int32_t *row_b; /* [rows], those of one side together */
    const int32_t *row_out; /* as panel_a */
    const int32_t *row_alive;
    const uint8_t *sides; /* [rows] */
    const int32_t *k_a;   /* [n_k], as panel_a */
    const int32_t *k_b;
    const int32_t *ends; /* [blocks] */
    const uint8_t *two;  /* [vectors]: rows of which sides have two chains there */
    ptrdiff_t panels, rows, blocks, vectors;
    ptrdiff_t apart; /* whether every panel has an out of its own; else all are added to out */
} direct_t;

typedef struct {
    int32_t a, b;
} term_t;

typedef struct {
    const term_t *terms[CHAINS];
    ptrdiff_t n[CHAINS];
} lists_t;

typedef struct {
    const direct_t *plan;
    const float *a, *b;
    const uint8_t *terms, *rows; /* which are alive; rows: null where all are */
    float *out;
} task_t;

#define EACH_ROW _Pragma("GCC unroll 8") for (int r = 0; r < n; r++)

/* sums = Σ a · b over the terms of one chain, for some vectors side by side */
INLINE void follow(const lists_t *lists, int chain, const float *a, const float *const *b,
                   vec sums[][AT_ONCE], int n, int vectors)
{
    EACH_ROW for (int v = 0; v < vectors; v++) sums[r][v] = (vec){0};
    for (const term_t *k = lists->terms[chain], *end = k + lists->n[chain]; k < end; k++) {
        vec x[AT_ONCE];
        for (int v = 0; v < vectors; v++)
            x[v] = load(a + k->a + v * LANES);
        EACH_ROW
        {
            vec y = b[r][k->b] - (vec){0};
            for (int v = 0; v < vectors; v++)
                sums[r][v] = fused(x[v], y, sums[r][v]);
        }
    }
}

/* n, vectors and two are constants, so that sums and addresses stay in registers. */
INLINE void sum_up(const lists_t *lists, const float *a, const float *const *given,
                   float *const *out, ptrdiff_t lane, int n, int vectors, int two, int fresh)
{
    const float *b[TOGETHER];
    vec sums[TOGETHER][AT_ONCE], odd[TOGETHER][AT_ONCE];
    EACH_ROW b[r] = given[r];
    if (two) {
        follow(lists, ODD, a + lane, b, odd, n, 1);
        follow(lists, EVEN, a + lane, b, sums, n, 1);
        EACH_ROW sums[r][0] += odd[r][0];
    } else
        follow(lists, ALL, a + lane, b, sums, n, vectors);
    EACH_ROW
    {
        vec *to = (vec *)(out[r] + lane);
        for (int v = 0; v < vectors; v++)
            to[v] = (fresh ? (vec){0} : to[v]) + sums[r][v];
    }
}

static void add_rows(const lists_t *lists, const float *a, const float *const *b,
                     float *const *out, ptrdiff_t lane, ptrdiff_t n, int vectors, int two,
                     int fresh)
{
#define OF(size)                                                                                   \
    case size:                                                                                     \
        if (two)                                                                                   \
            sum_up(lists, a, b, out, lane, size, 1, 1, fresh);                                     \
        else if (vectors == 1)                                                                     \
            sum_up(lists, a, b, out, lane, size, 1, 0, fresh);                                     \
        else                                                                                       \
            sum_up(lists, a, b, out, lane, size, AT_ONCE, 0, fresh);                               \
        break
    switch (n) {
        OF(1);
        OF(2);
        OF(3);
        OF(4);
        OF(5);
        OF(6);
        OF(7);
        OF(8);
    }
#undef OF
}

/* List the terms of every block that are not 0 in all lanes; room: [CHAINS, n_k] */
static void list_terms(const task_t *task, ptrdiff_t panel, term_t *room, lists_t *lists)
{
    const direct_t *plan = task->plan;
    const uint8_t *alive = task->terms + plan->panel_a[panel];
    int32_t width = (int32_t)(plan->vectors * LANES);
    ptrdiff_t n_k = plan->ends[plan->blocks - 1], from = 0;
    for (ptrdiff_t block = 0; block < plan->blocks; from = plan->ends[block++]) {
        const int32_t *k_a = plan->k_a + from, *k_b = plan->k_b + from;
        ptrdiff_t n = plan->ends[block] - from, found[CHAINS] = {0};
        term_t *all = room + from, *chains[] = {all + EVEN * n_k, all + ODD * n_k};
        for (ptrdiff_t k = 0; k < n; k++) {
            int odd = k < n / 8 * 8 && k % 2, any = alive[k_a[k]];
            all[found[ALL]] = chains[odd][found[EVEN + odd]] = (term_t){k_a[k] * width, k_b[k]};
            found[ALL] += any;
            found[EVEN + odd] += any;
        }
        lists[block] = (lists_t){{all, chains[0], chains[1]}, {found[0], found[1], found[2]}};
    }
}

/* Sum the listed rows of a panel. */
static void sum_panel(const task_t *task, ptrdiff_t panel, const int32_t *rows, ptrdiff_t n,
                      const lists_t *lists)
{
    const direct_t *plan = task->plan;
    ptrdiff_t width = plan->vectors * LANES;
    const float *a = task->a + plan->panel_a[panel] * width, *b = task->b + plan->panel_b[panel];
    float *out = task->out + plan->panel_out[panel] * width;
    for (ptrdiff_t begin = 0, end; begin < n; begin = end) {
        const float *of_b[TOGETHER];
        float *of_out[TOGETHER];
        uint8_t side = plan->sides[rows[begin]];
        for (end = begin; end < n && end - begin < TOGETHER && plan->sides[rows[end]] == side;
             end++) {
            of_b[end - begin] = b + plan->row_b[rows[end]];
            of_out[end - begin] = out + plan->row_out[rows[end]] * width;
        }
        for (ptrdiff_t block = 0; block < plan->blocks; block++)
            for (ptrdiff_t v = 0, n_v; v < plan->vectors; v += n_v) {
                int two = plan->two[v] & side;
                int alike = !two && v + AT_ONCE <= plan->vectors;
                for (ptrdiff_t next = 1; next < AT_ONCE && alike; next++)
                    alike = !(plan->two[v + next] & side);
                n_v = alike ? AT_ONCE : 1;
                add_rows(lists + block, a, of_b, of_out, v * LANES, end - begin, (int)n_v, two,
                         plan->apart && block == 0);
            }
    }
}

static void sum_part(const task_t *task, ptrdiff_t panel, ptrdiff_t end, ptrdiff_t first,
                     ptrdiff_t last)
{
    const direct_t *plan = task->plan;
    term_t *room = malloc(sizeof(*room) * (size_t)(CHAINS * plan->ends[plan->blocks - 1]));
    lists_t *lists = malloc(sizeof(*lists) * (size_t)plan->blocks);
    int32_t *rows = malloc(sizeof(*rows) * (size_t)plan->rows);
    if (!room || !lists || !rows)
        abort();
    for (; panel < end; panel++) {
        const uint8_t *alive = task->rows ? task->rows + plan->panel_alive[panel] : NULL;
        ptrdiff_t n = 0;
        for (ptrdiff_t row = first; row < last; row++) {
            rows[n] = (int32_t)row;
            n += alive ? alive[plan->row_alive[row]] : 1;
        }
        list_terms(task, panel, room, lists);
        sum_panel(task, panel, rows, n, lists);
    }
    free(rows);
    free(lists);
    free(room);
}

static void sum_some_panels(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const task_t *task = argument;
    sum_part(task, begin, end, 0, task->plan->rows);
}

static void sum_some_rows(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const task_t *task = argument;
    sum_part(task, 0, task->plan->panels, begin, end);
}

/* See above. terms: for every row of lanes in a whether any of them is not 0; rows: null, or 0 where
 * a row of a panel stays as it is. No sum depends on the number of threads.
 */
void sum_direct(const direct_t *plan, const float *a, const uint8_t *terms, const float *b,
                const uint8_t *rows, float *out)
{
    task_t task = {plan, a, b, terms, rows, out};
    double each = (double)(plan->rows * plan->panels) * (double)(plan->vectors * LANES);
    double size = each * (double)plan->ends[plan->blocks - 1];
    ptrdiff_t threads = allowed_threads((ptrdiff_t)(size / WORTH_A_THREAD) + 1);
    int by_panels = plan->apart && plan->panels >= threads;
    ptrdiff_t n = by_panels ? plan->panels : plan->rows;
    in_parts(by_panels ? sum_some_panels : sum_some_rows, &task, n, (n - 1) / threads + 1);
}

INLINE int any_byte(const uint8_t *x, ptrdiff_t n)
{
    uint64_t bits = 0, eight;
    for (ptrdiff_t i = 0; i < n; i += 8) {
        memcpy(&eight, x + i, 8);
        bits |= eight;
    }
    return bits != 0;
}

typedef struct {
    const void *from;
    const int32_t *at;
    ptrdiff_t of_bytes, lanes, n, step;
    float *out;
    uint8_t *alive;
} turn_t;

#define IN_A_GO 8

/* rows[i, lane] = from[at[lane] + i], i < n ≤ IN_A_GO; lanes that are not there are 0 */
static void turn_bytes_of_rows(const turn_t *task, ptrdiff_t from, ptrdiff_t n, uint8_t *rows)
{
    const uint8_t *bytes = (const uint8_t *)task->from + from;
    for (ptrdiff_t lane = 0; lane < task->lanes; lane += 8) {
        const order8 at = *(const order8_at *)(task->at + lane), there = at >= 0, begins = at & there;
        uint8_t turned[8][8] = {{0}};
        if (n == 8)
            turn_bytes(bytes, (const int32_t *)&begins, turned);
        else
            for (ptrdiff_t i = 0; i < n; i++)
                for (int j = 0; j < 8; j++)
                    turned[i][j] = bytes[begins[j] + i];
        for (ptrdiff_t i = 0; i < n; i++)
            for (int j = 0; j < 8; j++)
                rows[i * task->lanes + lane + j] = there[j] ? turned[i][j] : 0;
    }
}

static void turn_floats_of_rows(const turn_t *task, ptrdiff_t from, ptrdiff_t n, float *rows)
{
    const float *floats = (const float *)task->from + from;
    for (ptrdiff_t lane = 0; lane < task->lanes; lane += 8) {
        const order8 at = *(const order8_at *)(task->at + lane), there = at >= 0, begins = at & there;
        const eight_t begin = eight(floats, (const int32_t *)&begins);
        ptrdiff_t i = 0;
        for (vec8 turned[4]; i + 4 <= n; i += 4) {
            turn(&begin, i, turned);
            for (int j = 0; j < 4; j++)
                *(vec8 *)(rows + (i + j) * task->lanes + lane) = (vec8)((order8)turned[j] & there);
        }
        for (; i < n; i++)
            for (int j = 0; j < 8; j++)
                rows[i * task->lanes + lane + j] = there[j] ? begin.from[j][i] : 0;
    }
}

static void turn_some(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const turn_t *task = argument;
    ptrdiff_t parts = (task->n - 1) / IN_A_GO + 1, lanes = task->lanes;
    float *room = malloc(sizeof(*room) * (size_t)(IN_A_GO * lanes));
    if (!room)
        abort();
    for (ptrdiff_t part = begin; part < end; part++) {
        ptrdiff_t plane = part / parts, first = part % parts * IN_A_GO;
        ptrdiff_t n = first + IN_A_GO < task->n ? IN_A_GO : task->n - first;
        ptrdiff_t from = plane * task->step + first, to = plane * task->n + first;
        if (task->of_bytes)
            turn_bytes_of_rows(task, from, n, (uint8_t *)room);
        else
            turn_floats_of_rows(task, from, n, room);
        for (ptrdiff_t i = 0; i < n; i++, to++) {
            const float *row = room + i * lanes;
            const uint8_t *bytes = (const uint8_t *)room + i * lanes;
            int any = task->of_bytes ? any_byte(bytes, lanes) : any_of(row, lanes);
            float *out = task->out + to * lanes;
            if (any && task->of_bytes)
                for (ptrdiff_t lane = 0; lane < lanes; lane += 8)
                    *(vec8 *)(out + lane) = bytes_over_255(bytes + lane);
            else if (any)
                memcpy(out, row, sizeof(*row) * (size_t)lanes);
            else if (task->alive[to])
                memset(out, 0, sizeof(*row) * (size_t)lanes);
            task->alive[to] = (uint8_t)any;
        }
    }
    free(room);
}

/* out[plane, i, lane] = from[plane · step + at[lane] + i], or 0 where at is -1; lanes are whole
 * eights. of_bytes: from has bytes, which stand for a / 255. alive: [planes, n], in and out: whether
 * any of the lanes is not 0. What is 0 and was is not written again.
 */
void turn_lanes(const void *from, int of_bytes, const int32_t *at, ptrdiff_t lanes,
                ptrdiff_t planes, ptrdiff_t step, ptrdiff_t n, float *out, uint8_t *alive)
{
    turn_t task = {from, at, of_bytes, lanes, n, step, out, alive};
    ptrdiff_t parts = planes * ((n - 1) / IN_A_GO + 1);
    in_parts(turn_some, &task, parts, PART / (IN_A_GO * lanes) + 1);
}

typedef struct {
    const float *y, *of_y;
    ptrdiff_t lanes;
    float *of_x;
    uint8_t *alive;
} rectifier_t;

static void rectify_some(const void *argument, ptrdiff_t begin, ptrdiff_t end)
{
    const rectifier_t *task = argument;
    ptrdiff_t lanes = task->lanes;
    for (ptrdiff_t row = begin; row < end; row++) {
        order8 bits = {0};
        for (ptrdiff_t i = row * lanes; i < (row + 1) * lanes; i += 8) {
            order8 x = (order8)*(const vec8 *)(task->of_y + i);
            x &= *(const vec8 *)(task->y + i) > 0;
            *(vec8 *)(task->of_x + i) = (vec8)x;
            bits |= x;
        }
        task->alive[row] = (uint8_t)any_of_eight((vec8)bits, 8);
    }
}

/* As rectify_gradient, by rows of lanes; alive: [rows], whether any lane of of_x is not 0. */
void rectify_rows(const float *y, const float *of_y, ptrdiff_t rows, ptrdiff_t lanes, float *of_x,
                  uint8_t *alive)
{
    rectifier_t task = {y, of_y, lanes, of_x, alive};
    in_parts(rectify_some, &task, rows, PART / lanes + 1);
}
