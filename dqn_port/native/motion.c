/* From a frame to a small gray picture of bytes, as SciPy's imresize made it with Pillow. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MOST 1024   /* columns of a picture, and then some */
#define PRECISION 22 /* bits behind the point of a weight: Pillow's */

static inline uint8_t rounded(int32_t sum)
{
    int32_t x = sum >> PRECISION;
    return (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x);
}

static inline __attribute__((always_inline)) void
luminance_of_row(const uint8_t *restrict rgb, ptrdiff_t pixel, ptrdiff_t columns,
                 double *restrict gray)
{
    for (ptrdiff_t i = 0; i < columns; i++, rgb += pixel)
        gray[i] = 0.2990 * rgb[0] + 0.5870 * rgb[1] + 0.1140 * rgb[2];
}

/* out[rows, columns] = the luminance of a picture, stretched over its own range to 0..255;
 * rgb: red, green and blue one after the other, ``row`` and ``pixel`` bytes from one to the next;
 * gray: [columns] scratch for each row
 */
void stretch_luminance(const uint8_t *rgb, ptrdiff_t rows, ptrdiff_t columns, ptrdiff_t row,
                       ptrdiff_t pixel, double *restrict gray, uint8_t *restrict out)
{
    double low = 256, high = -1;
    size_t size = (size_t)((columns - 1) * pixel + 3);
    for (ptrdiff_t r = 0; r < rows; r++, rgb += row) {
        double *to = gray + r * columns;
        /* Screens repeat themselves. */
        if (r && !memcmp(rgb, rgb - row, size)) {
            memcpy(to, to - columns, sizeof(*to) * (size_t)columns);
            continue;
        }
        if (pixel == 4)
            luminance_of_row(rgb, 4, columns, to);
        else if (pixel == 3)
            luminance_of_row(rgb, 3, columns, to);
        else
            luminance_of_row(rgb, pixel, columns, to);
        for (ptrdiff_t i = 0; i < columns; i++) {
            low = to[i] < low ? to[i] : low;
            high = to[i] > high ? to[i] : high;
        }
    }
    double scale = 255.0 / (high - low != 0 ? high - low : 1.0);
    for (ptrdiff_t r = 0; r < rows; r++, gray += columns, out += columns) {
        if (r && !memcmp(gray, gray - columns, sizeof(*gray) * (size_t)columns)) {
            memcpy(out, out - columns, (size_t)columns);
            continue;
        }
        for (ptrdiff_t i = 0; i < columns; i++) {
            double x = (gray[i] - low) * scale;
            x = x < 0 ? 0 : x > 255 ? 255 : x;
            out[i] = (uint8_t)(int32_t)(x + 0.5);
        }
    }
}

static inline __attribute__((always_inline)) void
shrink_row(const int32_t *restrict x, ptrdiff_t step, ptrdiff_t dst, ptrdiff_t taps,
           const int32_t *restrict weights, uint8_t *restrict out)
{
    int32_t sums[MOST];
    for (ptrdiff_t d = 0; d < dst; d++)
        sums[d] = 1 << (PRECISION - 1);
    for (ptrdiff_t k = 0; k < taps; k++)
        for (ptrdiff_t d = 0; d < dst; d++)
            sums[d] += weights[k * dst + d] * x[step * d + k];
    for (ptrdiff_t d = 0; d < dst; d++)
        out[d] = rounded(sums[d]);
}

/* out[r, d] = Σk weights[k, d] · x[r, step · d + k − before]; x: [rows, step · dst] */
void shrink_rows(const uint8_t *x, ptrdiff_t rows, ptrdiff_t dst, ptrdiff_t step, ptrdiff_t before,
                 ptrdiff_t taps, const int32_t *weights, uint8_t *restrict out)
{
    int32_t wide[2 * MOST] = {0};
    ptrdiff_t src = step * dst;
    for (ptrdiff_t r = 0; r < rows; r++, x += src, out += dst) {
        if (r && !memcmp(x, x - src, (size_t)src)) {
            memcpy(out, out - dst, (size_t)dst);
            continue;
        }
        for (ptrdiff_t i = 0; i < src; i++)
            wide[before + i] = x[i];
        if (step == 2)
            shrink_row(wide, 2, dst, taps, weights, out);
        else
            shrink_row(wide, step, dst, taps, weights, out);
    }
}

/* out[d, c] = Σk weights[k, d] · x[step · d + k − before, c]; x: [step · dst, columns] */
void shrink_columns(const uint8_t *x, ptrdiff_t columns, ptrdiff_t dst, ptrdiff_t step,
                    ptrdiff_t before, ptrdiff_t taps, const int32_t *weights,
                    uint8_t *restrict out)
{
    for (ptrdiff_t d = 0; d < dst; d++, out += columns) {
        int32_t sums[MOST];
        for (ptrdiff_t c = 0; c < columns; c++)
            sums[c] = 1 << (PRECISION - 1);
        for (ptrdiff_t k = 0; k < taps; k++) {
            ptrdiff_t row = step * d + k - before;
            if (row < 0 || row >= step * dst)
                continue;
            const uint8_t *restrict from = x + row * columns;
            int32_t weight = weights[k * dst + d];
            for (ptrdiff_t c = 0; c < columns; c++)
                sums[c] += weight * from[c];
        }
        for (ptrdiff_t c = 0; c < columns; c++)
            out[c] = rounded(sums[c]);
    }
}
