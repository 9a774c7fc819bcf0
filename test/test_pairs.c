/* test_pairs.c: tables of pairs, well made and hostile. */
#include "judged_world.h"

#define HEAD "generator\treal_sources\tsame_group\n"

static rij_status read_pairs(const world *w, const char *text, size_t n, bool **pair)
{
    const place p = place_new(0, 0);
    FILE *file = fopen(under(&p, "pairs.tsv"), "w");
    rij_status status;

    ck_assert_uint_eq(fwrite(text, 1, n, file), n);
    ck_assert_int_eq(fclose(file), 0);
    status = rj_pairs_read(under(&p, "pairs.tsv"), &w->d, pair);
    place_free(&p);
    return status;
}

START_TEST(pairs_choose_reals_by_source_and_group)
{
    static const char text[] = "same_group\tnote\tgenerator\treal_sources\r\n"
                               "1\t?\tant\tpark , sea\r\n\r\n"
                               "0\t\tcat\tnowhere\n"
                               "0\t\tbee\tsea";
    static const bool wanted[2][7] = {{[2] = true}, {[4] = true}};
    bool *pair = NULL;
    rij_evaluation *e;
    rij_evaluation_row r;
    world w;

    world_new(&w);
    OK(read_pairs(&w, text, strlen(text), &pair));
    ck_assert_mem_eq(pair, wanted, sizeof wanted);
    e = judged(&w, pair, 1);
    r = row_of(e, "ant", "native");
    ck_assert(r.n_real == 1 && r.n_fake == 2);
    IS(r.auc, 1);
    r = row_of(e, "bee", "native");
    ck_assert(r.n_real == 1 && r.auc == 0);
    r = row_of(e, "mAP", "native");
    ck_assert(r.n_real == 2 && r.n_fake == 3);
    r = row_of(e, "POOLED", "native"); // all reals, paired or not
    ck_assert(r.n_real == 4 && r.n_fake == 3);
    rij_evaluation_free(e);
    rj_free(pair);
    OK(read_pairs(&w, HEAD "ant\tsea\t0", sizeof HEAD "ant\tsea\t0" - 1, &pair));
    for (int i = 0; i < 7; i++) // bee has no line
        ck_assert(pair[i] == (i == 4) && pair[7 + i]);
    rj_free(pair);
    world_free(&w);
}
END_TEST

START_TEST(hostile_pairs_are_refused)
{
    static const struct {
        const char *text, *why;
    } wrong[] = {
        {"", "no column"},
        {"\n\n\n", "no column"},
        {"generator\treal_sources\n", "same_group"},
        {"generator real_sources same_group\nant sea 0\n", "no column"},
        {"generator\treal_sources\tsame_group\tgenerator\n", "two are named"},
        {HEAD, "no generator of the data"},
        {HEAD "cat\tpark\t0\n", "no generator of the data"},
        {HEAD "\tpark\t0\n", "no generator"},
        {HEAD "ant\tpark\n", "same_group is"},
        {HEAD "ant\tpark\t2\n", "same_group is"},
        {HEAD "ant\tpark\t01\n", "same_group is"},
        {HEAD "ant\tpark\tyes\n", "same_group is"},
        {HEAD "ant\t\t0\n", "(empty)"},
        {HEAD "ant\tpark,\t0\n", "(empty)"},
        {HEAD "ant\t , \t0\n", "(empty)"},
        {HEAD "ant\tpork\t0\n", "source pork"},
        {HEAD "ant\tpark\t0\nant\tsea\t0\n", "line 3: a second line"},
        {HEAD "ant\tsea\t1\n", "shares a group"},
        {HEAD "cat\tpark\t7\n", "same_group is"},
    };
    char many[2200] = HEAD "ant\t";
    bool *pair = (bool *)&pair;
    const bool *const before = pair;
    world w;

    world_new(&w);
    for (int i = 0; i < RJ_COUNT(wrong); i++) {
        FAILS(read_pairs(&w, wrong[i].text, strlen(wrong[i].text), &pair), RIJ_E_DATA);
        ck_assert_msg(strstr(rij_last_error(), wrong[i].why) != NULL, "%d: %s", i,
                      rij_last_error());
    }
    FAILS(read_pairs(&w, HEAD "ant\tpark\t\0000\n", 45, &pair), RIJ_E_DATA);
    for (int i = 0; i < 64; i++)
        memcpy(many + strlen(many), "x\t", 3);
    FAILS(read_pairs(&w, many + strlen(HEAD), strlen(many) - strlen(HEAD), &pair),
          RIJ_E_DATA); // a header of too many columns
    FAILS(rj_pairs_read("nowhere.tsv", &w.d, &pair), RIJ_E_FILE);
    ck_assert_ptr_eq(pair, before);
    world_free(&w);
}
END_TEST

START_TEST(too_many_sources_are_refused)
{
    char *text = rj_alloc(8000, 1);
    bool *pair = NULL;
    world w;

    world_new(&w);
    strcpy(text, HEAD "ant\t");
    for (int i = 0; i < 1001; i++)
        memcpy(text + strlen(text), "park,", 6);
    strcpy(text + strlen(text) - 1, "\t0\n");
    FAILS(read_pairs(&w, text, strlen(text), &pair), RIJ_E_DATA);
    ck_assert_ptr_nonnull(strstr(rij_last_error(), "more than 1000"));
    rj_free(text);
    world_free(&w);
}
END_TEST

START_TEST(each_allocation_may_fail)
{
    static const char text[] = HEAD "ant\tpark\t1\n";
    const place p = place_new(0, 0);
    rij_evaluation *e = NULL;
    bool *pair = NULL;
    rij_status status = RIJ_E_MEMORY;
    long live;
    world w;

    world_new(&w);
    write_text(under(&p, "pairs.tsv"), text);
    live = rj_memory_live();
    for (long n = 1; status != RIJ_OK; n++) {
        rj_memory_fail_at(n);
        status = rj_pairs_read(under(&p, "pairs.tsv"), &w.d, &pair);
        rj_memory_fail_at(0);
        ck_assert(status == RIJ_OK ? n > 4 : status == RIJ_E_MEMORY && !pair);
        ck_assert_int_eq(rj_memory_live(), live + (status == RIJ_OK));
    }
    live = rj_memory_live();
    status = RIJ_E_MEMORY;
    for (long n = 1; status != RIJ_OK; n++) {
        const rj_judged j = {.d = &w.d,
                             .columns = &w.columns,
                             .n = w.d.n,
                             .sample = w.sample,
                             .margin = w.margin,
                             .pair = pair,
                             .decision = &w.decision,
                             .pool = w.pool,
                             .map_fakes = 1};

        rj_memory_fail_at(n);
        status = rj_evaluation_new(&j, &e);
        rj_memory_fail_at(0);
        ck_assert(status == RIJ_OK ? n > 20 : status == RIJ_E_MEMORY && !e);
        ck_assert(status == RIJ_OK || rj_memory_live() == live);
    }
    rij_evaluation_free(e);
    ck_assert_int_eq(rj_memory_live(), live);
    rj_free(pair);
    world_free(&w);
    place_free(&p);
}
END_TEST

SUITE(pairs, pairs_choose_reals_by_source_and_group, each_allocation_may_fail,
      hostile_pairs_are_refused, too_many_sources_are_refused)
