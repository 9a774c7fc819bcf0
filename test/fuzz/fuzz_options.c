/* fuzz_options.c: any bytes as the options' text of a checkpoint, compared with a
 * training's own: other bytes are always told apart, in words that fit. */
#include "fuzz.h"
#include "judge/judge.h"
#include <string.h>

int rj_fuzz_options(const uint8_t *bytes, size_t n)
{
    rij_train_options o = RIJ_TRAIN_OPTIONS_INIT;
    char differs[RJ_WHY], *text = rj_alloc(n + 1, 1), *own = NULL;

    if (text && rij_train_options_resolve(&o) == RIJ_OK &&
        rj_options_text(&o, &own) == RIJ_OK) {
        if (n > 0)
            memcpy(text, bytes, n);
        text[n] = 0;
        memset(differs, 'x', sizeof differs);
        if (rj_options_differ(text, &o, differs) == RIJ_OK &&
            (!memchr(differs, 0, sizeof differs) ||
             (strcmp(text, own) == 0) != (differs[0] == 0)))
            __builtin_trap();
    }
    rj_free(own);
    rj_free(text);
    return 0;
}

FUZZ_TARGET(options)
