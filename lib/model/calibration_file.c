/* calibration_file.c: the pictures that p-values count, to and from a model file. Tensors
 * "calibration.real" and "calibration.generated", (rows, 3): group, softness, margin.
 * Both or none are there; groups are whole numbers in ascending order. Tensor
 * "calibration.peaks", (photographs, 3): group, peak, S_prox; files without it open. */
#include "model/model.h"
#include <math.h>

enum { COLUMNS = 3, MOST_ROWS = 1 << 16 };
static const char *const names[2] = {"calibration.real", "calibration.generated"};
static const char peaks_name[] = "calibration.peaks";

int rj_calibration_buckets(const rj_calibration *c)
{
    int n = 1;

    for (int k = 0; k + 1 < RJ_BUCKETS; k++)
        n += isfinite(c->edge[k]) != 0;
    return n;
}

void rj_calibration_free(rj_calibration *c)
{
    rj_free(c->row[0]);
    rj_free(c->row[1]);
    rj_free(c->peak);
    *c = (rj_calibration){0};
}

static rij_status rows_to_file(const rj_calibration *c, int label, rj_st_file *f)
{
    const int n = c->n[label];
    float *x = rj_alloc((size_t)n * COLUMNS, sizeof *x);
    rij_status status;

    RJ_REQUIRE(x, RIJ_E_MEMORY, "%s: no memory", names[label]);
    for (int i = 0; i < n; i++) {
        const rj_calibration_row *row = &c->row[label][i];

        x[i * COLUMNS] = (float)row->group;
        x[i * COLUMNS + 1] = row->softness;
        x[i * COLUMNS + 2] = row->margin;
    }
    status = rj_st_add(f, names[label], rj_shape_plain(2, n, COLUMNS, 1, 1), x);
    rj_free(x);
    return status;
}

static rij_status peaks_to_file(const rj_calibration *c, rj_st_file *f)
{
    float *x = rj_alloc((size_t)c->peaks * COLUMNS, sizeof *x);
    rij_status status;

    RJ_REQUIRE(x, RIJ_E_MEMORY, "%s: no memory", peaks_name);
    for (int i = 0; i < c->peaks; i++) {
        x[i * COLUMNS] = (float)c->peak[i].group;
        x[i * COLUMNS + 1] = c->peak[i].peak;
        x[i * COLUMNS + 2] = c->peak[i].proximity;
    }
    status = rj_st_add(f, peaks_name, rj_shape_plain(2, c->peaks, COLUMNS, 1, 1), x);
    rj_free(x);
    return status;
}

rij_status rj_calibration_to_file(const rj_calibration *c, rj_st_file *f)
{
    for (int label = 0; label < 2 && c->n[0] > 0; label++)
        RJ_TRY(rows_to_file(c, label, f));
    return c->n[0] > 0 && c->peaks > 0 ? peaks_to_file(c, f) : RIJ_OK;
}

/* Whether a tensor is a table whose groups are whole numbers in ascending order. */
static rij_status check_table(const rj_st_tensor *t)
{
    RJ_REQUIRE(t->shape.rank == 2 && t->shape.dim[1] == COLUMNS &&
                   t->shape.dim[0] <= MOST_ROWS,
               RIJ_E_MODEL, "model file: tensor '%s' is no table of %d columns", t->name,
               COLUMNS);
    for (int i = 0; i < t->shape.dim[0]; i++) {
        const float *x = t->x + (ptrdiff_t)i * COLUMNS;
        const float before = i ? x[-COLUMNS] : 0;

        RJ_REQUIRE(x[0] >= before && x[0] < MOST_ROWS && x[0] == floorf(x[0]),
                   RIJ_E_MODEL, "model file: '%s' has group %g in row %d", t->name,
                   (double)x[0], i);
    }
    return RIJ_OK;
}

static rij_status rows_from_file(const rj_st_tensor *t, int label, rj_calibration *c)
{
    const int n = t->shape.dim[0];

    RJ_TRY(check_table(t));
    RJ_TRY(rj_grow((void **)&c->row[label], &c->room[label], n, sizeof *c->row[label]));
    for (int i = 0; i < n; i++) {
        const float *x = t->x + (ptrdiff_t)i * COLUMNS;

        c->row[label][i] = (rj_calibration_row){(int)x[0], x[1], x[2]};
    }
    c->n[label] = n;
    return RIJ_OK;
}

static rij_status peaks_from_file(const rj_st_tensor *t, rj_calibration *c)
{
    const int n = t->shape.dim[0];

    RJ_TRY(check_table(t));
    RJ_TRY(rj_grow((void **)&c->peak, &c->peaks_room, n, sizeof *c->peak));
    for (int i = 0; i < n; i++) {
        const float *x = t->x + (ptrdiff_t)i * COLUMNS;

        c->peak[i] = (rj_calibration_peak){(int)x[0], x[1], x[2]};
    }
    c->peaks = n;
    return RIJ_OK;
}

rij_status rj_calibration_from_file(const rj_st_file *f, rj_calibration *c, int *tensors)
{
    const rj_st_tensor *t[2] = {rj_st_tensor_find(f, names[0]),
                                rj_st_tensor_find(f, names[1])};
    const rj_st_tensor *peaks = rj_st_tensor_find(f, peaks_name);

    if (!t[0] && !t[1])
        return RIJ_OK;
    RJ_REQUIRE(t[0] && t[1], RIJ_E_MODEL, "model file: no tensor '%s'",
               names[t[0] != NULL]);
    *tensors += 2;
    for (int label = 0; label < 2; label++)
        RJ_TRY(rows_from_file(t[label], label, c));
    *tensors += peaks != NULL;
    return peaks ? peaks_from_file(peaks, c) : RIJ_OK;
}
