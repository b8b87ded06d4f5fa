/* Small gray pictures of screens of bytes. The float32 numbers are those of the NumPy lines that
 * this stands in for, in the same order: each is a sum of weighted pixels, first along x, then
 * along y, from the first tap to the last.
 */

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* One axis: pixel d is of the pixels taps[k, d], by weights[k, d]; both [n_taps, size]. */
typedef struct {
    ptrdiff_t from, size, n_taps;
    const int32_t *taps;
    const float *weights;
} axis_t;

/* out[d] = Σk weights[k, d] · gray[taps[k, d]] */
static void shrink_row(const axis_t *x, const float *restrict gray, float *restrict out)
{
    const int32_t *restrict taps = x->taps;
    const float *restrict weights = x->weights;
    for (ptrdiff_t d = 0; d < x->size; d++)
        out[d] = weights[d] * gray[taps[d]];
    for (ptrdiff_t k = 1; k < x->n_taps; k++) {
        taps += x->size;
        weights += x->size;
        for (ptrdiff_t d = 0; d < x->size; d++)
            out[d] += weights[d] * gray[taps[d]];
    }
}

/* out[d] = Σk weights[k] · wide[taps[k], d], rounded to the nearest byte, half to even */
static void shrink_columns(const axis_t *y, ptrdiff_t at, const float *wide, ptrdiff_t size,
                           float *restrict sums, uint8_t *restrict out)
{
    for (ptrdiff_t k = 0; k < y->n_taps; k++) {
        const float *restrict row = wide + y->taps[k * y->size + at] * size;
        float weight = y->weights[k * y->size + at];
        if (k)
            for (ptrdiff_t d = 0; d < size; d++)
                sums[d] += weight * row[d];
        else
            for (ptrdiff_t d = 0; d < size; d++)
                sums[d] = weight * row[d];
    }
    for (ptrdiff_t d = 0; d < size; d++) {
        float sum = rintf(sums[d]);
        sum = sum > 0 ? sum : 0;
        out[d] = (uint8_t)(sum < 255 ? sum : 255);
    }
}

/* Whether a row of the small picture is of any pixels that the table marks. */
static int is_of_any(const axis_t *y, ptrdiff_t at, const uint8_t *marked)
{
    int any = 0;
    for (ptrdiff_t k = 0; k < y->n_taps; k++)
        any |= marked[y->taps[k * y->size + at]];
    return any;
}

/* out: uint8 [y.size, x.size] = the larger of two small pictures, pixel by pixel.
 *
 * first, second: uint8 [y.from, x.from], the screens, which may be the same; grays: [256], the gray
 * of each byte. Much of a screen is as the row above it, and most as on the screen before: that is
 * made once.
 */
void shrink_pair(const uint8_t *first, const uint8_t *second, const float *restrict grays,
                    ptrdiff_t height, ptrdiff_t width, ptrdiff_t rows, ptrdiff_t columns,
                    ptrdiff_t n_x, const int32_t *x_taps, const float *x_weights, ptrdiff_t n_y,
                    const int32_t *y_taps, const float *y_weights, uint8_t *out)
{
    const axis_t x = {width, columns, n_x, x_taps, x_weights};
    const axis_t y = {height, rows, n_y, y_taps, y_weights};
    size_t wide = (size_t)(height * columns);
    float *wides = malloc(sizeof(float) * (2 * wide + (size_t)(width + columns)));
    uint8_t *differ = malloc((size_t)(height + columns));
    if (!wides || !differ)
        abort();
    float *gray = wides + 2 * wide, *sums = gray + width;
    uint8_t *other = differ + height;
    const uint8_t *screens[2] = {first, second};
    for (ptrdiff_t r = 0; r < height; r++) {
        differ[r] = memcmp(first + r * width, second + r * width, (size_t)width) != 0;
        for (int s = 0; s < 1 + differ[r]; s++) {
            const uint8_t *row = screens[s] + r * width;
            float *to = wides + (size_t)s * wide + r * columns;
            if (r && !memcmp(row, row - width, (size_t)width)) {
                memcpy(to, to - columns, sizeof(float) * (size_t)columns);
                continue;
            }
            for (ptrdiff_t i = 0; i < width; i++)
                gray[i] = grays[row[i]];
            shrink_row(&x, gray, to);
        }
        if (!differ[r])
            memcpy(wides + wide + r * columns, wides + r * columns,
                   sizeof(float) * (size_t)columns);
    }
    for (ptrdiff_t at = 0; at < rows; at++, out += columns) {
        shrink_columns(&y, at, wides, columns, sums, out);
        if (!is_of_any(&y, at, differ))
            continue;
        shrink_columns(&y, at, wides + wide, columns, sums, other);
        for (ptrdiff_t d = 0; d < columns; d++)
            out[d] = out[d] > other[d] ? out[d] : other[d];
    }
    free(differ);
    free(wides);
}
