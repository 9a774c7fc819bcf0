/* fake.h: what the stand-ins for NVIDIA's libraries share. Each is a shared object that
 * cuda/vendor.c opens in place of the real one; what it is asked for it computes on the
 * host, slowly, between a copy from the device and one back, all of it enqueued on the
 * caller's stream. The simulator judges the copies: a pointer that is not the device's,
 * or a size past an allocation, is an error. */
#ifndef FAKE_H
#define FAKE_H

#include <cudasim_lend.h>
#include <stdbool.h>
#include <stdint.h>

#define FAKE_EXPORT __attribute__((visibility("default")))

enum { FAKE_MOST = 4096 };

/* A handle's memory: a graph may replay what was enqueued, so it stays until the end. */
typedef struct fake {
    const cudasim_lent *lent;
    cudaStream_t stream;
    void *memory[FAKE_MOST];
    int n;
} fake;

/* NULL: there is no simulator in this process. */
fake *fake_new(void);
void fake_free(fake *f);
/* Host memory that will hold these bytes of the device's, if `read`; NULL: they are not
 * the device's, or there is no memory. */
void *fake_fetch(fake *f, const void *from, size_t bytes, bool read);
/* Enqueue a function; and the copy of what it wrote to the device. */
bool fake_call(fake *f, cudaHostFn_t function, void *data);
bool fake_send(fake *f, void *to, const void *from, size_t bytes);
/* Append a line to the file that FAKE_LOG names, if it names one. */
void fake_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
