/* test_exemplars.c: photographs that a training keeps, and the file that they stand in.
 */
#include "exemplars_place.h"
#include <math.h>
#include <unistd.h>

/* ---- which are kept ---------------------------------------------------------------- */

/* A table of the place's pictures: of photographs 0..5 each is a group, the others are
 * one. `before` stands before every path. */
static const char *write_table(const place *p, const char *before)
{
    FILE *f = fopen(under(p, "data/data.tsv"), "w");

    ck_assert_ptr_nonnull(f);
    fprintf(f, "path\tlabel\tgroup\n");
    for (int i = 0; i < REALS; i++)
        fprintf(f, "%sreal/%02d.png\treal\tg%d\n", before, i, RJ_MIN(i, 6));
    for (int i = 0; i < 4; i++)
        fprintf(f, "%sfake/north/%02d.png\tfake\tf%d\n", before, i, i);
    ck_assert_int_eq(fclose(f), 0);
    return under(p, "data/data.tsv");
}

/* Which photographs are chosen, in the order of the data; how many. */
static int chosen(const rj_dataset *d, uint64_t seed, int most, bool is[REALS])
{
    int sample[2 * REALS], n = 0, before = -1;

    OK(rj_exemplars_choose(d, seed, most, sample, &n));
    for (int i = 0; i < REALS; i++)
        is[i] = false;
    for (int i = 0; i < n; i++) {
        ck_assert_int_gt(sample[i], before);
        ck_assert_int_lt(sample[i], REALS); // behind these lie fakes
        ck_assert(d->sample[sample[i]].validation);
        is[sample[i]] = true;
        before = sample[i];
    }
    return n;
}

/* Ask for more and more: each list holds the one before, and the large group has two
 * only when the others have all. Returns how many of it there are at the end. */
static int chosen_in_turns(const rj_dataset *d, uint64_t seed)
{
    bool all[REALS], is[REALS], before[REALS] = {false};
    const int n = chosen(d, seed, REALS, all);
    int large = 0;

    for (int i = 1; i <= n; i++) {
        bool lacks = false;

        ck_assert_int_eq(chosen(d, seed, i, is), i);
        large = 0;
        for (int k = 0; k < REALS; k++) {
            ck_assert(is[k] || !before[k]);
            lacks |= k < 6 && all[k] && !is[k];
            large += k >= 6 && is[k];
            before[k] = is[k];
        }
        ck_assert(large <= 1 || !lacks);
    }
    return large;
}

START_TEST(groups_take_turns)
{
    const place p = place_new(REALS, 4);
    int with_large = 0, without = 0;
    rj_dataset d = {0};

    OK(rj_dataset_open(write_table(&p, ""), NULL, &d));
    for (int i = 0; i < d.n; i++)
        d.sample[i].usable = true;
    for (uint64_t seed = 1; seed < 40; seed++) {
        int large;

        OK(rj_dataset_hold_out(&d, 0.5, seed));
        large = chosen_in_turns(&d, seed);
        ck_assert(large == 0 || large == 6); // all of it, in the end, or it trains
        with_large += large > 0;
        without += large == 0;
    }
    ck_assert(with_large > 0 && without > 0);
    rj_dataset_free(&d);
    place_free(&p);
}
END_TEST

/* What a training keeps is what was chosen. */
START_TEST(a_training_keeps_those_that_were_chosen)
{
    const place p = place_new(REALS, 4);
    const char *table = write_table(&p, "");
    rij_train_options o = with_exemplars(3);
    rij_model *m = NULL;

    o.encoder = "statistics";
    o.steps1 = o.steps2 = 1;
    o.traces = -1;
    for (o.seed = 1; o.seed <= 3; o.seed++) {
        rj_dataset d = {0};
        int sample[2 * REALS], n = 0;

        OK(rj_dataset_open(table, NULL, &d));
        for (int i = 0; i < d.n; i++)
            d.sample[i].usable = true;
        OK(rj_dataset_hold_out(&d, o.validation, o.seed));
        OK(rj_exemplars_choose(&d, o.seed, 3, sample, &n));
        OK(rij_train(table, &o, &m));
        ck_assert_int_eq(rij_model_exemplars(m), n);
        for (int i = 0; i < n; i++)
            ck_assert_str_eq(m->exemplars.id[i], d.sample[sample[i]].name);
        rij_model_free(m);
        rj_dataset_free(&d);
    }
    place_free(&p);
}
END_TEST

