/* Every family of forgeries: aligned with its parents, repeatable, learned. */
#include "forge_place.h"

/* What a test of models needs: a tape, and some parents. */
enum { PARENTS = 4, SIDE = 48 };
typedef struct desk {
    rj_pool *pool;
    rj_tape tape;
    rj_image picture[PARENTS];
    const rj_image *parent[PARENTS];
    uint64_t seed[PARENTS];
} desk;

static desk desk_new(int side)
{
    desk d = {.tape = {0}};

    OK(rj_pool_new(1, &d.pool));
    OK(rj_device_open("cpu", d.pool, &d.tape.dev));
    for (int i = 0; i < PARENTS; i++) {
        d.picture[i] = photo(side, side, (uint64_t)i + 1);
        d.seed[i] = (uint64_t)i;
    }
    return d;
}

static void desk_free(desk *d)
{
    for (int i = 0; i < PARENTS; i++)
        rj_image_free(&d->picture[i]);
    rj_tape_free(&d->tape);
    rj_device_close(d->tape.dev);
    rj_pool_free(d->pool);
}

typedef struct losses {
    double x[128];
    int n;
} losses;

static rij_status keep_loss(void *user, double rate, double loss, int images)
{
    losses *l = user;

    (void)rate;
    (void)images;
    l->x[l->n++] = loss;
    return RIJ_OK;
}

static double mean(const double *x, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += x[i];
    return sum / n;
}

static rj_lesson lesson_of(desk *d, int steps, losses *l)
{
    for (int i = 0; i < PARENTS; i++)
        d->parent[i] = &d->picture[i];
    return (rj_lesson){&d->tape, d->picture, PARENTS, steps, 5, keep_loss, l};
}

/* Children of this kind are like their parents, no more than `most` grey levels off. */
static void check_children(desk *d, const rj_kind *kind, void *model, int how,
                           double most)
{
    rj_image child[PARENTS];

    OK(kind->make(model, how, &d->tape, d->parent, d->seed, PARENTS, child));
    ck_assert(!d->tape.frozen);
    for (int i = 0; i < PARENTS; i++) {
        const double off = distance(&child[i], d->parent[i]);

        ck_assert_msg(off > 0.05 && off < most, "%g grey levels off", off);
        rj_image_free(&child[i]);
    }
}

START_TEST(every_kind_of_model_learns)
{
    static const struct {
        const char *name;
        const rj_kind *kind;
        int steps, from, how; /* losses are compared from step `from` on */
        double fall, most;
    } kind[] = {
        {"vq", &rj_kind_vq, 60, 15, 0, 0.95, 25},
        {"gan", &rj_kind_gan, 60, 0, 0, 0.9, 20}, // of the reconstructing half
        {"diffusion", &rj_kind_diffusion, 60, 0, RJ_SAMPLER_DDIM, 0.9, 20},
        {"latent", &rj_kind_latent, 120, 60, 0, 0.95, 25},
        {"superres", &rj_kind_superres, 40, 0, 1, 0.97, 15},
        {"inpaint", &rj_kind_inpaint, 120, 0, 0, 0.9, 20},
    };
    desk d = desk_new(32);

    for (int k = 0; k < RJ_COUNT(kind); k++) {
        losses l = {.n = 0};
        const rj_lesson lesson = lesson_of(&d, kind[k].steps, &l);
        const int end = kind[k].kind == &rj_kind_gan ? kind[k].steps / 2 : kind[k].steps;
        double first, last;
        void *model;

        OK(kind[k].kind->open(d.tape.dev, 0, 3, &model));
        OK(kind[k].kind->train(model, &lesson));
        ck_assert_int_eq(l.n, kind[k].steps);
        first = mean(l.x + kind[k].from, end / 5);
        last = mean(l.x + end - end / 5, end / 5);
        ck_assert_msg(last < kind[k].fall * first, "%s: %g, then %g", kind[k].name, first,
                      last);
        check_children(&d, kind[k].kind, model, kind[k].how, kind[k].most);
        kind[k].kind->close(model);
        kind[k].kind->close(NULL);
    }
    desk_free(&d);
}
END_TEST

START_TEST(the_discriminator_is_heard)
{
    // In the second half its verdict is part of the loss.
    desk d = desk_new(32);
    losses l = {.n = 0};
    const rj_lesson lesson = lesson_of(&d, 40, &l);
    void *model;

    OK(rj_kind_gan.open(d.tape.dev, 0, 3, &model));
    OK(rj_kind_gan.train(model, &lesson));
    ck_assert_double_gt(l.x[20], l.x[19]);
    rj_kind_gan.close(model);
    desk_free(&d);
}
END_TEST

