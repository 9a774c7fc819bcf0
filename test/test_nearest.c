/* test_nearest.c: rij_nearest(): which exemplars, in which order, how similar. */
#include "exemplars_place.h"
#include <math.h>
#include <pthread.h>

/* Of the tree's data. */
static const char *file_of(const place *p, const char *id)
{
    char name[64];

    snprintf(name, sizeof name, "data/%.50s", id);
    return under(p, name);
}

/* ---- what is near ------------------------------------------------------------------ */

static void each_is_nearest_to_itself(const rij_model *m, const place *p)
{
    const int n = rij_model_exemplars(m);
    rij_neighbour near[2 * REALS], own[1];
    int found = 0;

    for (int i = 0; i < n; i++) {
        OK(rij_nearest_file(m, file_of(p, m->exemplars.id[i]), 2 * REALS, near, &found));
        ck_assert_int_eq(found, n);
        ck_assert_str_eq(near[0].id, m->exemplars.id[i]);
        ck_assert_msg(near[0].similarity > 1 - 1e-6 && near[0].similarity <= 1, "%.9f",
                      near[0].similarity);
        for (int k = 1; k < n; k++)
            ck_assert(near[k].similarity <= near[k - 1].similarity &&
                      near[k].similarity >= -1);
        OK(rij_nearest_file(m, file_of(p, m->exemplars.id[i]), 1, own, &found));
        ck_assert(found == 1 && own[0].id == near[0].id &&
                  own[0].similarity == near[0].similarity);
    }
}

START_TEST(an_exemplars_own_picture_is_nearest_to_itself)
{
    world w = world_new(KEPT);

    ck_assert_int_eq(rij_model_exemplars(w.m), KEPT);
    each_is_nearest_to_itself(w.m, &w.p);
    world_free(&w);
}
END_TEST

static void write_jpeg(const char *path, unsigned number)
{
    uint8_t *rgb = paint(48, 48, number, 1), *bytes = NULL;
    const rj_image image = {48, 48, rgb};
    size_t n = 0;

    OK(rj_jpeg_encode(&image, 60, &bytes, &n));
    OK(rj_file_write(path, bytes, n));
    rj_free(bytes);
    free(rgb);
}

/* By what the audit said. */
static bool recompressed(const rij_model *m)
{
    bool told = false;

    for (int i = 0; i < m->about.entries; i++)
        told |= strstr(m->about.entry[i].value, "images are recompressed") != NULL;
    return told;
}

/* Where fakes are JPEG a training reads photographs recompressed, a question does not. */
START_TEST(an_exemplar_is_as_its_file_is)
{
    const place p = place_new(REALS, 0);
    rij_train_options o = with_exemplars(KEPT);
    rij_model *m = NULL;
    char name[64];

    for (unsigned i = 0; i < REALS; i++) {
        snprintf(name, sizeof name, "data/fake/north/%02u.jpg", i);
        write_jpeg(under(&p, name), i);
    }
    o.allow = "format, quantisation, mean colour, dimensions";
    OK(rij_train(p.data, &o, &m));
    ck_assert(recompressed(m));
    ck_assert_int_eq(rij_model_exemplars(m), KEPT);
    each_is_nearest_to_itself(m, &p);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* Rows in the place of a model's. */
static void set_rows(rij_model *m, int n, const float (*rows)[16])
{
    char name[16];

    rj_exemplars_free(&m->exemplars);
    OK(rj_exemplars_new(n, 16, &m->exemplars));
    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof name, "%d", i);
        m->exemplars.id[i] = rj_exemplar_id(name);
        memcpy(m->exemplars.z + (ptrdiff_t)16 * i, rows[i], sizeof rows[i]);
    }
}

START_TEST(equal_ones_come_in_the_order_of_the_data)
{
    const float rows[5][16] = {{0, -1}, {0, 1}, {0, -1}, {0, 1}, {0, -1}};
    world w = world_new(1);
    uint8_t *rgb = paint(90, 70, 3, 0);
    const rij_image image = {90, 70, (size_t)3 * 90, rgb};
    rij_neighbour near[5];
    int found = 0;
    bool up;

    set_rows(w.m, 5, rows);
    OK(rij_nearest(w.m, &image, 5, near, &found));
    ck_assert_int_eq(found, 5);
    up = near[0].id[0] == '1';
    ck_assert(near[0].similarity > 0 && near[4].similarity == -near[0].similarity);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(near[i].id[0], (up ? "13024" : "02413")[i]);
    free(rgb);
    world_free(&w);
}
END_TEST