typedef struct listener {
    char notes[600];
    const place *p; /* whose photographs go when the training is all but done; or NULL */
} listener;

static int listen(const rij_progress *p, void *user)
{
    listener *l = user;
    const size_t used = strlen(l->notes);

    for (int i = 0; l->p && i < REALS && strcmp(p->phase, "examine") == 0; i++) {
        char name[40];

        snprintf(name, sizeof name, "data/real/%02d.png", i);
        unlink(under(l->p, name));
    }
    if (p->note && strstr(p->note, "exemplars"))
        snprintf(l->notes + used, sizeof l->notes - used, "%s\n", p->note);
    return 0;
}

START_TEST(fewer_than_were_asked_for_are_told)
{
    const place p = place_new(REALS, 4);
    rij_train_options o = with_exemplars(1000);
    char before[1100] = "";
    listener l = {"", NULL};
    rij_model *m = NULL;

    o.progress = listen;
    o.user = &l;
    OK(rij_train(p.data, &o, &m));
    ck_assert_int_gt(rij_model_exemplars(m), 1);
    ck_assert_msg(strstr(l.notes, " exemplars, not 1000: no more"), "%s", l.notes);
    rij_model_free(m);
    memset(l.notes, 0, sizeof l.notes);
    for (int i = 0; i < 1024; i += 8)
        memcpy(before + i, "real/../", 9);
    OK(rij_train(write_table(&p, before), &o, &m)); // names that are too long
    ck_assert_int_eq(rij_model_exemplars(m), 0);
    ck_assert_msg(strstr(l.notes, "0 exemplars, not 1000"), "%s", l.notes);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

START_TEST(photographs_that_are_gone_end_no_training)
{
    const place p = place_new(REALS, 4);
    rij_train_options o = with_exemplars(3);
    listener l = {"", &p};
    rij_model *m = NULL;

    o.progress = listen;
    o.user = &l;
    OK(rij_train(p.data, &o, &m));
    ck_assert_int_eq(rij_model_exemplars(m), 0);
    ck_assert_msg(strstr(l.notes, "0 exemplars, not 3"), "%s", l.notes);
    rij_model_free(m);
    place_free(&p);
}
END_TEST

/* ---- the model file ---------------------------------------------------------------- */

static bool file_holds(const char *path, const char *word)
{
    unsigned char *bytes = NULL;
    size_t n;
    bool found;

    OK(rj_file_read(path, 64 << 20, &bytes, &n));
    found = memmem(bytes, n, word, strlen(word)) != NULL;
    rj_free(bytes);
    return found;
}

START_TEST(nothing_is_kept_unless_asked_for)
{
    world w = world_new(0);
    const char *path = under(&w.p, "data/real/00.png");
    rij_neighbour near = {.id = "as before"};
    int found = 77;

    ck_assert(!file_holds(w.p.model, "exemplar") && !file_holds(w.p.model, "real/0"));
    ck_assert_int_eq(rij_model_exemplars(w.m), 0);
    FAILS(rij_nearest_file(w.m, path, 1, &near, &found), RIJ_E_DATA);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "option 'exemplars'"));
    ck_assert(found == 77 && strcmp(near.id, "as before") == 0);
    world_free(&w);
}
END_TEST

START_TEST(what_is_kept_is_told_and_stays)
{
    world w = world_new(KEPT);
    rij_model *m = NULL;
    char text[8192];
    const char *copy = under(&w.p, "copy");
    rij_model_hashes a, b;

    ck_assert(file_holds(w.p.model, "\"exemplars.id\":\"[\\\"real/"));
    rij_model_describe(w.m, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "\nexemplars   5 photographs, by name\n"));
    ck_assert_ptr_nonnull(strstr(text, "\ncard.exemplars 5 photographs that were kept "));
    ck_assert_ptr_nonnull(strstr(text, "exemplars 5, allow"));
    ck_assert_ptr_null(rj_st_get(&w.m->about, "exemplars.id")); // it stands elsewhere
    OK(rij_model_hash(w.m, &a));
    OK(rij_model_save(w.m, copy));
    m = opened(copy, 1);
    OK(rij_model_hash(m, &b));
    ck_assert_str_eq(a.model, b.model);
    OK(rij_calibrate(m, w.p.data, NULL));
    ck_assert_int_eq(rij_model_exemplars(m), KEPT);
    ck_assert_mem_eq(m->exemplars.z, w.m->exemplars.z, KEPT * 16 * sizeof(float));
    rij_model_free(m);
    world_free(&w);
}
END_TEST

