#ifndef DQN_PORT_PACKING_H
#define DQN_PORT_PACKING_H

/* Vectors, and panels of lanes that are copied side by side for them. */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#ifdef __AVX512F__
#define LANES 16
#else
#define LANES 8
#endif
#define PANEL (2 * LANES)

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float vec8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t order8 __attribute__((vector_size(32)));
typedef int32_t order8_at __attribute__((vector_size(32), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE vec fused(vec x, vec y, vec z)
{
#if defined(__AVX512F__)
    return (vec)_mm512_fmadd_ps((__m512)x, (__m512)y, (__m512)z);
#elif defined(__FMA__)
    return (vec)_mm256_fmadd_ps((__m256)x, (__m256)y, (__m256)z);
#else
    for (int i = 0; i < LANES; i++)
        z[i] = fmaf(x[i], y[i], z[i]);
    return z;
#endif
}

INLINE vec8 fused8(vec8 x, vec8 y, vec8 z)
{
#if defined(__FMA__)
    return (vec8)_mm256_fmadd_ps((__m256)x, (__m256)y, (__m256)z);
#else
    for (int i = 0; i < 8; i++)
        z[i] = fmaf(x[i], y[i], z[i]);
    return z;
#endif
}

/* Load once: the compiler would rather read memory again in every multiplication. */
INLINE vec load(const float *from)
{
    vec x = *(const vec *)from;
#ifdef __AVX__
    __asm__("" : "+v"(x));
#endif
    return x;
}

static inline int are_neighbours(const int32_t *offsets, int n)
{
    int so_far = 1;
    for (int i = 1; i < n; i++)
        so_far &= offsets[i] == offsets[0] + i;
    return so_far;
}

#ifdef __clang__
#define MIX(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define MIX(x, y, ...) __builtin_shuffle(x, y, (order8){__VA_ARGS__})
#endif

/* low[0..4], high[0..4] */
INLINE vec8 join(const float *low, const float *high)
{
#ifdef __AVX__
    return (vec8)_mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)),
                                      _mm_loadu_ps(high), 1);
#else
    return (vec8){low[0], low[1], low[2], low[3], high[0], high[1], high[2], high[3]};
#endif
}

/* out[k][i] = from[at[i] + k], 4 × 8 */
INLINE void turn(const float *from, const int32_t *at, vec8 out[4])
{
    vec8 x[4], y[4];
    for (int i = 0; i < 4; i++)
        x[i] = join(from + at[i], from + at[i + 4]);
    for (int i = 0; i < 4; i += 2) {
        y[i] = MIX(x[i], x[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        y[i + 1] = MIX(x[i], x[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < 2; i++) {
        out[2 * i] = MIX(y[i], y[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        out[2 * i + 1] = MIX(y[i], y[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
}

/* How many of the next k, at most eight, lie side by side in whole fours. */
INLINE ptrdiff_t fours(const int32_t *ks, ptrdiff_t left)
{
    return left >= 8 && ks[7] - ks[0] == 7 ? 8 : left >= 4 && ks[3] - ks[0] == 3 ? 4 : 0;
}

/* Whether any of n floats, at least eight, is not 0. */
INLINE int any_but_zero(const float *x, int n)
{
    order8 bits = *(const order8_at *)(x + n - 8);
    for (int i = 0; i + 8 < n; i += 8)
        bits |= *(const order8_at *)(x + i);
    bits &= INT32_MAX;
#ifdef __AVX__
    return !_mm256_testz_si256((__m256i)bits, (__m256i)bits);
#else
    int32_t any = 0;
    for (int i = 0; i < 8; i++)
        any |= bits[i];
    return any != 0;
#endif
}

/* Whether none of 1, 4 or 8 bytes is set. */
INLINE int none(const uint8_t *set, ptrdiff_t n)
{
    uint64_t eight = *set;
    if (n > 1) {
        eight = 0;
        memcpy(&eight, set, n == 8 ? 8 : 4);
    }
    return eight == 0;
}

INLINE void pack_fours(const float *from, const int32_t *at, float *out, ptrdiff_t width,
                       ptrdiff_t n)
{
    for (; n > 0; n -= 4, from += 4, out += 4 * width) {
        vec8 turned[4];
        turn(from, at, turned);
        for (int k = 0; k < 4; k++)
            *(vec8 *)(out + k * width) = turned[k];
    }
}

/* Eight lanes whose offsets are at most two runs of neighbours, as in images: the first run's
 * length and how far the second is shifted. 0: they are something else.
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
            for (int i = 0; i < PANEL && !(used && !used[k]); i += 8)
                *(vec8 *)(out + k * PANEL + i) = *(const vec8 *)(a + ks[k] + lanes[i]);
        return;
    }
    for (int i = 0; i < PANEL; i += 8) {
        const int32_t *at = lanes + i;
        float *to = out + i;
        int32_t shift;
        int n = two_runs(at, &shift);
        for (ptrdiff_t k = 0, step; k < n_k; k += step, to += step * PANEL) {
            const float *from = a + ks[k];
            ptrdiff_t together = n ? 0 : fours(ks + k, n_k - k);
            step = together ? together : 1;
            if (used && none(used + k, step))
                continue;
            if (n)
                copy_runs(from, *at, shift, order < n, to);
            else if (together)
                pack_fours(from, at, to, PANEL, together);
            else
                for (int lane = 0; lane < 8; lane++)
                    to[lane] = from[at[lane]];
        }
    }
}

/* (|x| + x) / 2 */
INLINE vec8 rectified(vec8 x)
{
    const order8 all_but_sign = (order8){0} + INT32_MAX;
    return ((vec8)((order8)x & all_but_sign) + x) / 2;
}

#endif
