/* shape.c: shapes of arrays. */
#include "tensor/tensor.h"
#include <stdio.h>
#include <string.h>

size_t rj_count(const rj_shape *s)
{
    size_t n = 1;

    for (int i = 0; i < s->rank; i++)
        n *= (size_t)s->dim[i];
    return n;
}

rj_picture rj_shape_dims(const rj_shape *s)
{
    return (rj_picture){s->dim[0], s->dim[1], s->dim[2], s->dim[3]};
}

size_t rj_storage(const rj_device *dev, const rj_shape *s)
{
    const rj_picture d = rj_shape_dims(s);

    return s->picture ? rj_picture_storage(dev, &d) : rj_count(s);
}

rj_shape rj_shape_plain(int rank, int a, int b, int c, int d)
{
    const int all[RJ_MAX_RANK] = {a, b, c, d};
    rj_shape s = {.rank = rank};

    for (int i = 0; i < rank; i++)
        s.dim[i] = all[i];
    return s;
}

rj_shape rj_shape_picture(int n, int c, int h, int w)
{
    rj_shape s = rj_shape_plain(4, n, c, h, w);

    s.picture = true;
    return s;
}

bool rj_shape_same(const rj_shape *a, const rj_shape *b)
{
    bool same = a->rank == b->rank && a->picture == b->picture;

    for (int i = 0; same && i < a->rank; i++)
        same = a->dim[i] == b->dim[i];
    return same;
}

const char *rj_shape_text(const rj_shape *s, char *text)
{
    const size_t size = 64;
    size_t at = 0;

    text[at++] = '(';
    for (int i = 0; i < s->rank; i++)
        at += (size_t)snprintf(text + at, size - at, i ? ",%d" : "%d", s->dim[i]);
    snprintf(text + at, size - at, ")");
    return text;
}