/* Other weights embed otherwise. */
START_TEST(imported_weights_have_no_exemplars)
{
    world w = world_new(KEPT);
    const char *weights = under(&w.p, "weights"), *made = under(&w.p, "made");
    unsigned char *bytes = NULL;
    rij_model *m;
    size_t n;

    OK(rj_file_read(w.p.model, 64 << 20, &bytes, &n));
    memcpy(memmem(bytes, n, "\"hash\"", 6), "\"h4sh\"", 6);
    OK(rj_file_write(weights, bytes, n));
    rj_free(bytes);
    OK(rij_model_import(weights, made));
    m = opened(made, 1);
    ck_assert_int_eq(rij_model_exemplars(m), 0);
    ck_assert(!file_holds(made, "exemplars.id"));
    rij_model_free(m);
    world_free(&w);
}
END_TEST

/* The model's file with other rows, or with other names unless they are NULL, is refused
 * in these words; NULL: it is read. */
static void read_changed(const rij_model *m, void (*change)(rj_st_tensor *rows),
                         const char *ids, const char *words)
{
    rj_st_file f = {0};
    rij_model *back = NULL;
    const long live = rj_memory_live();
    rij_status status;

    OK(rj_model_to_file(m, &f));
    for (int i = 0; i < f.tensors && change; i++)
        if (strcmp(f.tensor[i].name, "exemplars") == 0)
            change(&f.tensor[i]);
    for (int i = 0; i < f.entries && ids; i++)
        if (strcmp(f.entry[i].key, "exemplars.id") == 0) {
            rj_free(f.entry[i].value);
            f.entry[i].value = rj_strdup(ids);
            if (strcmp(ids, "none") == 0)
                f.entry[i].key[0] = 'x';
        }
    status = rj_model_from_file(&f, "cpu", 1, &back);
    ck_assert_msg(status == (words ? RIJ_E_MODEL : RIJ_OK), "%s", rij_last_error());
    ck_assert_msg(!words || strstr(rij_last_error(), words), "%s", rij_last_error());
    rij_model_free(back);
    rj_st_free(&f);
    ck_assert_int_eq(rj_memory_live(), live);
}

static void no_tensor(rj_st_tensor *t)
{
    t->name[0] = 'x';
}

static void other_width(rj_st_tensor *t)
{
    t->shape = rj_shape_plain(2, 2, 8, 1, 1);
}

static void other_rank(rj_st_tensor *t)
{
    t->shape = rj_shape_plain(3, 2, 16, 1, 1);
}

static void no_unit(rj_st_tensor *t)
{
    t->x[16] += 1;
}

static void no_number(rj_st_tensor *t)
{
    t->x[3] = NAN;
}

static void too_many(rj_st_tensor *t)
{
    rj_free(t->x);
    t->x = rj_alloc((size_t)1025 * 16, sizeof *t->x);
    for (int i = 0; i < 1025; i++)
        t->x[16 * i] = 1;
    t->shape.dim[0] = 1025;
}

START_TEST(rows_that_make_no_sense_are_refused)
{
    static const struct {
        void (*change)(rj_st_tensor *rows);
        const char *words;
    } changes[] = {{NULL, NULL},
                   {no_tensor, "no tensor 'exemplars'"},
                   {other_width, "not 1..1024 rows of 16"},
                   {other_rank, "not 1..1024 rows of 16"},
                   {too_many, "not 1..1024 rows of 16"},
                   {no_unit, "row 1 of 'exemplars' has squared length"},
                   {no_number, "row 0 of 'exemplars' has squared length"}};
    world w = world_new(2);

    for (int i = 0; i < RJ_COUNT(changes); i++)
        read_changed(w.m, changes[i].change, NULL, changes[i].words);
    world_free(&w);
}
END_TEST

