/* fuzz_manifest.c: any bytes as a manifest. Its images are named, not opened. */
#include "fuzz.h"
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int rj_fuzz_manifest(const uint8_t *bytes, size_t n)
{
    const int fd = memfd_create("manifest", MFD_CLOEXEC);
    rj_dataset d = {0};
    char path[40];

    if (fd < 0)
        return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, bytes, n) == (ssize_t)n && rj_dataset_open(path, NULL, &d) == RIJ_OK) {
        for (int i = 0; i < d.n; i++)
            if (!d.sample[i].path || d.sample[i].label < 0 || d.sample[i].label > 1 ||
                d.sample[i].parent >= d.n || d.sample[i].generator >= d.generators)
                __builtin_trap();
        rj_dataset_free(&d);
    }
    close(fd);
    return 0;
}

FUZZ_TARGET(manifest)
