/* turn.inc.c: rows into columns, for weights: they lie [k][c][tap] where they are
 * learned, and kernels want a block of k side by side. */

#if defined(__AVX512F__)
/* One stage of the butterfly: rows i and i + s trade the halves that are s apart. */
ALWAYS void turn_stage(__m512 *row, const int s)
{
    int low[BLOCK], high[BLOCK];

    for (int j = 0; j < BLOCK; j++) {
        low[j] = j & s ? BLOCK + j - s : j;
        high[j] = j & s ? BLOCK + j : j + s;
    }
    const __m512i a = _mm512_loadu_si512(low), b = _mm512_loadu_si512(high);
    EACH (i, BLOCK)
        if (!(i & s)) {
            const __m512 p = row[i], q = row[i + s];
            row[i] = _mm512_permutex2var_ps(p, a, q);
            row[i + s] = _mm512_permutex2var_ps(p, b, q);
        }
}
#endif

/* to[j][i] = from[i][j] for 16 x 16 numbers; rows of `from` lie `step` apart. */
static void turn(const rj_real *from, ptrdiff_t step, rj_real *to)
{
#if defined(__AVX512F__)
    if (LANES == BLOCK) {
        __m512 row[BLOCK];
        EACH (i, BLOCK)
            row[i] = (__m512)load(from + i * step);
        turn_stage(row, 1);
        turn_stage(row, 2);
        turn_stage(row, 4);
        turn_stage(row, 8);
        EACH (i, BLOCK)
            store(to + i * BLOCK, (vec)row[i]);
        return;
    }
#endif
    for (int i = 0; i < BLOCK; i++)
        for (int j = 0; j < BLOCK; j++)
            to[j * BLOCK + i] = from[i * step + j];
}

enum { TURNED = 9 }; /* taps of the largest window that is turned whole */

/* Windows of up to 16 k and 16 c as [c][tap][16 k], zeros past the last. In `from` wk and
 * wc lead to the next k and c; one of them is the window itself, since taps lie together.
 */
static void take_windows(const rj_real *from, ptrdiff_t wk, ptrdiff_t wc, int window,
                         int rows, int cols, rj_real *to)
{
    rj_real part[BLOCK * TURNED * BLOCK];

    if (rows < BLOCK || cols < BLOCK) {
        memset(to, 0, (size_t)(BLOCK * window * BLOCK) * sizeof *to);
        for (int c = 0; c < cols; c++)
            for (int k = 0; k < rows; k++)
                for (int t = 0; t < window; t++)
                    to[(c * window + t) * BLOCK + k] = from[c * wc + k * wk + t];
        return;
    }
    if (wc == window) { // a row holds [c][tap] of one k
        for (int i = 0; i < window; i++)
            turn(from + (ptrdiff_t)i * BLOCK, wk, to + i * BLOCK * BLOCK);
        return;
    }
    for (int i = 0; i < window; i++) // a row holds [k][tap] of one c: to [k][tap][16 c]
        turn(from + (ptrdiff_t)i * BLOCK, wc, part + i * BLOCK * BLOCK);
    for (int t = 0; t < window; t++) {
        rj_real tap[BLOCK * BLOCK];
        turn(part + t * BLOCK, (ptrdiff_t)window * BLOCK, tap);
        for (int c = 0; c < BLOCK; c++)
            memcpy(to + (c * window + t) * BLOCK, tap + c * BLOCK, BLOCK * sizeof *tap);
    }
}

/* Add [c][tap][16 k] to where windows lie, a row [c][tap] for each k. */
static void give_windows(const rj_real *from, ptrdiff_t wk, int window, int rows,
                         int cols, rj_real *to)
{
    rj_real part[BLOCK * BLOCK];

    for (int i = 0; i < window; i++) {
        turn(from + i * BLOCK * BLOCK, BLOCK, part);
        for (int k = 0; k < rows; k++)
            for (int j = 0; j < RJ_MIN(BLOCK, cols * window - i * BLOCK); j++)
                to[k * wk + i * BLOCK + j] += part[k * BLOCK + j];
    }
}
