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
