#ifndef DQN_PORT_ROWS_H
#define DQN_PORT_ROWS_H

/* Which rows are summed together, and which products are skipped: adding a product with 0 changes
 * no sum (except the sign of a sum that is 0), and a sum that is multiplied by 0 afterwards is not
 * needed.
 */

#include "packing.h"

enum { ALL, EVEN, ODD, CHAINS };

/* The k of a block that are summed: those where a factor is not 0. */
typedef struct {
    const int32_t *ks[CHAINS];
    ptrdiff_t n[CHAINS];
} terms_t;

/* Whether any of the first n floats is not 0: n is at most eight, or PANEL. */
INLINE int any_in_row(const float *x, int n)
{
    if (n < 8)
        return any_of_eight(*(const vec8 *)x, n);
#ifdef __AVX512F__
    __m512i bits = _mm512_or_si512(_mm512_loadu_si512(x), _mm512_loadu_si512(x + n - LANES));
    return _mm512_test_epi32_mask(bits, _mm512_set1_epi32(INT32_MAX)) != 0;
#else
    order8 bits = *(const order8_at *)x;
    for (int i = 8; i < n; i += 8)
        bits |= *(const order8_at *)(x + i);
    return any_of_eight((vec8)bits, 8);
#endif
}

/* x: [n_k, width], of which n count; lists: [CHAINS, size]; only ALL where there is but one chain */
INLINE terms_t list_terms(const float *x, ptrdiff_t width, int n, ptrdiff_t n_k, int two,
                          int32_t *lists, ptrdiff_t size)
{
    int32_t *even = lists + EVEN * size, *odd = lists + ODD * size;
    ptrdiff_t found = 0, n_even = 0, n_odd = 0, k = 0;
    for (; two && k < n_k / 8 * 8; k += 2, x += 2 * width) {
        int first = any_in_row(x, n), second = any_in_row(x + width, n);
        lists[found] = even[n_even] = (int32_t)k;
        found += first;
        n_even += first;
        lists[found] = odd[n_odd] = (int32_t)k + 1;
        found += second;
        n_odd += second;
    }
    for (; k < n_k; k++, x += width) {
        int any = any_in_row(x, n);
        lists[found] = even[n_even] = (int32_t)k;
        found += any;
        n_even += any;
    }
    return (terms_t){{lists, even, odd}, {found, n_even, n_odd}};
}

static int row_has_any(const plan_t *plan, const float *b, ptrdiff_t row, ptrdiff_t from,
                       ptrdiff_t n_k)
{
    const int32_t *ks = plan->k_b + from;
    b += plan->row_b[row];
    if (ks[n_k - 1] - ks[0] == n_k - 1)
        return any_of(b + ks[0], n_k);
    for (ptrdiff_t k = 0; k < n_k; k++)
        if (b[ks[k]] != 0)
            return 1;
    return 0;
}

/* Group rows that are summed in the same way, or in two, without those that are 0 in a whole block.
 * Return the number of groups.
 */
static ptrdiff_t form_groups(const plan_t *plan, const float *b, ptrdiff_t from, ptrdiff_t n_k,
                             group_t *groups)
{
    ptrdiff_t n = 0;
    for (int side = SIDES - 1; side >= 0; side--)
        for (ptrdiff_t row = 0; row < plan->rows; row++) {
            if (plan->sides[row] != side)
                continue;
            if (b && !row_has_any(plan, b, row, from, n_k))
                continue;
            group_t *group = groups + n - 1;
            int with_last = n && group->n < GROUP &&
                            (group->second == side || group->first == group->second);
            if (!with_last) {
                group = groups + n++;
                *group = (group_t){.first = side};
            }
            group->second = side;
            group->split += group->first == side;
            for (int i = group->n++; i < 8; i++)
                group->rows[i] = (int32_t)row;
        }
    return n;
}

static ptrdiff_t start_of_block(const plan_t *plan, ptrdiff_t block)
{
    return block ? plan->ends[block - 1] : 0;
}

static group_t *groups_of_block(const plan_t *plan, ptrdiff_t block)
{
    return plan->groups + (plan->by_blocks ? block * plan->most_groups : 0);
}

static ptrdiff_t n_groups_of_block(const plan_t *plan, ptrdiff_t block)
{
    return plan->n_groups[plan->by_blocks ? block : 0];
}