/* Of a picture of one crop it is what S_prox says of a trace in the exemplar's place; of
 * more crops it is the mean of what it is of each, but for the length. */
START_TEST(similarity_is_to_exemplars_what_proximity_is_to_traces)
{
    const float row[1][16] = {{0.6f, 0, 0.8f}};
    world w = world_new(1);
    uint8_t *rgb = paint(64, 32, 5, 0);
    const rij_image whole = {64, 32, (size_t)3 * 64, rgb},
                    half[2] = {{32, 32, whole.stride, rgb},
                               {32, 32, whole.stride, rgb + (ptrdiff_t)3 * 32}};
    rij_neighbour near[2], all;
    rj_context *c = NULL;
    rij_verdict v;
    double z[2][16], dot = 0;
    int found;

    set_rows(w.m, 1, row);
    OK(rj_model_set_traces(w.m, 1, 16, row[0]));
    for (int i = 0; i < 2; i++) {
        rj_image tight;
        bool own;

        OK(rij_nearest(w.m, &half[i], 1, &near[i], &found));
        OK(rij_predict(w.m, &half[i], &v));
        ck_assert_double_eq_tol(near[i].similarity, -v.proximity, 1e-6);
        OK(rj_pixels_tight(&half[i], &tight, &own));
        OK(rj_context_take(w.m, &c));
        OK(rj_embed_image(w.m, c, &tight, z[i]));
        rj_context_give(w.m, c);
        rj_image_free(&tight);
    }
    OK(rij_predict(w.m, &whole, &v));
    ck_assert_int_eq(v.crops, 2);
    OK(rij_nearest(w.m, &whole, 1, &all, &found));
    for (int j = 0; j < 16; j++)
        dot += z[0][j] * z[1][j];
    ck_assert_double_eq_tol(all.similarity, -v.proximity / sqrt((1 + dot) / 2), 1e-6);
    free(rgb);
    world_free(&w);
}
END_TEST

START_TEST(threads_change_no_bit)
{
    const char *wanted = NULL;
    world w = world_new(KEPT);
    rij_train_options o = with_exemplars(KEPT);
    rij_model_hashes first = {"", ""}, hashes;
    uint8_t *rgb = paint(300, 200, 8, 0);
    const rij_image image = {300, 200, (size_t)3 * 300, rgb};
    rij_neighbour one[KEPT], near[KEPT];
    int found = 0;

    OK(rij_nearest(w.m, &image, KEPT, one, &found));
    for (o.threads = 1; o.threads <= 4; o.threads++) {
        rij_model *m = opened(w.p.model, o.threads);

        OK(rij_nearest(m, &image, KEPT, near, &found));
        for (int i = 0; i < KEPT; i++)
            ck_assert(strcmp(near[i].id, one[i].id) == 0 &&
                      near[i].similarity == one[i].similarity);
        rij_model_free(m);
        OK(rij_train(w.p.data, &o, &m));
        OK(rij_model_hash(m, &hashes));
        if (!wanted)
            first = hashes;
        wanted = first.model;
        ck_assert_str_eq(hashes.model, wanted);
        rij_model_free(m);
    }
    free(rgb);
    world_free(&w);
}
END_TEST

typedef struct asker {
    const rij_model *m;
    const char *path;
    rij_neighbour near[4];
    rij_status status;
} asker;

static void *ask_thread(void *user)
{
    asker *a = user;
    int found = 0;

    for (int i = 0; i < 4 && a->status == RIJ_OK; i++)
        a->status = rij_nearest_file(a->m, a->path, 4, a->near, &found);
    return NULL;
}

