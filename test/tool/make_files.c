/* make_files.c: files for the tests of the program realjudge.
 *
 *     make_files data FOLDER N      real/NN.png and fake/grid/NN.png, N of each: slopes
 *                                   and noise; fakes carry a grid of two pixels
 *     make_files mixed FOLDER       1000 files: good, damaged, and made to do harm
 *
 * Only libpng and TurboJPEG are used, nothing of ours. */
#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <turbojpeg.h>
#include <unistd.h>

enum { SIDE = 112, MIXED = 1000 };

static void fail(const char *what)
{
    fprintf(stderr, "make_files: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void make_folder(const char *path)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        fail(path);
}

static void write_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");

    if (!file || fwrite(bytes, 1, n, file) != n || fclose(file) != 0)
        fail(path);
}

static void paint(uint8_t rgb[SIDE * SIDE * 3], unsigned number, int generated)
{
    uint32_t r = 2463534242u + 977u * number;

    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        const int x = i / 3 % SIDE, y = i / 3 / SIDE;

        r ^= r << 13;
        r ^= r >> 17;
        r ^= r << 5;
        rgb[i] = (uint8_t)(60 + (unsigned)(x + y) / 2 + 7 * (number % 9) + r % 16 +
                           (generated && (x ^ y) & 1 ? 24 : 0));
    }
}

/* Both encoders give memory that free() takes in this program: it ends soon. */
static uint8_t *as_png(unsigned number, int generated, size_t *n)
{
    static uint8_t rgb[SIDE * SIDE * 3], bytes[1 << 18];
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = SIDE,
                       .height = SIDE,
                       .format = PNG_FORMAT_RGB};
    png_alloc_size_t size = sizeof bytes;

    paint(rgb, number, generated);
    if (!png_image_write_to_memory(&image, bytes, &size, 0, rgb, 0, NULL))
        fail(image.message);
    *n = size;
    return bytes;
}

static uint8_t *as_jpeg(unsigned number, size_t *n)
{
    static uint8_t rgb[SIDE * SIDE * 3], bytes[1 << 18];
    tjhandle tj = tjInitCompress();
    unsigned char *made = NULL;
    unsigned long size = 0;

    paint(rgb, number, 0);
    if (!tj ||
        tjCompress2(tj, rgb, SIDE, 0, SIDE, TJPF_RGB, &made, &size, TJSAMP_420, 90, 0) !=
            0 ||
        size > sizeof bytes)
        fail("JPEG");
    memcpy(bytes, made, size);
    tjFree(made);
    tjDestroy(tj);
    *n = size;
    return bytes;
}

/* ---- labelled data ---------------------------------------------------------------- */

static void make_data(const char *folder, unsigned count)
{
    char path[512];
    size_t n;

    for (int generated = 0; generated < 2; generated++) {
        make_folder(folder);
        snprintf(path, sizeof path, "%s/%s", folder, generated ? "fake" : "real");
        make_folder(path);
        snprintf(path, sizeof path, "%s/%s", folder, generated ? "fake/grid" : "real");
        make_folder(path);
        for (unsigned i = 0; i < count; i++) {
            const uint8_t *bytes = as_png(i, generated, &n);

            snprintf(path, sizeof path, "%s/%s/%02u.png", folder,
                     generated ? "fake/grid" : "real", i);
            write_bytes(path, bytes, n);
        }
    }
}

/* ---- good, damaged, hostile ------------------------------------------------------- */

/* A PNG header with the sum it should have, so that the decoder believes it. */
static size_t promise(uint8_t *png, uint32_t w, uint32_t h)
{
    const uint32_t side[2] = {w, h};
    uint32_t sum = 0xffffffff;

    for (int i = 0; i < 8; i++)
        png[16 + i] = (uint8_t)(side[i / 4] >> (24 - 8 * (i % 4)));
    for (int i = 12; i < 29; i++) {
        sum ^= png[i];
        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? 0xedb88320 : 0);
    }
    for (int i = 0; i < 4; i++)
        png[29 + i] = (uint8_t)(~sum >> (24 - 8 * i));
    return 0;
}

static void damage(uint8_t *bytes, size_t n, unsigned number)
{
    for (unsigned i = 0; i < 8; i++)
        bytes[40 + (number * 7919u + i * 104729u) % (n - 40)] ^= (uint8_t)(1u << i);
}

/* File i; what it is goes by i modulo 10. */
static void make_mixed(const char *folder, unsigned i)
{
    const unsigned kind = i % 10;
    char path[512];
    size_t n;
    uint8_t *bytes = kind % 2 ? as_jpeg(i, &n) : as_png(i, i / 10 % 2, &n);

    snprintf(path, sizeof path, "%s/%c/%03u.%s", folder, (char)('a' + i % 7), i,
             kind % 2 ? "jpg" : "png");
    if (kind == 4)
        n = n * (i % 97) / 97; // cut anywhere, empty too
    else if (kind == 5)
        damage(bytes, n, i);
    else if (kind == 6)
        promise(bytes, i / 10 % 2 ? 0x7fffffff : 16384, i / 10 % 2 ? 1 : 6100);
    else if (kind == 7)
        n = (size_t)snprintf((char *)bytes, 64, "no image, text %u\n", i);
    else if (kind == 8 && i / 10 % 4 == 0) { // nobody writes: opening it must not wait
        if (mkfifo(path, 0666) != 0)
            fail(path);
        return;
    } else if (kind == 8 && i / 10 % 4 == 1) {
        if (symlink("nowhere", path) != 0)
            fail(path);
        return;
    } else if (kind == 8 && i / 10 % 4 == 2) { // a name that is not UTF-8
        snprintf(path, sizeof path, "%s/%c/%03u\xff\n.png", folder, (char)('a' + i % 7),
                 i);
    }
    write_bytes(path, bytes, n);
    if (kind == 8 && i / 10 % 4 == 3 && truncate(path, 300L << 20) != 0) // a hole
        fail(path);
}

int main(int argc, char **argv)
{
    char path[512];

    if (argc == 4 && strcmp(argv[1], "data") == 0) {
        make_data(argv[2], (unsigned)strtoul(argv[3], NULL, 10));
        return 0;
    }
    if (argc != 3 || strcmp(argv[1], "mixed") != 0) {
        fputs("make_files data FOLDER N | mixed FOLDER\n", stderr);
        return 2;
    }
    make_folder(argv[2]);
    for (int i = 0; i < 7; i++) {
        snprintf(path, sizeof path, "%s/%c", argv[2], 'a' + i);
        make_folder(path);
    }
    for (unsigned i = 0; i < MIXED; i++)
        make_mixed(argv[2], i);
    return 0;
}
