/* Windows of pictures as the rows of a matrix, and back. A window, side x side, begins at
 * begins[n] of a picture, [batch, height, width], whose pixels are numbers of rows of a table.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* rows[n, y, x] = table[picture[begins[n] + y · width + x]]; table: [·, channels] */
void gather_windows(const float *table, ptrdiff_t channels, const int32_t *picture,
                    ptrdiff_t width, const int32_t *begins, ptrdiff_t n, ptrdiff_t side,
                    float *rows)
{
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t y = 0; y < side; y++)
            for (ptrdiff_t x = 0; x < side; x++, rows += channels)
                memcpy(rows, table + picture[begins[i] + y * width + x] * channels,
                       sizeof(*rows) * (size_t)channels);
}

/* to[i] += from[i] */
static void add_floats(const float *restrict from, ptrdiff_t n, float *restrict to)
{
    for (ptrdiff_t i = 0; i < n; i++)
        to[i] += from[i];
}

/* table[picture[begins[n] + y · width + x]] += rows[n, y, x] */
void add_windows(const float *rows, ptrdiff_t channels, const int32_t *picture, ptrdiff_t width,
                 const int32_t *begins, ptrdiff_t n, ptrdiff_t side, float *table)
{
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t y = 0; y < side; y++)
            for (ptrdiff_t x = 0; x < side; x++, rows += channels)
                add_floats(rows, channels,
                           table + picture[begins[i] + y * width + x] * channels);
}

/* table[kinds[i]] += rows[i]; rows: [n, channels] */
void add_rows(const float *rows, ptrdiff_t channels, const int32_t *kinds, ptrdiff_t n,
              float *table)
{
    for (ptrdiff_t i = 0; i < n; i++, rows += channels)
        add_floats(rows, channels, table + kinds[i] * channels);
}

/* rows[n, p, y, x] = byte / 255 of plane p; bytes: [batch, planes, height, width] */
void spread_windows(const uint8_t *bytes, ptrdiff_t planes, ptrdiff_t height, ptrdiff_t width,
                    const int32_t *begins, ptrdiff_t n, ptrdiff_t side, float *restrict rows)
{
    ptrdiff_t size = height * width;
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t p = 0; p < planes; p++) {
            const uint8_t *from = bytes + (begins[i] / size * planes + p) * size + begins[i] % size;
            for (ptrdiff_t y = 0; y < side; y++, from += width)
                for (ptrdiff_t x = 0; x < side; x++)
                    *rows++ = from[x] / 255.0f;
        }
}