START_TEST(noise_is_kept_by_the_published_schedule)
{
    desk d = desk_new(SIDE);
    rj_diffusion a;

    OK(rj_diffusion_new(d.tape.dev, 3, 16, 0, 1, &a));
    ck_assert(a.kept[0] == 1);
    ck_assert_double_eq_tol(a.kept[1], 0.9999, 1e-12);
    ck_assert_double_eq_tol(a.kept[1000], 4.0358e-5, 1e-8); // Ho et al. 2020
    rj_diffusion_free(&a);
    desk_free(&d);
}
END_TEST

START_TEST(a_net_that_says_nothing_leaves_the_linear_guess)
{
    // Untrained, noise is taken off a flat picture by the guess alone; a mask limits it.
    enum { N = 32 };
    static float x[3 * N * N], mask[N * N];
    const uint64_t seed = 4;
    const int from = 80;
    desk d = desk_new(SIDE);
    rj_diffusion a;

    OK(rj_diffusion_new(d.tape.dev, 3, 16, 1, 1, &a));
    for (int masked = 0; masked < 2; masked++) {
        const rj_noisy p = {1, N, N, x, masked ? mask : NULL};
        double off = 0;

        for (int i = 0; i < 3 * N * N; i++)
            x[i] = 0.25f;
        for (int i = 0; i < N * N; i++)
            mask[i] = i < N * N / 2;
        OK(rj_diffusion_renew(&a, &d.tape, RJ_SAMPLER_DDIM, 8, &from, &seed, &p));
        for (int i = 0; i < 3 * N * N; i++) {
            const double e = (double)x[i] - 0.25;

            off += e * e;
            ck_assert(!masked || mask[i % (N * N)] > 0 || x[i] == 0.25f);
        }
        off = sqrt(off / (3 * N * N));
        // Of the noise, a third at most.
        ck_assert_double_gt(off, 1e-4);
        ck_assert_double_lt(off, sqrt((1 - a.kept[from]) / a.kept[from]) / 3);
    }
    rj_diffusion_free(&a);
    desk_free(&d);
}
END_TEST

START_TEST(ancestral_steps_add_noise_and_others_do_not)
{
    desk d = desk_new(SIDE);
    losses l = {.n = 0};
    const rj_lesson lesson = lesson_of(&d, 2, &l);
    rj_image a[PARENTS], b[PARENTS], c[PARENTS];
    void *model;

    OK(rj_kind_diffusion.open(d.tape.dev, 0, 3, &model));
    OK(rj_kind_diffusion.train(model, &lesson));
    OK(rj_kind_diffusion.make(model, RJ_SAMPLER_DDIM, &d.tape, d.parent, d.seed, 3, a));
    OK(rj_kind_diffusion.make(model, RJ_SAMPLER_DDPM, &d.tape, d.parent, d.seed, 3, b));
    // A child depends on its parent and its seed, not on who goes with it.
    OK(rj_kind_diffusion.make(model, RJ_SAMPLER_DDIM, &d.tape, d.parent + 2, d.seed + 2,
                              1, c));
    ck_assert_double_gt(distance(&a[0], &b[0]), 0.2);
    ck_assert_double_eq(distance(&a[2], &c[0]), 0);
    for (int i = 0; i < 3; i++) {
        rj_image_free(&a[i]);
        rj_image_free(&b[i]);
    }
    rj_image_free(&c[0]);
    rj_kind_diffusion.close(model);
    desk_free(&d);
}
END_TEST

START_TEST(inpainting_leaves_what_is_not_hidden_untouched)
{
    desk d = desk_new(SIDE);
    losses l = {.n = 0};
    const rj_lesson lesson = lesson_of(&d, 2, &l);
    rj_image a[PARENTS];
    void *model;

    OK(rj_kind_inpaint.open(d.tape.dev, 0, 3, &model));
    OK(rj_kind_inpaint.train(model, &lesson));
    OK(rj_kind_inpaint.make(model, 0, &d.tape, d.parent, d.seed, PARENTS, a));
    for (int i = 0; i < PARENTS; i++) {
        int changed = 0;

        for (int k = 0; k < SIDE * SIDE; k++)
            changed += memcmp(a[i].rgb + 3 * k, d.parent[i]->rgb + 3 * k, 3) != 0;
        // One region of 12 to 28 pixels each way.
        ck_assert_int_gt(changed, 50);
        ck_assert_int_le(changed, 28 * 28);
    }
    for (int i = 0; i < PARENTS; i++)
        rj_image_free(&a[i]);
    rj_kind_inpaint.close(model);
    desk_free(&d);
}
END_TEST

