/* Data sets from tables and folders, and their division. */
#include "data_place.h"

static rij_status open_table(const place *p, const char *text, const char *split,
                             rj_dataset *d)
{
    save_text(p, "m.tsv", text);
    return rj_dataset_open(in(p, "m.tsv"), split, d);
}

static bool ends(const char *path, const char *with)
{
    return strlen(path) >= strlen(with) &&
           strcmp(path + strlen(path) - strlen(with), with) == 0;
}

/* Index of the sample whose path ends so. */
static int find(const rj_dataset *d, const char *end)
{
    for (int i = 0; i < d->n; i++)
        if (ends(d->sample[i].path, end))
            return i;
    ck_abort_msg("no sample %s", end);
    return -1;
}

START_TEST(table_is_read_by_column_name)
{
    const place p = place_new();
    const rj_sample *s;
    rj_dataset d;

    OK(open_table(&p,
                  "\xef\xbb\xbfwidth\tlabel\tgenerator\tpath\tgroup\tparent\tsplit\r\n"
                  "\r\n"
                  "12\tfake\tzoo\ta.png\tg1\tsub/b.png\ttrain\r\n"
                  "12\treal\tignored\t./sub/b.png\tg1\t\ttrain\r\n"
                  "\n"
                  "12\tfake\t\t/abs/\"c\".png\t\t\ttrain\n"
                  "12\tfake\tant\td.png\t\t\tdev\n"
                  "12\tfake\tant\te.png",
                  NULL, &d));
    ck_assert_int_eq(d.n, 5);
    ck_assert_int_eq(d.generators, 3);
    ck_assert_str_eq(d.generator[0], "ant");
    ck_assert_str_eq(d.generator[1], "fake");
    ck_assert_str_eq(d.generator[2], "zoo");
    s = d.sample;
    ck_assert_str_eq(s[0].path, in(&p, "a.png"));
    ck_assert_str_eq(s[1].path, in(&p, "sub/b.png"));
    ck_assert_str_eq(s[2].path, "/abs/\"c\".png");
    ck_assert(s[0].label == RJ_FAKE_LABEL && s[1].label == RJ_REAL_LABEL);
    ck_assert(s[0].generator == 2 && s[1].generator == -1 && s[2].generator == 1);
    ck_assert(s[3].generator == 0 && s[4].generator == 0);
    ck_assert(s[0].parent == 1 && s[1].parent == -1 && s[2].parent == -1);
    ck_assert_uint_eq(s[0].group, s[1].group);
    ck_assert_uint_ne(s[2].group, s[3].group);
    ck_assert(s[0].usable && !s[0].validation);
    rj_dataset_free(&d);
    place_free(&p);
}
END_TEST

START_TEST(only_the_wanted_split_is_taken)
{
    const place p = place_new();
    rj_dataset d;

    OK(open_table(&p,
                  "path\tlabel\tsplit\n"
                  "a\treal\ttrain\n"
                  "b\treal\tdev\n"
                  "c\tfake\tdev\n",
                  "dev", &d));
    ck_assert_int_eq(d.n, 2);
    ck_assert(ends(d.sample[0].path, "/b") && ends(d.sample[1].path, "/c"));
    rj_dataset_free(&d);
    place_free(&p);
}
END_TEST

START_TEST(parent_and_child_share_a_group)
{
    const place p = place_new();
    rj_dataset d;

    OK(open_table(&p,
                  "path\tlabel\tparent\tgroup\n"
                  "f/1\tfake\tr/1\t\n"
                  "r/1\treal\t\t\n"
                  "f/2\tfake\tr/2\t\n" // its parent names a group
                  "r/2\treal\t\tg\n"
                  "f/3\tfake\tabsent\t\n"
                  "f/4\tfake\tabsent\t\n",
                  NULL, &d));
    ck_assert_uint_eq(d.sample[0].group, d.sample[1].group);
    ck_assert_uint_eq(d.sample[2].group, d.sample[3].group);
    ck_assert_uint_eq(d.sample[4].group, d.sample[5].group);
    ck_assert_uint_ne(d.sample[0].group, d.sample[2].group);
    ck_assert(d.sample[0].parent == 1 && d.sample[2].parent == 3);
    ck_assert(d.sample[4].parent == -1);
    rj_dataset_free(&d);
    place_free(&p);
}
END_TEST

