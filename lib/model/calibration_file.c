/* calibration_file.c: the pictures that p-values count, to and from a model file. Tensors
 * "calibration.real" and "calibration.generated", (rows, 3): group, softness, margin.
 * Both or none are there; groups are whole numbers in ascending order. */
#include "model/model.h"
#include <math.h>

enum { COLUMNS = 3, MOST_ROWS = 1 << 16 };
static const char *const names[2] = {"calibration.real", "calibration.generated"};

void rj_calibration_free(rj_calibration *c)
{
    rj_free(c->row[0]);
    rj_free(c->row[1]);
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

rij_status rj_calibration_to_file(const rj_calibration *c, rj_st_file *f)
{
    for (int label = 0; label < 2 && c->n[0] > 0; label++)
        RJ_TRY(rows_to_file(c, label, f));
    return RIJ_OK;
}

static rij_status rows_from_file(const rj_st_tensor *t, int label, rj_calibration *c)
{
    const int n = t->shape.dim[0];

    RJ_REQUIRE(t->shape.rank == 2 && t->shape.dim[1] == COLUMNS && n <= MOST_ROWS,
               RIJ_E_MODEL, "model file: tensor '%s' is no table of %d columns",
               names[label], COLUMNS);
    RJ_TRY(rj_grow((void **)&c->row[label], &c->room[label], n, sizeof *c->row[label]));
    for (int i = 0; i < n; i++) {
        const float *x = t->x + (ptrdiff_t)i * COLUMNS;
        const float before = i ? x[-COLUMNS] : 0;

        RJ_REQUIRE(x[0] >= before && x[0] < MOST_ROWS && x[0] == floorf(x[0]),
                   RIJ_E_MODEL, "model file: '%s' has group %g in row %d", names[label],
                   (double)x[0], i);
        c->row[label][i] = (rj_calibration_row){(int)x[0], x[1], x[2]};
    }
    c->n[label] = n;
    return RIJ_OK;
}

rij_status rj_calibration_from_file(const rj_st_file *f, rj_calibration *c, int *tensors)
{
    const rj_st_tensor *t[2] = {rj_st_tensor_find(f, names[0]),
                                rj_st_tensor_find(f, names[1])};

    if (!t[0] && !t[1])
        return RIJ_OK;
    RJ_REQUIRE(t[0] && t[1], RIJ_E_MODEL, "model file: no tensor '%s'",
               names[t[0] != NULL]);
    *tensors += 2;
    for (int label = 0; label < 2; label++)
        RJ_TRY(rows_from_file(t[label], label, c));
    return RIJ_OK;
}