START_TEST(names_that_make_no_sense_are_refused)
{
    static const char *const changes[][2] = {
        {"none", "no entry 'exemplars.id'"},
        {"[\"a\",\"b\"", "no list of 2 names"},
        {"{\"a\":1,\"b\":2}", "no list of 2 names"},
        {"[\"a\"]", "no list of 2 names"},
        {"[\"a\",\"b\",\"c\"]", "no list of 2 names"},
        {"[\"a\",\"\xc3(\"]", "no list of 2 names"},
        {"[\"a\\u0000\",\"b\"]", "no list of 2 names"},
        {"[\"a\",7]", "name 1 of 'exemplars.id'"},
        {"[\"\",\"b\"]", "name 0 of 'exemplars.id'"},
        {"[\"a\",\"\\u001b[2J\"]", "name 1 of 'exemplars.id'"},
        {"[\"a\",\"\\u009b2J\"]", "name 1 of 'exemplars.id'"},
    };
    char text[1100] = "[\"a\",\"";
    world w = world_new(2);

    for (int i = 0; i < RJ_COUNT(changes); i++)
        read_changed(w.m, NULL, changes[i][0], changes[i][1]);
    for (size_t n = 1023; n <= 1024; n++) {
        memset(text + 6, 'n', n);
        memcpy(text + 6 + n, "\"]", 3);
        read_changed(w.m, NULL, text, n > 1023 ? "name 1 of 'exemplars.id'" : NULL);
    }
    world_free(&w);
}
END_TEST

START_TEST(names_move_no_cursor)
{
    static const char *const names[][2] = {
        {"a/b c.png", "a/b c.png"},
        {"\xc3\xa9t\xc3\xa9/\xe6\xb5\xb7.png", "\xc3\xa9t\xc3\xa9/\xe6\xb5\xb7.png"},
        {"\x1b[2J\n\x7f", "?[2J??"},
        {"\xc2\x9b\xc2\xa0", "??\xc2\xa0"},
        {"\xff\xe6\xb5", "???"},
    };

    for (int i = 0; i < RJ_COUNT(names); i++) {
        char *id = rj_exemplar_id(names[i][0]);

        ck_assert_str_eq(id, names[i][1]);
        rj_free(id);
    }
}
END_TEST

/* The last allocations of a training: exemplars, card. */
START_TEST(a_training_survives_failing_allocations_at_its_end)
{
    const place p = place_new(REALS, 4);
    rij_train_options o = with_exemplars(3);
    const long live = rj_memory_live();
    rij_model *m = NULL;
    long made;

    o.encoder = "statistics";
    o.steps1 = o.steps2 = 1;
    o.traces = -1;
    rj_memory_fail_at(0);
    OK(rij_train(p.data, &o, &m));
    made = rj_memory_fail_at(0);
    rij_model_free(m);
    for (long n = made - 60; n <= made; n += SANITIZED ? 7 : 1) {
        rij_status status;
        long now;

        rj_memory_fail_at(n);
        status = rij_train(p.data, &o, &m);
        now = rj_memory_fail_at(0);
        ck_assert_msg(status == RIJ_OK || (status == RIJ_E_MEMORY && now >= n),
                      "allocation %ld of %ld: %s", n, now, rij_last_error());
        ck_assert((status == RIJ_OK) == (m != NULL));
        rij_model_free(m);
        ck_assert_int_eq(rj_memory_live(), live);
    }
    place_free(&p);
}
END_TEST

SUITE(exemplars, groups_take_turns, a_training_keeps_those_that_were_chosen,
      fewer_than_were_asked_for_are_told, photographs_that_are_gone_end_no_training,
      nothing_is_kept_unless_asked_for, what_is_kept_is_told_and_stays,
      imported_weights_have_no_exemplars, rows_that_make_no_sense_are_refused,
      names_that_make_no_sense_are_refused, names_move_no_cursor,
      a_training_survives_failing_allocations_at_its_end)