START_TEST(bad_tables_are_refused_in_words)
{
    static const struct {
        const char *text, *split, *words;
    } cases[] = {
        {"", NULL, "no column is named path"},
        {"path\tkind\na\treal\n", NULL, "no column is named label"},
        {"label\nreal\n", NULL, "no column is named path"},
        {"path\tlabel\tpath\na\treal\tb\n", NULL, "two columns are named path"},
        {"path\tlabel\n", NULL, "no rows"},
        {"path\tlabel\na\treal\n\nb\tReal\n", NULL, "line 4: label Real is neither"},
        {"path\tlabel\na\n", NULL, "line 2: label (empty) is neither"},
        {"path\tlabel\n\treal\n", NULL, "line 2: no path"},
        {"path\tlabel\na\treal\n", "dev", "no column is named split"},
        {"path\tlabel\tsplit\na\treal\ttrain\n", "dev", "no rows of split dev"},
        {"path\tlabel\tsplit\tgroup\na\treal\ttrain\tg\nb\treal\tdev\th\n"
         "c\tfake\tdev\tg\n",
         "train", "two splits: line 2 (a, train) and line 4 (c, dev)"},
        {"path\tlabel\tsplit\tparent\na\treal\ttrain\nb\tfake\tdev\ta\n", NULL,
         "two splits"},
        {"path\tlabel\tgroup\tparent\na\treal\tg\nb\tfake\th\ta\n", NULL,
         "line 3: b and its parent are in different groups"},
        {"path\tlabel\tparent\na\tfake\nb\tfake\ta\n", NULL,
         "line 3: parent a is not real"},
    };
    const place p = place_new();
    rj_dataset d;

    for (int i = 0; i < RJ_COUNT(cases); i++) {
        FAILS(open_table(&p, cases[i].text, cases[i].split, &d), RIJ_E_DATA);
        ck_assert_msg(strstr(rij_last_error(), cases[i].words), "case %d: %s", i,
                      rij_last_error());
    }
    save_bytes(&p, "m.tsv", "path\tlabel\na\0b\treal\n", 21);
    FAILS(rj_dataset_open(in(&p, "m.tsv"), NULL, &d), RIJ_E_DATA);
    FAILS(rj_dataset_open(in(&p, "absent.tsv"), NULL, &d), RIJ_E_FILE);
    ck_assert_int_eq(rj_memory_live(), 0);
    place_free(&p);
}
END_TEST

START_TEST(folder_says_what_files_are)
{
    const place p = place_new();
    rj_dataset d;

    save_text(&p, "real/x/1.png", "1");
    save_text(&p, "real/2.jpg", "2");
    save_text(&p, "real/notes.TXT", "");
    save_text(&p, "real/.hidden.png", "");
    save_text(&p, "fake/gan/x/1.jpg", "3");
    save_text(&p, "fake/gan/2.png", "4");
    save_text(&p, "fake/vae/x/2.png", "5");
    save_text(&p, "fake/loose.png", "6");
    save_text(&p, "readme.md", "");
    save_text(&p, "elsewhere/7.png", "7");
    save_text(&p, "manifest.tsv", "");
    OK(rj_dataset_open(p.root, NULL, &d));
    ck_assert_int_eq(d.n, 6);
    ck_assert_int_eq(d.generators, 3);
    ck_assert_str_eq(d.generator[0], "fake");
    ck_assert_str_eq(d.generator[1], "gan");
    ck_assert_str_eq(d.generator[2], "vae");
    for (int i = 1; i < d.n; i++)
        ck_assert_int_lt(strcmp(d.sample[i - 1].path, d.sample[i].path), 0);
    ck_assert_int_eq(d.sample[find(&d, "gan/x/1.jpg")].parent, find(&d, "real/x/1.png"));
    ck_assert_int_eq(d.sample[find(&d, "gan/2.png")].parent, find(&d, "real/2.jpg"));
    ck_assert_int_eq(d.sample[find(&d, "vae/x/2.png")].parent, -1);
    ck_assert_int_eq(d.sample[find(&d, "loose.png")].parent, -1);
    ck_assert_int_eq(d.sample[find(&d, "loose.png")].generator, 0);
    ck_assert_int_eq(d.sample[find(&d, "vae/x/2.png")].generator, 2);
    ck_assert_uint_eq(d.sample[find(&d, "gan/2.png")].group,
                      d.sample[find(&d, "real/2.jpg")].group);
    ck_assert_int_eq(rj_dataset_count(&d, RJ_REAL_LABEL, false), 2);
    rj_dataset_free(&d);
    FAILS(rj_dataset_open(p.root, "train", &d), RIJ_E_DATA);
    FAILS(rj_dataset_open(in(&p, "elsewhere/"), NULL, &d), RIJ_E_DATA);
    place_free(&p);
}
END_TEST

