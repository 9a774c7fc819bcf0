/* kmeans.c: natural traces by spherical k-means, and how far embeddings are spread. */
#include "judge/judge.h"
#include <math.h>
#include <string.h>

enum { ROUNDS = 20, SWEEPS = 12, MOST_ROWS = 128 };

static double cosine_of(const float *a, const float *b, int d)
{
    double sum = 0;

    for (int i = 0; i < d; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Nearest centre of a row; *cosine says how near. */
static int nearest(const float *row, int d, int h, const float *centre, double *cosine)
{
    int best = 0;

    *cosine = -INFINITY;
    for (int m = 0; m < h; m++) {
        const double c = cosine_of(row, centre + m * d, d);
        if (c > *cosine) {
            *cosine = c;
            best = m;
        }
    }
    return best;
}

/* One drawn row, then always the one farthest from all so far. */
static void start(int n, int d, const float *rows, int h, uint64_t seed, float *centre)
{
    rj_random r = rj_random_start(seed, RJ_STREAM_KMEANS, 0);
    int next = rj_random_below(&r, n);

    for (int m = 0; m < h; m++) {
        double farthest = INFINITY;
        memcpy(centre + m * d, rows + next * d, (size_t)d * sizeof *centre);
        for (int i = 0; i < n; i++) {
            double cosine;
            nearest(rows + i * d, d, m + 1, centre, &cosine);
            if (cosine < farthest) {
                farthest = cosine;
                next = i;
            }
        }
    }
}

/* One round: sums of the rows nearest to each centre, scaled to unit length. A centre
 * without rows, or whose rows cancel, stays. */
static void improve(int n, int d, const float *rows, int h, double *sum, float *centre)
{
    memset(sum, 0, (size_t)h * (size_t)d * sizeof *sum);
    for (int i = 0; i < n; i++) {
        double cosine;
        const int m = nearest(rows + i * d, d, h, centre, &cosine);
        for (int j = 0; j < d; j++)
            sum[m * d + j] += (double)rows[i * d + j];
    }
    for (int m = 0; m < h; m++) {
        double length = 0;
        for (int j = 0; j < d; j++)
            length += sum[m * d + j] * sum[m * d + j];
        length = sqrt(length);
        for (int j = 0; j < d && length > 1e-9; j++)
            centre[m * d + j] = (float)(sum[m * d + j] / length);
    }
}

rij_status rj_kmeans(int n, int d, const float *rows, int h, uint64_t seed, float *centre)
{
    double *sum = rj_alloc((size_t)h * (size_t)d, sizeof *sum);

    RJ_REQUIRE(sum, RIJ_E_MEMORY, "traces: no memory for %d centres", h);
    start(n, d, rows, h, seed, centre);
    for (int i = 0; i < ROUNDS; i++)
        improve(n, d, rows, h, sum, centre);
    rj_free(sum);
    return RIJ_OK;
}

/* Rotate columns i and j of a symmetric n x n matrix so that a[i][j] becomes 0 (Jacobi).
 */
static void rotate(double *a, int n, int i, int j)
{
    const double theta = (a[j * n + j] - a[i * n + i]) / (2 * a[i * n + j]);
    const double t = copysign(1, theta) / (fabs(theta) + sqrt(theta * theta + 1));
    const double c = 1 / sqrt(t * t + 1), s = t * c;

    for (int k = 0; k < n; k++) {
        const double x = a[k * n + i], y = a[k * n + j];
        a[k * n + i] = c * x - s * y;
        a[k * n + j] = s * x + c * y;
    }
    for (int k = 0; k < n; k++) {
        const double x = a[i * n + k], y = a[j * n + k];
        a[i * n + k] = c * x - s * y;
        a[j * n + k] = s * x + c * y;
    }
}

/* exp of the entropy of the singular values' shares, from the Gram matrix (destroyed). */
static double effective_rank(double *gram, int n)
{
    double sum = 0, entropy = 0;

    for (int sweep = 0; sweep < SWEEPS; sweep++)
        for (int i = 0; i < n; i++)
            for (int j = i + 1; j < n; j++)
                if (fabs(gram[i * n + j]) >
                    1e-12 * (fabs(gram[i * n + i]) + fabs(gram[j * n + j])))
                    rotate(gram, n, i, j);
    for (int i = 0; i < n; i++)
        sum += sqrt(fmax(gram[i * n + i], 0));
    for (int i = 0; i < n && sum > 0; i++) {
        const double share = sqrt(fmax(gram[i * n + i], 0)) / sum;
        entropy -= share > 0 ? share * log(share) : 0;
    }
    return exp(entropy);
}

static double smallest_deviation(int n, int d, const rj_real *rows)
{
    double least = INFINITY;

    for (int j = 0; j < d; j++) {
        double sum = 0, square = 0;
        for (int i = 0; i < n; i++) {
            sum += (double)rows[i * d + j];
            square += (double)rows[i * d + j] * (double)rows[i * d + j];
        }
        least = fmin(least, sqrt(fmax(square / n - sum / n * (sum / n), 0)));
    }
    return least;
}

rij_status rj_spread(int n, int d, const rj_real *rows, double *cosine, double *rank,
                     double *deviation)
{
    double *gram, sum = 0;

    n = RJ_MIN(n, MOST_ROWS); // more say the same, and cost their cube
    gram = rj_alloc((size_t)n * (size_t)n, sizeof *gram);

    RJ_REQUIRE(gram, RIJ_E_MEMORY, "traces: no memory for %d rows", n);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            for (int k = 0; k < d; k++)
                gram[i * n + j] += (double)rows[i * d + k] * (double)rows[j * d + k];
    for (int i = 0; i < n; i++)
        for (int j = 0; j < i; j++)
            sum += gram[i * n + j] / fmax(sqrt(gram[i * n + i] * gram[j * n + j]), 1e-12);
    *cosine = n > 1 ? 2 * sum / ((double)n * (n - 1)) : 1;
    *rank = effective_rank(gram, n);
    *deviation = smallest_deviation(n, d, rows);
    rj_free(gram);
    return RIJ_OK;
}