START_TEST(four_threads_that_share_a_model_are_told_the_same)
{
    world w = world_new(4);
    char path[4200];
    asker a[4] = {{0}};
    pthread_t thread[4];

    snprintf(path, sizeof path, "%s", under(&w.p, "data/real/01.png"));
    for (int i = 0; i < 4; i++) {
        a[i] = (asker){.m = w.m, .path = path};
        ck_assert_int_eq(pthread_create(&thread[i], NULL, ask_thread, &a[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(a[i].status, RIJ_OK);
        ck_assert_mem_eq(a[i].near, a[0].near, sizeof a[0].near);
    }
    world_free(&w);
}
END_TEST

/* ---- refusals, failures ------------------------------------------------------------ */

START_TEST(what_cannot_be_asked_is_refused)
{
    world w = world_new(KEPT);
    const char *path = under(&w.p, "data/real/00.png");
    const rij_image flat = {4, 4, 12, (const uint8_t *)path};
    rij_train_options o = with_exemplars(3);
    rij_neighbour near[KEPT] = {{.id = "as before"}};
    rij_model *m = NULL;
    int found = 77;

    FAILS(rij_nearest_file(NULL, path, 1, near, &found), RIJ_E_ARGUMENT);
    FAILS(rij_nearest_file(w.m, NULL, 1, near, &found), RIJ_E_ARGUMENT);
    FAILS(rij_nearest_file(w.m, path, 1, NULL, &found), RIJ_E_ARGUMENT);
    FAILS(rij_nearest_file(w.m, path, 1, near, NULL), RIJ_E_ARGUMENT);
    FAILS(rij_nearest_file(w.m, path, 0, near, &found), RIJ_E_ARGUMENT);
    FAILS(rij_nearest_file(w.m, path, -1, near, &found), RIJ_E_ARGUMENT);
    FAILS(rij_nearest(w.m, NULL, 1, near, &found), RIJ_E_ARGUMENT);
    FAILS(rij_nearest(w.m, &flat, 1, near, &found), RIJ_E_ARGUMENT);
    FAILS(rij_nearest_file(w.m, "none.png", 1, near, &found), RIJ_E_FILE);
    FAILS(rij_nearest_file(w.m, w.p.model, 1, near, &found), RIJ_E_IMAGE);
    ck_assert(found == 77 && strcmp(near[0].id, "as before") == 0);
    ck_assert_int_eq(rij_model_exemplars(NULL), 0);
    o.shuffle_labels = 1;
    FAILS(rij_train(w.p.data, &o, &m), RIJ_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "exemplars are photographs"));
    o.shuffle_labels = 0;
    o.steps1 = -1;
    o.contrast = "none";
    FAILS(rij_train(w.p.data, &o, &m), RIJ_E_ARGUMENT);
    o.contrast = NULL;
    o.lambda = -1;
    FAILS(rij_train(w.p.data, &o, &m), RIJ_E_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "compared by z"));
    world_free(&w);
}
END_TEST

static rij_status ask(const rij_model *m, const char *path, long n, long *made)
{
    rij_neighbour near[KEPT] = {{.id = "as before"}};
    int found = 77;
    rij_status status;

    rj_memory_fail_at(n);
    status = rij_nearest_file(m, path, KEPT, near, &found);
    *made = rj_memory_fail_at(0);
    ck_assert(status == RIJ_OK ? found == KEPT
                               : found == 77 && strcmp(near[0].id, "as before") == 0);
    return status;
}

static rij_status open_and_save(const char *path, const char *copy, long n, long *made)
{
    const rij_open_options o = {sizeof o, "cpu", 1};
    rij_model *m = NULL;
    rij_status status;

    rj_memory_fail_at(n);
    status = rij_model_open(path, &o, &m);
    if (status == RIJ_OK)
        status = rij_model_save(m, copy);
    *made = rj_memory_fail_at(0);
    rij_model_free(m);
    return status;
}

START_TEST(asking_and_opening_survive_every_failing_allocation)
{
    world w = world_new(KEPT);
    const char *path = under(&w.p, "data/real/00.png"), *copy = under(&w.p, "copy");
    long made = 1, live;

    OK(ask(w.m, path, 0, &made)); // the model's scratch is there from now on
    live = rj_memory_live();
    for (int which = 0; which < 2; which++)
        for (long n = made = 1; made >= n; n += 1 + SANITIZED * n / 10) {
            const rij_status status = which ? open_and_save(w.p.model, copy, n, &made)
                                            : ask(w.m, path, n, &made);

            ck_assert_msg(status == RIJ_OK || (status == RIJ_E_MEMORY && made >= n),
                          "allocation %ld: %s", n, rij_last_error());
            ck_assert_int_eq(rj_memory_live(), live);
            ck_assert_msg(made >= n || n > 6, "only %ld allocations", made);
        }
    world_free(&w);
}
END_TEST

SUITE(nearest, an_exemplars_own_picture_is_nearest_to_itself,
      an_exemplar_is_as_its_file_is, equal_ones_come_in_the_order_of_the_data,
      similarity_is_to_exemplars_what_proximity_is_to_traces, threads_change_no_bit,
      four_threads_that_share_a_model_are_told_the_same, what_cannot_be_asked_is_refused,
      asking_and_opening_survive_every_failing_allocation)
