/* misbehave.h: work in a cage that a stranger has taken over. */
#ifndef RJ_MISBEHAVE_H
#define RJ_MISBEHAVE_H

#include "base/cage.h"
#include "data/data.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pid_t caller; // as a worker sees it that was forked later

/* What is not a decoder's to have. */
static rij_status reach_out(uint8_t what)
{
    switch (what) {
    case 'o': // the files of the user
        return open("/etc/passwd", 0) < 0 ? rj_fail(RIJ_E_IMAGE, "no file") : RIJ_OK;
    case 'w': // another file
        return write(1, "x", 1) < 0 ? rj_fail(RIJ_E_IMAGE, "no write") : RIJ_OK;
    case 'n': // the net
        return socket(AF_INET, SOCK_STREAM, 0) < 0 ? RIJ_E_IMAGE : RIJ_OK;
    case 'x': // a program
        execl("/bin/true", "true", (char *)NULL);
        return RIJ_E_IMAGE;
    case 'f': // a process
        return fork() < 0 ? rj_fail(RIJ_E_IMAGE, "no process") : RIJ_OK;
    case 'p': // memory to run code from
        return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                    0) == MAP_FAILED
                   ? rj_fail(RIJ_E_IMAGE, "no code")
                   : RIJ_OK;
    case 'k': // who called
        return syscall(SYS_tgkill, caller, caller, SIGKILL) < 0
                   ? rj_fail(RIJ_E_IMAGE, "no signal")
                   : RIJ_OK;
    default:
        return RIJ_OK;
    }
}

/* Work by the first letter of its input: what a decoder that was taken over would try. */
static rij_status misbehave(const uint8_t *in, size_t n, uint8_t *out, size_t room,
                            size_t *used, int number[2])
{
    volatile uintptr_t nowhere = 16;
    uint8_t *volatile grown; // or a compiler leaves malloc() out
    const int32_t lie[sizeof(cage_answer) / 4] = {CAGE_FAILED, ENOMEM};

    (void)n;
    memcpy(out, "work", 4);
    *used = 4;
    number[0] = 1;
    number[1] = getppid();
    switch (in[0]) {
    case 'c': // a wild pointer
        *(volatile int *)nowhere = 1;
        break;
    case 'a':
        abort();
    case 'h': // for ever
        for (volatile unsigned i = 0;; i++)
            ;
    case 's': // for ever, without working
        for (;;)
            nanosleep(&(struct timespec){1, 0}, NULL);
    case 'm': // more memory than there is
        grown = malloc((size_t)1 << 40);
        return grown ? RIJ_OK : rj_fail(RIJ_E_MEMORY, "no memory for a bomb");
    case 'b': // a little more, again and again
        for (size_t all = 0; all < (size_t)1 << 40; all += 1 << 20) {
            grown = malloc(1 << 20);
            if (!grown)
                return rj_fail(RIJ_E_MEMORY, "no memory after %zu", all >> 20);
            grown[0] = 1;
        }
        break;
    case 'l': // more than there is room for
        *used = room + 1;
        break;
    case 'e': // an end without a word
        _exit(0);
    case 'd': // half an answer
        return write(3, "x", 1) == 1 ? RIJ_OK : RIJ_E_IMAGE;
    case 'D': // the answer that only those outside give: "no limits"
        return write(3, lie, sizeof lie) == sizeof lie ? RIJ_OK : RIJ_E_IMAGE;
    case 't': // a while
        nanosleep(&(struct timespec){0, 300000000}, NULL);
        break;
    case 'q': // words that are no text
        return rj_fail(RIJ_E_IMAGE, "\x1b[31m\n\xff");
    default:
        return reach_out(in[0]);
    }
    return RIJ_OK;
}

#endif
