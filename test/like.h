/* like.h: cases on a device against the reference, both given numbers that the device's
 * precision can hold; see like.c. */
#ifndef RJ_LIKE_H
#define RJ_LIKE_H

#include "cases.h"

/* What RIJ_TEST_DEVICE names; "cpu" if nothing. */
const char *tested_device(void);
double rounded(double x); /* to bfloat16 */
/* run_open_way() with numbers that need no rounding. */
void open_rounded(run *r, const one *c, const way *w);
/* Output and gradients of a case, and lanes past the channels. */
void check_like(const one *c, const way *w, const char *label);
/* Where an op says that it writes an input's gradient, nothing of what lay there is left,
 * and it is what would have been added: of each input alone, and of all together. */
void check_written(const one *c, const way *w);
/* Pictures full of what are no numbers: the output has them just where ref's has. */
void check_no_numbers(const one *c, const way *w, const char *label);

#endif
