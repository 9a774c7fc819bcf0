/* superres.c: parents made small, and large again by a network trained to.
 *
 *     y = bilinear(x) + shuffle(conv(B(B(B(conv(x))))))
 *
 * x is the picture halved, by means of 2 x 2 pixels; B a block of two convolutions
 * (unet.c), 32 channels; the last convolution makes 4 x 3 channels, which become 2 x 2
 * pixels (Shi et al. 2016, Lim et al. 2017). It starts as bilinear interpolation. Twice
 * over, the picture is halved twice and the same network doubles it twice. */
#include "forge/forge.h"

#include <stdio.h>

enum { WIDTH = 32, BLOCKS = 3, BORDER = 16 };
static const double RATE = 2e-3;

typedef struct superres {
    rj_params params;
    rj_conv_layer stem, last;
    rj_plain_block block[BLOCKS];
} superres;

/* planes of h x w pixels to their 2 x 2 means. */
static void halve(const float *x, size_t planes, int h, int w, float *y)
{
    for (size_t p = 0; p < planes; p++, x += (size_t)h * (size_t)w)
        for (int i = 0; i < h; i += 2)
            for (int j = 0; j < w; j += 2) {
                const float *at = x + (size_t)i * (size_t)w + j;

                *y++ = (at[0] + at[1] + at[w] + at[w + 1]) / 4;
            }
}

/* x (N,3,H,W) -> y (N,3,2H,2W); an rj_network. */
static rij_status run(void *model, rj_tape *tape, rj_tensor *x, rj_tensor **y)
{
    const rj_picture d = rj_shape_dims(&x->shape);
    const rj_resize2d_par resize = {2 * d.h, 2 * d.w, RJ_BILINEAR};
    const rj_shuffle2d_par shuffle = {2};
    const rj_add_par sum = {1, 1};
    superres *s = model;
    rj_tensor *t, *smooth;

    RJ_TRY(rj_apply(tape, &rj_op_resize2d, &resize, (rj_tensor *[]){x}, &smooth));
    RJ_TRY(rj_conv_run(&s->params, tape, &s->stem, x, &t));
    for (int i = 0; i < BLOCKS; i++)
        RJ_TRY(rj_plain_block_run(&s->params, tape, &s->block[i], t, &t));
    RJ_TRY(rj_relu_run(tape, t, &t));
    RJ_TRY(rj_conv_run(&s->params, tape, &s->last, t, &t));
    RJ_TRY(rj_apply(tape, &rj_op_shuffle2d, &shuffle, (rj_tensor *[]){t}, &t));
    return rj_apply(tape, &rj_op_add, &sum, (rj_tensor *[]){smooth, t}, y);
}

static rij_status make_loss(void *model, rj_tape *tape, rj_windows *w, rj_tensor **loss)
{
    const rj_shape large = rj_shape_picture(w->n, 3, w->side, w->side);
    const rj_shape small = rj_shape_picture(w->n, 3, w->side / 2, w->side / 2);
    float *half = rj_arena_take_raw(&tape->arena, rj_count(&small), sizeof *half);
    rj_tensor *from, *wanted, *y;

    RJ_REQUIRE(half, RIJ_E_MEMORY, "superres: no memory for a batch");
    halve(w->x, (size_t)w->n * 3, w->side, w->side, half);
    RJ_TRY(rj_tensor_from(tape, &small, half, &from));
    RJ_TRY(rj_tensor_from(tape, &large, w->x, &wanted));
    RJ_TRY(run(model, tape, from, &y));
    return rj_reconstruction_loss(tape, y, wanted, loss);
}

static void close_model(void *model)
{
    superres *s = model;

    if (s)
        rj_params_free(&s->params);
    rj_free(s);
}

static rij_status new_layers(superres *s, uint64_t seed)
{
    RJ_TRY(rj_conv_new(&s->params, seed, "stem", 3, WIDTH, 3, 1, 1, true, &s->stem));
    for (int i = 0; i < BLOCKS; i++) {
        char name[RJ_NAME_MAX];

        snprintf(name, sizeof name, "block%d", i);
        RJ_TRY(rj_plain_block_new(&s->params, seed, name, WIDTH, &s->block[i]));
    }
    return rj_zero_conv_new(&s->params, seed, "last", WIDTH, 12, &s->last);
}

static rij_status open_model(rj_device *dev, int which, uint64_t seed, void **model)
{
    superres *s = rj_alloc(1, sizeof *s);
    rij_status status;

    (void)which;
    RJ_REQUIRE(s, RIJ_E_MEMORY, "superres: no memory");
    s->params.dev = dev;
    status = new_layers(s, seed);
    if (status == RIJ_OK)
        *model = s;
    else
        close_model(s);
    return status;
}

static rij_status train(void *model, const rj_lesson *lesson)
{
    superres *s = model;
    const rj_course course = {s, &s->params, RATE, make_loss, NULL};

    return rj_lesson_run(lesson, &course);
}

/* `how` is the number of doublings. */
static rij_status make(void *model, int how, rj_tape *tape, const rj_image *const *parent,
                       const uint64_t *seed, int n, rj_image *child)
{
    const int w = parent[0]->w, h = parent[0]->h;
    const size_t planes = (size_t)n * 3;
    int high = h + 2 * BORDER, wide = w + 2 * BORDER;
    float *x = rj_alloc(planes * (size_t)high * (size_t)wide, sizeof *x);
    rij_status status = RIJ_OK;

    (void)seed;
    RJ_REQUIRE(x, RIJ_E_MEMORY, "superres: no memory for %d pictures", n);
    RJ_TRY_DONE(rj_planes_take(parent, n, BORDER, x));
    for (int k = 0; k < how; k++, high /= 2, wide /= 2)
        halve(x, planes, high, wide, x); // what is read lies ahead of what is written
    for (int k = 0; k < how; k++, high *= 2, wide *= 2) {
        const rj_shape shape = rj_shape_picture(n, 3, high, wide);

        RJ_TRY_DONE(rj_network_eval(run, model, tape, &shape, x, x));
    }
    status = rj_planes_put(x, n, BORDER, w, h, child);
done:
    rj_free(x);
    return status;
}

const rj_kind rj_kind_superres = {open_model, train, make, close_model};
