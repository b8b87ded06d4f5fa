#ifndef DQN_PORT_PACKING_H
#define DQN_PORT_PACKING_H

/* Copy panels of lanes and groups of rows, so that vectors can load them. */

#include "products.h"
#include "vectors.h"

/* How many of the next k are transposed together: 8 or 4 neighbours; or 3 if more follow, as then
 * one more may be read, and written to the place of the next.
 */
INLINE ptrdiff_t side_by_side(const int32_t *ks, ptrdiff_t left)
{
    return left >= 8 && ks[7] - ks[0] == 7   ? 8
           : left >= 4 && ks[3] - ks[0] == 3 ? 4
           : left >= 4 && ks[2] - ks[0] == 2 ? 3
                                             : 0;
}

/* out[i, lane] = lanes[lane][k + i], i < n up to the next four; out: [n, width] */
INLINE void pack_fours(const eight_t *lanes, ptrdiff_t k, float *out, ptrdiff_t width, ptrdiff_t n)
{
    for (; n > 0; n -= 4, k += 4, out += 4 * width) {
        vec8 turned[4];
        turn(lanes, k, turned);
        for (int i = 0; i < 4; i++)
            *(vec8 *)(out + i * width) = turned[i];
    }
}

/* For eight lanes whose offsets are at most two runs of neighbours, as in images: the length of the
 * first run and the shift of the second; else 0.
 */
static inline int two_runs(const int32_t *at, int32_t *shift)
{
    int n = 1;
    while (n < 8 && at[n] == at[0] + n)
        n++;
    *shift = n < 8 ? at[n] - n : at[0];
    /* What is read lies between the first lane and the last. */
    return n == 8 || (*shift >= at[0] && are_neighbours(at + n, 8 - n)) ? n : 0;
}

INLINE void copy_runs(const float *from, int32_t first, int32_t second, order8 of_first, float *to)
{
    order8 x = (order8)*(const vec8 *)(from + first), y = (order8)*(const vec8 *)(from + second);
    *(vec8 *)to = (vec8)((x & of_first) | (y & ~of_first));
}

static inline int none_of_bytes(const uint8_t *bytes, ptrdiff_t n)
{
    for (; n > 0; n--)
        if (*bytes++)
            return 0;
    return 1;
}

/* out[k, lane] = a[lanes[lane] + ks[k]]; out: [n_k, PANEL]. used: which k are needed, or null */
static void pack_panel(const float *a, const int32_t *lanes, const int32_t *ks,
                       const uint8_t *used, ptrdiff_t n_k, float *out)
{
    const order8 order = {0, 1, 2, 3, 4, 5, 6, 7};
    int all_whole = 1;
    for (int i = 0; i < PANEL; i += 8)
        all_whole &= are_neighbours(lanes + i, 8);
    if (all_whole) {
        for (ptrdiff_t k = 0; k < n_k; k++)
            for (int i = 0; i < PANEL && (!used || used[k]); i += 8)
                *(vec8 *)(out + k * PANEL + i) = *(const vec8 *)(a + ks[k] + lanes[i]);
        return;
    }
    for (int i = 0; i < PANEL; i += 8) {
        const int32_t *at = lanes + i;
        float *to = out + i;
        int32_t shift;
        int n = two_runs(at, &shift);
        const eight_t begin = eight(a, at);
        for (ptrdiff_t k = 0, step; k < n_k; k += step, to += step * PANEL) {
            const float *from = a + ks[k];
            ptrdiff_t together = n ? 0 : side_by_side(ks + k, n_k - k);
            step = together ? together : 1;
            if (used && none_of_bytes(used + k, step))
                continue;
            if (n)
                copy_runs(from, *at, shift, order < n, to);
            else if (together)
                pack_fours(&begin, ks[k], to, PANEL, together);
            else
                for (int lane = 0; lane < 8; lane++)
                    to[lane] = begin.from[lane][ks[k]];
        }
    }
}

/* Eight lanes of bytes, over 255 */
static void pack_eight_of_bytes(const uint8_t *a, const int32_t *at, const int32_t *ks,
                                ptrdiff_t n_k, float *out)
{
    if (are_neighbours(at, 8)) {
        for (ptrdiff_t k = 0; k < n_k; k++)
            *(vec8 *)(out + k * PANEL) = bytes_over_255(a + *at + ks[k]);
        return;
    }
    for (ptrdiff_t k = 0, step; k < n_k; k += step) {
        uint8_t turned[8][8];
        step = side_by_side(ks + k, n_k - k) == 8 ? 8 : 1;
        if (step == 8)
            turn_bytes(a + ks[k], at, turned);
        else
            for (int lane = 0; lane < 8; lane++)
                turned[0][lane] = a[at[lane] + ks[k]];
        for (int next = 0; next < step; next++)
            *(vec8 *)(out + (k + next) * PANEL) = bytes_over_255(turned[next]);
    }
}

static void pack_bytes(const uint8_t *a, const int32_t *lanes, const int32_t *ks, ptrdiff_t n_k,
                       float *out)
{
    for (int i = 0; i < PANEL; i += 8)
        pack_eight_of_bytes(a, lanes + i, ks, n_k, out + i);
}

/* out[k, i] = b[row_b[rows[i]] + ks[k]]; out: [n_k, GROUP] and what is written after it */
static void pack_group(const float *b, const int32_t *row_b, const group_t *group,
                       const int32_t *ks, ptrdiff_t n_k, float *out)
{
    int32_t at[8];
    for (int i = 0; i < 8; i++)
        at[i] = row_b[group->rows[i]];
    const eight_t begin = eight(b, at);
    for (ptrdiff_t k = 0, step; k < n_k; k += step, out += step * GROUP) {
        step = side_by_side(ks + k, n_k - k);
        if (step)
            pack_fours(&begin, ks[k], out, GROUP, step);
        else {
            for (int i = 0; i < GROUP; i++)
                out[i] = begin.from[i][ks[k]];
            step = 1;
        }
    }
}

#endif