/* Of a group's rows in a block: [n_k of the block, GROUP] */
static float *packed_group(const plan_t *plan, ptrdiff_t block, ptrdiff_t group)
{
    ptrdiff_t from = start_of_block(plan, block), n_k = plan->ends[block] - from;
    return plan->packed + 8 * block + (plan->most_groups * from + group * n_k) * GROUP;
}

static void pack_block(const plan_t *plan, const float *b, ptrdiff_t block)
{
    ptrdiff_t from = start_of_block(plan, block), n_k = plan->ends[block] - from;
    group_t *groups = groups_of_block(plan, block);
    if (plan->by_blocks)
        plan->n_groups[block] = (int32_t)form_groups(plan, b, from, n_k, groups);
    for (ptrdiff_t group = 0; group < n_groups_of_block(plan, block); group++)
        pack_group(b, plan->row_b, groups + group, plan->k_b + from, n_k,
                   packed_group(plan, block, group));
}

static int32_t *lists_of(const plan_t *plan, ptrdiff_t block, ptrdiff_t group)
{
    return plan->lists + group * CHAINS * plan->n_k + start_of_block(plan, block);
}

/* List for every group and block which k have a number that is not 0. */
static void list_rows(const plan_t *plan)
{
    memset(plan->used, 0, (size_t)plan->n_k);
    for (ptrdiff_t block = 0; block < plan->blocks; block++)
        for (ptrdiff_t group = 0; group < *plan->n_groups; group++) {
            ptrdiff_t from = start_of_block(plan, block);
            int32_t *counts = plan->counts + (group * plan->blocks + block) * CHAINS;
            terms_t terms = list_terms(packed_group(plan, block, group), GROUP,
                                       plan->groups[group].n, plan->ends[block] - from, 1,
                                       lists_of(plan, block, group), plan->n_k);
            for (int chain = 0; chain < CHAINS; chain++)
                counts[chain] = (int32_t)terms.n[chain];
            for (ptrdiff_t i = 0; i < terms.n[ALL]; i++)
                plan->used[from + terms.ks[ALL][i]] = 1;
        }
}

static terms_t terms_of_rows(const plan_t *plan, ptrdiff_t block, ptrdiff_t group)
{
    const int32_t *lists = lists_of(plan, block, group);
    const int32_t *counts = plan->counts + (group * plan->blocks + block) * CHAINS;
    terms_t terms;
    for (int chain = 0; chain < CHAINS; chain++) {
        terms.ks[chain] = lists + chain * plan->n_k;
        terms.n[chain] = counts[chain];
    }
    return terms;
}

/* Set which groups of each panel are needed, where x is not 0; x: as out */
static void need_elements(const plan_t *plan, const float *x)
{
    for (ptrdiff_t panel = 0; panel < plan->panels; panel++) {
        const int32_t *lanes = plan->lane_out + panel * PANEL;
        for (ptrdiff_t g = 0; g < *plan->n_groups; g++) {
            const group_t *group = plan->groups + g;
            int any = 0;
            for (int i = 0; i < group->n && !any; i++) {
                const float *row = x + plan->row_out[group->rows[i]];
                if (are_neighbours(lanes, PANEL))
                    any = any_of(row + *lanes, PANEL);
                else
                    for (int lane = 0; lane < PANEL && !any; lane++)
                        any = lanes[lane] >= 0 && row[lanes[lane]] != 0;
            }
            plan->needed[panel * plan->most_groups + g] = (uint8_t)any;
        }
    }
}

/* The same for rows that are parts of planes; alive: [samples, planes], which are needed */
static void need_planes(const plan_t *plan, const uint8_t *alive)
{
    ptrdiff_t planes = plan->rows / plan->rows_of_a_plane, most = plan->most_groups;
    for (ptrdiff_t g = 0; g < *plan->n_groups; g++) {
        const group_t *group = plan->groups + g;
        for (ptrdiff_t panel = 0; panel < plan->panels; panel++) {
            const int32_t *samples = plan->samples + 2 * panel;
            uint8_t any = 0;
            for (ptrdiff_t sample = samples[0]; sample <= samples[1]; sample++)
                for (int i = 0; i < group->n; i++)
                    any |= alive[sample * planes + group->rows[i] / plan->rows_of_a_plane];
            plan->needed[panel * most + g] = any;
        }
    }
}

#endif
