/* fuzz_facts.c: what an audit looks at besides pixels, of any bytes of any format. */
#include "fuzz.h"

int rj_fuzz_facts(const uint8_t *bytes, size_t n)
{
    rj_facts facts;

    rj_facts_of(bytes, n, &facts);
    if (facts.quality < 0 || facts.quality > 100)
        __builtin_trap();
    return 0;
}

FUZZ_TARGET(facts)