/* How many pixels differ, or -1 if one of them does within 9 pixels of the border, whose
 * reflection the net sees. */
static int differing(const rj_image *a, const rj_image *b)
{
    int n = 0;

    for (int k = 0; k < SIDE * SIDE; k++)
        if (memcmp(a->rgb + 3 * k, b->rgb + 3 * k, 3) != 0) {
            const int x = k % SIDE, y = k / SIDE;

            if (RJ_MIN(RJ_MIN(x, y), SIDE - 1 - RJ_MAX(x, y)) < 9)
                return -1;
            n++;
        }
    return n;
}

START_TEST(what_was_hidden_makes_no_difference)
{
    desk d = desk_new(SIDE);
    losses l = {.n = 0};
    const rj_lesson lesson = lesson_of(&d, 2, &l);
    rj_image a = {0}, b, *parent = &d.picture[0];
    int hidden = -1, edge = 0;
    void *model;

    OK(rj_kind_inpaint.open(d.tape.dev, 0, 3, &model));
    OK(rj_kind_inpaint.train(model, &lesson));
    for (d.seed[0] = 0; hidden < 0 && d.seed[0] < 64; d.seed[0]++) {
        rj_image_free(&a);
        OK(rj_kind_inpaint.make(model, 0, &d.tape, d.parent, d.seed, 1, &a));
        hidden = differing(&a, parent);
    }
    ck_assert_int_gt(hidden, 0);
    d.seed[0]--;
    for (int k = 0; k < SIDE * SIDE * 3; k++)
        if (a.rgb[k] != parent->rgb[k])
            parent->rgb[k] ^= 128;
    OK(rj_kind_inpaint.make(model, 0, &d.tape, d.parent, d.seed, 1, &b));
    edge = differing(&a, &b);
    // Only where child and parent pass into each other, which is 3 pixels wide.
    ck_assert_int_gt(edge, 0);
    ck_assert_int_lt(edge, hidden * 3 / 4);
    rj_image_free(&a);
    rj_image_free(&b);
    rj_kind_inpaint.close(model);
    desk_free(&d);
}
END_TEST

START_TEST(numbers_that_are_none_stop_the_training)
{
    desk d = desk_new(SIDE);
    losses l = {.n = 0};
    const rj_lesson lesson = lesson_of(&d, 5, &l);
    const rj_real none[3] = {(rj_real)NAN, (rj_real)NAN, (rj_real)NAN};
    rj_diffusion *a;
    rj_unet *u = NULL;
    void *model;
    rj_params *s;

    OK(rj_kind_diffusion.open(d.tape.dev, 0, 3, &model));
    a = model;
    s = rj_unet_params(a->net);
    OK(rj_upload(d.tape.dev, s->p[rj_params_find(s, "last.bias")].t.x, none, 3));
    FAILS(rj_kind_diffusion.train(model, &lesson), RIJ_E_DIVERGED);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "step 1"));
    rj_kind_diffusion.close(model);
    FAILS(rj_unet_new(d.tape.dev, &(rj_unet_config){3, 3, 16, 3}, 1, &u), RIJ_E_ARGUMENT);
    FAILS(rj_unet_new(d.tape.dev, &(rj_unet_config){3, 0, 16, 1}, 1, &u), RIJ_E_ARGUMENT);
    FAILS(rj_unet_new(d.tape.dev, &(rj_unet_config){3, 3, 257, 1}, 1, &u),
          RIJ_E_ARGUMENT);
    ck_assert_ptr_null(u);
    desk_free(&d);
}
END_TEST

/* ---- through rij_forge() ---------------------------------------------------------- */

static rij_forge_options options_of(const char *families, int threads)
{
    rij_forge_options o = RIJ_FORGE_OPTIONS_INIT;

    o.seed = 7;
    o.families = families;
    o.crop = 32;
    o.crops = 2;
    o.steps = 2;
    o.threads = threads;
    return o;
}

