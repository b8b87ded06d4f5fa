#ifndef DQN_PORT_VECTORS_H
#define DQN_PORT_VECTORS_H

/* Vectors of floats, with the processor's instructions for them or without. */

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

/* Load into a register: the compiler would read memory again in every multiplication. */
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

/* Where eight lanes begin: read once, as the compiler cannot know that they do not change. */
typedef struct {
    const float *from[8];
} eight_t;

INLINE eight_t eight(const float *from, const int32_t *at)
{
    eight_t lanes;
    for (int i = 0; i < 8; i++)
        lanes.from[i] = from + at[i];
    return lanes;
}

/* out[i][lane] = lanes[lane][k + i], 4 × 8 */
INLINE void turn(const eight_t *lanes, ptrdiff_t k, vec8 out[4])
{
    vec8 x[4], y[4];
    for (int i = 0; i < 4; i++)
        x[i] = join(lanes->from[i] + k, lanes->from[i + 4] + k);
    for (int i = 0; i < 4; i += 2) {
        y[i] = MIX(x[i], x[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        y[i + 1] = MIX(x[i], x[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < 2; i++) {
        out[2 * i] = MIX(y[i], y[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        out[2 * i + 1] = MIX(y[i], y[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
}

/* x / 255 for whole numbers up to 255, rounded as a division rounds */
INLINE vec8 over_255(vec8 x)
{
    const vec8 share = 1 / 255.0f - (vec8){0}, whole = -255.0f - (vec8){0};
    vec8 about = x * share;
    return fused8(fused8(whole, about, x), share, about);
}

/* The same for eight bytes. */
INLINE vec8 bytes_over_255(const uint8_t *bytes)
{
    vec8 x;
#ifdef __AVX2__
    x = (vec8)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)bytes)));
#else
    for (int i = 0; i < 8; i++)
        x[i] = bytes[i];
#endif
    return over_255(x);
}

/* to[k][i] = from[at[i] + k], 8 × 8 */
INLINE void turn_bytes(const uint8_t *from, const int32_t *at, uint8_t to[8][8])
{
#ifdef __SSE2__
    __m128i x[4], y[4];
    for (int i = 0; i < 4; i++)
        x[i] = _mm_unpacklo_epi8(_mm_loadl_epi64((const __m128i *)(from + at[2 * i])),
                                 _mm_loadl_epi64((const __m128i *)(from + at[2 * i + 1])));
    for (int i = 0; i < 2; i++) {
        y[2 * i] = _mm_unpacklo_epi16(x[2 * i], x[2 * i + 1]);
        y[2 * i + 1] = _mm_unpackhi_epi16(x[2 * i], x[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        _mm_storeu_si128((__m128i *)to[4 * i], _mm_unpacklo_epi32(y[i], y[i + 2]));
        _mm_storeu_si128((__m128i *)to[4 * i + 2], _mm_unpackhi_epi32(y[i], y[i + 2]));
    }
#else
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 8; k++)
            to[k][i] = from[at[i] + k];
#endif
}

INLINE int any_bit(order8 x)
{
#ifdef __AVX__
    return !_mm256_testz_si256((__m256i)x, (__m256i)x);
#else
    int32_t any = 0;
    for (int i = 0; i < 8; i++)
        any |= x[i];
    return any != 0;
#endif
}

/* Whether any of n ≤ 8 floats is not 0. */
INLINE int any_of_eight(vec8 x, int n)
{
    const order8 order = {0, 1, 2, 3, 4, 5, 6, 7};
    return any_bit((order8)x & (order < n) & INT32_MAX);
}

/* Whether any of n floats is not 0. */
static inline int any_of(const float *x, ptrdiff_t n)
{
    for (; n >= 8; n -= 8, x += 8)
        if (any_of_eight(*(const vec8 *)x, 8))
            return 1;
    for (; n > 0; n--, x++)
        if (*x != 0)
            return 1;
    return 0;
}

/* (|x| + x) / 2 */
INLINE vec8 rectified(vec8 x)
{
    const order8 all_but_sign = (order8){0} + INT32_MAX;
    return ((vec8)((order8)x & all_but_sign) + x) / 2;
}

#endif