START_TEST(folders_of_cnndetection_are_understood)
{
    const place p = place_new();
    rj_dataset d;

    save_text(&p, "0_real/1.png", "1");
    save_text(&p, "1_fake/1.png", "2");
    save_text(&p, "biggan/0_real/a/2.png", "3");
    save_text(&p, "biggan/1_fake/a/2.png", "4");
    save_text(&p, "progan/cat/1_fake/3.png", "5");
    OK(rj_dataset_open(p.root, NULL, &d));
    ck_assert_int_eq(d.n, 5);
    ck_assert_int_eq(d.generators, 3);
    ck_assert_str_eq(d.generator[0], "biggan");
    ck_assert_str_eq(d.generator[1], "cat");
    ck_assert_str_eq(d.generator[2], "fake");
    ck_assert_int_eq(d.sample[find(&d, "/1_fake/1.png")].generator, 2);
    ck_assert_int_eq(d.sample[find(&d, "biggan/1_fake/a/2.png")].generator, 0);
    ck_assert_int_eq(d.sample[find(&d, "biggan/0_real/a/2.png")].label, RJ_REAL_LABEL);
    for (int i = 0; i < d.n; i++)
        ck_assert_int_eq(d.sample[i].parent, -1);
    rj_dataset_free(&d);
    place_free(&p);
}
END_TEST

START_TEST(hash_is_of_what_the_set_says)
{
    static const char *const other[] = {
        "path\tlabel\tgenerator\tgroup\nb\treal\t\tg\nx\tfake\tz\th\n",
        "path\tlabel\tgenerator\tgroup\na\tfake\t\tg\nx\tfake\tz\th\n",
        "path\tlabel\tgenerator\tgroup\na\treal\t\tg\nx\tfake\ty\th\n",
        "path\tlabel\tgenerator\tgroup\na\treal\t\tg\nx\tfake\tz\tg\n",
        "path\tlabel\tgenerator\tgroup\nx\tfake\tz\th\na\treal\t\tg\n",
    };
    const char *text = "path\tlabel\tgenerator\tgroup\na\treal\t\tg\nx\tfake\tz\th\n";
    const place p = place_new(), q = place_new();
    rj_dataset d, e;

    OK(open_table(&p, text, NULL, &d));
    OK(open_table(&q, text, NULL, &e)); // in another place
    ck_assert_uint_eq(d.hash, e.hash);
    rj_dataset_free(&e);
    for (int i = 0; i < RJ_COUNT(other); i++) {
        OK(open_table(&q, other[i], NULL, &e));
        ck_assert_uint_ne(d.hash, e.hash);
        rj_dataset_free(&e);
    }
    rj_dataset_free(&d);
    place_free(&p);
    place_free(&q);
}
END_TEST

/* ---- division --------------------------------------------------------------------- */

/* A data set of n samples whose groups and labels come from a seed. */
static void make_set(int n, int groups, uint64_t seed, rj_dataset *d)
{
    rj_random r = rj_random_start(seed, RJ_STREAM_TEST, 0);

    *d = (rj_dataset){0};
    for (int i = 0; i < n; i++) {
        const uint64_t group = 1000 + (uint64_t)rj_random_below(&r, groups);

        OK(rj_dataset_add(d, "x", "x", rj_random_below(&r, 2) ? "gan" : NULL, group));
    }
    rj_dataset_finish(d);
}