START_TEST(all_families_make_children_aligned_with_their_parents)
{
    const place p = three_photos();
    const rij_forge_options o = options_of("all", 2);
    int children[RJ_FAMILIES] = {0};
    char path[600];
    rj_dataset d;

    OK(rij_forge(p.photos, p.out, &o));
    snprintf(path, sizeof path, "%s/manifest.tsv", p.out);
    OK(rj_dataset_open(path, NULL, &d));
    ck_assert_int_eq(d.generators, RJ_FAMILIES);
    for (int i = 0; i < d.n; i++) {
        const rj_sample *s = &d.sample[i];
        rj_image image, parent;

        if (s->label != RJ_FAKE_LABEL)
            continue;
        ck_assert_int_ge(s->parent, 0);
        ck_assert(s->group == d.sample[s->parent].group);
        OK(rj_image_read(s->path, &rj_default_limits, &image));
        OK(rj_image_read(d.sample[s->parent].path, &rj_default_limits, &parent));
        ck_assert(image.w == 32 && image.h == 32);
        ck_assert_double_gt(distance(&image, &parent), 0.1);
        children[s->generator]++;
        rj_image_free(&image);
        rj_image_free(&parent);
    }
    for (int k = 0; k < RJ_FAMILIES; k++)
        ck_assert_int_eq(children[k], 6);
    rj_dataset_free(&d);
    place_free(&p);
}
END_TEST

static void expect_same(const char *a, const char *b)
{
    unsigned char *x, *y;
    size_t n, m;

    OK(rj_file_read(a, 1 << 20, &x, &n));
    OK(rj_file_read(b, 1 << 20, &y, &m));
    ck_assert_msg(n == m && memcmp(x, y, n) == 0, "%s and %s", a, b);
    rj_free(x);
    rj_free(y);
}

START_TEST(neither_threads_nor_other_families_change_a_picture)
{
    const place p = three_photos();
    static const char *const families[] = {
        "nearest-vq,gan,ddpm,ddim,latent,sr,sr4,inpaint,chain",
        "nearest-vq,gan,ddpm,ddim,latent,sr,sr4,inpaint,chain", "chain,inpaint", "ddim"};
    static const int threads[] = {2, 1, 4, 1};
    char folder[400];

    for (int k = 0; k < RJ_COUNT(threads); k++) {
        const rij_forge_options o = options_of(families[k], threads[k]);
        rj_list list = {0};

        snprintf(folder, sizeof folder, "%s%d", p.out, k);
        OK(rij_forge(p.photos, folder, &o));
        snprintf(folder, sizeof folder, "%s%d/fake", p.out, k);
        OK(rj_folder_list(folder, &list));
        ck_assert_int_eq(list.n, k < 2 ? 9 * 6 : k == 2 ? 2 * 6 : 6);
        for (int i = 0; k && i < list.n; i++) {
            char first[600];

            snprintf(first, sizeof first, "%s0/fake%s", p.out,
                     list.path[i] + strlen(folder));
            expect_same(first, list.path[i]);
        }
        rj_list_free(&list);
    }
    place_free(&p);
}
END_TEST

START_TEST(memory_that_runs_out_in_any_kind_is_a_status_and_no_leak)
{
    const place p = place_new();
    // chain goes through two kinds itself, each time through another's children
    const rij_forge_options o = options_of("nearest-vq,chain,inpaint", 1);
    rij_status status = RIJ_E_MEMORY;
    long n = 0;

    save_photo(&p, "a.png", 70, 40, 1);
    while (status == RIJ_E_MEMORY) {
        const long live = rj_memory_live();

        // Later on a step is like the one before it: a sample will do.
        n += 1 + n / (SANITIZED ? 2 : 6);
        rj_memory_fail_at(n);
        status = rij_forge(p.photos, p.out, &o);
        rj_memory_fail_at(0);
        ck_assert_int_eq(rj_memory_live(), live);
    }
    OK(status);
    ck_assert_int_gt(n, 300);
    place_free(&p);
}
END_TEST

SUITE(forge_models, every_kind_of_model_learns, the_discriminator_is_heard,
      noise_is_kept_by_the_published_schedule,
      a_net_that_says_nothing_leaves_the_linear_guess,
      ancestral_steps_add_noise_and_others_do_not,
      inpainting_leaves_what_is_not_hidden_untouched, what_was_hidden_makes_no_difference,
      numbers_that_are_none_stop_the_training,
      all_families_make_children_aligned_with_their_parents,
      neither_threads_nor_other_families_change_a_picture,
      memory_that_runs_out_in_any_kind_is_a_status_and_no_leak)
