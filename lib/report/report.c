/* report.c: rij_report_write(): three texts, then three files. */
#include "report/report.h"
#include <stdio.h>
#include <string.h>

enum { WORST = 20, MOST = 200, SIDE = 48 };

static rij_status check(const rij_model *model, const rij_evaluation *e,
                        const rij_report_options *o, const char *stem)
{
    RJ_REQUIRE(model && e && stem, RIJ_E_ARGUMENT, "rij_report_write: %s is NULL",
               !model ? "model"
               : !e   ? "evaluation"
                      : "stem");
    RJ_REQUIRE(o->size == sizeof *o, RIJ_E_ARGUMENT,
               "rij_report_write: options.size is %zu, not %zu; start with "
               "RIJ_REPORT_OPTIONS_INIT",
               o->size, sizeof *o);
    RJ_REQUIRE(o->worst >= 0 && o->worst <= MOST, RIJ_E_ARGUMENT,
               "rij_report_write: worst is %d, not in 1..%d (0: %d)", o->worst, MOST,
               WORST);
    RJ_REQUIRE(model->decision.a == e->decision.a && model->decision.b == e->decision.b,
               RIJ_E_ARGUMENT,
               "rij_report_write: the evaluation is another model's: its margins have "
               "another scale");
    return RIJ_OK;
}

static rij_status write_files(const char *stem, const rj_text text[3])
{
    static const char *const end[3] = {"html", "json", "tsv"};
    char path[3][4096];
    rj_file_text file[3];

    for (int i = 0; i < 3; i++) {
        const int n = snprintf(path[i], sizeof path[i], "%s.%s", stem, end[i]);

        RJ_REQUIRE(n > 0 && n < (int)sizeof path[i], RIJ_E_FILE,
                   "%.100s..: the name is too long", stem);
        file[i] = (rj_file_text){path[i], text[i].bytes, (size_t)text[i].n};
    }
    return rj_files_write(3, file);
}

RIJ_API rij_status rij_report_write(const rij_model *model,
                                    const rij_evaluation *evaluation,
                                    const rij_report_options *options, const char *stem)
{
    const rij_report_options usual = RIJ_REPORT_OPTIONS_INIT, *o = options;
    rj_report r = {.model = model, .e = evaluation};
    rj_text text[3] = {{0}};
    rij_status status;

    if (!o)
        o = &usual;
    RJ_TRY(check(model, evaluation, o, stem));
    r.audit = o->audit;
    r.title = o->title ? o->title : "Photographs and generated images, judged";
    r.thumbnails = o->thumbnails ? SIDE : 0;
    RJ_TRY_DONE(rj_report_fill(&r, o->worst ? o->worst : WORST));
    RJ_TRY_DONE(rj_report_html(&r, &text[0]));
    RJ_TRY_DONE(rj_report_json(&r, &text[1]));
    RJ_TRY_DONE(rj_report_tsv(&r, &text[2]));
    RJ_TRY_DONE(write_files(stem, text));
done:
    for (int i = 0; i < 3; i++)
        rj_text_free(&text[i]);
    rj_report_free(&r);
    return status;
}