START_TEST(groups_never_part)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        const int groups = 2 + (int)(seed % 40);
        int of_label[2][2] = {{0}}, first[2] = {-1, -1};
        bool several[2] = {false, false};
        rj_dataset d, e;

        make_set(60, groups, seed, &d);
        make_set(60, groups, seed, &e);
        OK(rj_dataset_hold_out(&d, 0.02 + 0.02 * (double)(seed % 24), seed));
        OK(rj_dataset_hold_out(&e, 0.02 + 0.02 * (double)(seed % 24), seed));
        for (int i = 0; i < d.n; i++) {
            const rj_sample *s = &d.sample[i];

            ck_assert(s->validation == e.sample[i].validation);
            for (int j = 0; j < i; j++)
                if (d.sample[j].group == s->group)
                    ck_assert(d.sample[j].validation == s->validation);
            of_label[s->label][s->validation]++;
            if (first[s->label] < 0)
                first[s->label] = i;
            several[s->label] |= d.sample[first[s->label]].group != s->group;
        }
        for (int label = 0; label < 2; label++) {
            ck_assert(of_label[label][0] > 0); // something is left to train with
            ck_assert(!several[label] || of_label[label][1] > 0);
        }
        rj_dataset_free(&d);
        rj_dataset_free(&e);
    }
}
END_TEST

START_TEST(share_and_seed_decide_what_is_held_out)
{
    int held[2], differ = 0;
    rj_dataset d[2];

    for (int k = 0; k < 2; k++) {
        make_set(5000, 1000000, 1, &d[k]);
        OK(rj_dataset_hold_out(&d[k], 0.2, (uint64_t)k));
        held[k] = rj_dataset_count(&d[k], 0, true) + rj_dataset_count(&d[k], 1, true);
        ck_assert_int_gt(held[k], 1000 - 115); // four standard errors
        ck_assert_int_lt(held[k], 1000 + 115);
    }
    for (int i = 0; i < d[0].n; i++)
        differ += d[0].sample[i].validation != d[1].sample[i].validation;
    ck_assert_int_gt(differ, 1000);
    rj_dataset_free(&d[0]);
    rj_dataset_free(&d[1]);
}
END_TEST

START_TEST(shuffled_labels_keep_their_numbers)
{
    int before[2][2], changed = 0;
    rj_dataset d, e;

    make_set(400, 100, 3, &d);
    make_set(400, 100, 3, &e);
    OK(rj_dataset_hold_out(&d, 0.2, 3));
    for (int k = 0; k < 4; k++)
        before[k / 2][k % 2] = rj_dataset_count(&d, k / 2, k % 2);
    d.sample[find(&d, "x")].parent = 7;
    rj_dataset_shuffle_labels(&d, 4);
    for (int k = 0; k < 4; k++)
        ck_assert_int_eq(before[k / 2][k % 2], rj_dataset_count(&d, k / 2, k % 2));
    for (int i = 0; i < d.n; i++) {
        changed += d.sample[i].label != e.sample[i].label;
        ck_assert_int_eq(d.sample[i].generator, d.sample[i].label - 1);
        ck_assert_int_eq(d.sample[i].parent, -1);
        ck_assert_uint_eq(d.sample[i].group, e.sample[i].group);
    }
    ck_assert_int_gt(changed, 200 - 60);
    ck_assert_int_lt(changed, 200 + 60);
    rj_dataset_free(&d);
    rj_dataset_free(&e);
}
END_TEST

/* ---- memory ----------------------------------------------------------------------- */

START_TEST(each_allocation_may_fail)
{
    const place p = place_new();
    rj_dataset d = {0};

    save_text(&p, "m.tsv", "path\tlabel\tsplit\tparent\na\tfake\ts\tb\nb\treal\ts\n");
    save_text(&p, "real/1.png", "");
    save_text(&p, "fake/gan/1.png", "");
    for (int k = 0; k < 2; k++) {
        const char *data = k ? p.root : in(&p, "m.tsv");
        rij_status status = RIJ_E_MEMORY;

        for (long n = 1; status != RIJ_OK; n++) {
            rj_memory_fail_at(n);
            status = rj_dataset_open(data, k ? NULL : "s", &d);
            rj_memory_fail_at(0);
            ck_assert(status == RIJ_OK ? n > 8 : status == RIJ_E_MEMORY);
            ck_assert(status == RIJ_OK || rj_memory_live() == 0);
        }
        rj_dataset_free(&d);
        ck_assert_int_eq(rj_memory_live(), 0);
    }
    place_free(&p);
}
END_TEST

SUITE(dataset, table_is_read_by_column_name, only_the_wanted_split_is_taken,
      parent_and_child_share_a_group, bad_tables_are_refused_in_words,
      folder_says_what_files_are, folders_of_cnndetection_are_understood,
      hash_is_of_what_the_set_says, groups_never_part,
      share_and_seed_decide_what_is_held_out, shuffled_labels_keep_their_numbers,
      each_allocation_may_fail)
