/* plugin.c: devices that are found at run time, such as "cuda:0".
 *
 * "cuda:0" is served by librealjudge_cuda.so, "cuda-sim:0" by librealjudge_cuda_sim.so.
 * It is looked for in the folder that RIJ_PLUGIN_DIR names; if that is not set, beside
 * this library (or the program it is linked into), then where the system looks for shared
 * objects. An opened plugin stays open, for models may live on it. */
#include "device/plugin.h"
#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME = 40, PATH = 4096 };

static const rj_core core = {RJ_PLUGIN_ABI, sizeof(rj_real), sizeof(rj_kernels),
                             sizeof(rj_device), rj_fail};

/* The parts of a name; false: it has not the form. */
static bool parse(const char *name, char file[NAME], int *index)
{
    size_t n = 0;

    *index = 0;
    while (isalnum((unsigned char)name[n]) || (n > 0 && name[n] == '-')) {
        if (n + 1 == NAME)
            return false;
        file[n] = name[n] == '-' ? '_' : name[n];
        n++;
    }
    file[n] = '\0';
    if (n == 0 || name[n] != ':')
        return false;
    name += n + 1;
    n = strlen(name);
    if (n < 1 || n > 2 || strspn(name, "0123456789") != n)
        return false;
    for (size_t i = 0; i < n; i++)
        *index = 10 * *index + name[i] - '0';
    return true;
}

bool rj_plugin_named(const char *name)
{
    char file[NAME];
    int index;

    return parse(name, file, &index);
}

/* The folder beside which a plugin is expected: of this library, or of the program it is
 * linked into; "" if it cannot be known. */
static void home(char dir[PATH])
{
    Dl_info self;
    char *slash;

    dir[0] = '\0';
    if (dladdr(&core, &self) && self.dli_fname[0] == '/')
        snprintf(dir, PATH, "%s", self.dli_fname);
    else
        dir[RJ_MAX(0, (int)readlink("/proc/self/exe", dir, PATH - 1))] = '\0';
    slash = strrchr(dir, '/');
    if (slash)
        *slash = '\0';
}

/* dlopen's handle; NULL, and in *why the status, when it does not open. */
static void *open_file(const char *path, rij_status *why)
{
    void *const handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (!handle)
        *why = rj_fail(RIJ_E_DEVICE, "plugin: %.200s", dlerror());
    return handle;
}

/* The plugin's handle, or NULL and in *why the status. */
static void *open_plugin(const char *name, rij_status *why)
{
    const char *wanted = secure_getenv("RIJ_PLUGIN_DIR");
    const bool told = wanted && *wanted;
    char dir[PATH], path[PATH + 2 * NAME], *file;
    void *handle = NULL;

    if (told)
        snprintf(dir, sizeof dir, "%s", wanted);
    else
        home(dir);
    snprintf(path, sizeof path, "%s/librealjudge_%s.so", dir, name);
    file = strrchr(path, '/') + 1;
    if (*dir && access(path, F_OK) == 0)
        return open_file(path, why);
    if (!told)
        handle = open_file(file, why); // where the system looks
    // what it found and could not open has its own words
    if (!handle && (told || strstr(rij_last_error(), "No such file")))
        *why = rj_fail(RIJ_E_DEVICE, "there is no plugin %s for it: looked in %.100s%s",
                       file, *dir ? dir : "no folder",
                       told ? " (RIJ_PLUGIN_DIR)" : " and where shared objects are");
    return handle;
}

rij_status rj_plugin_find(const char *name, const rj_kernels **kernels, int *index)
{
    union {
        void *symbol;
        rj_plugin_entry_call *call;
    } entry;
    char file[NAME];
    rij_status status = RIJ_E_DEVICE;
    void *handle;

    RJ_REQUIRE(
        parse(name, file, index), RIJ_E_DEVICE,
        "there is no device \"%.60s\"; known are cpu, ref and a plugin's, as cuda:0",
        name);
    handle = open_plugin(file, &status);
    if (!handle)
        return status;
    entry.symbol = dlsym(handle, RJ_PLUGIN_ENTRY);
    *kernels = entry.symbol ? entry.call(&core) : NULL;
    RJ_REQUIRE(*kernels, RIJ_E_DEVICE,
               "librealjudge_%s.so was made for another version of this library", file);
    return RIJ_OK;
}
