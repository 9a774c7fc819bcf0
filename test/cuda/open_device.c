/* open_device.c: for test_no_driver.sh. `open_device NAME` opens a device through the
 * library and prints the status's name and, if it failed, why; `open_device --model PATH`
 * writes a small model that was not trained. */
#include "device/device.h"
#include "judge/judge.h"
#include <stdio.h>
#include <string.h>

static rij_status write_model(const char *path)
{
    const rj_net_config config = {"small", "haar", 32};
    rij_model *model = NULL;
    rij_status status = rj_model_new(&config, "cpu", 1, 32, &model);

    if (status == RIJ_OK)
        status = rj_model_seal(model);
    if (status == RIJ_OK)
        status = rij_model_save(model, path);
    rij_model_free(model);
    return status;
}

static rij_status open_close(const char *name)
{
    rj_device *device = NULL;
    rj_pool *pool = NULL;
    rij_status status = rj_pool_new(1, &pool);

    if (status == RIJ_OK)
        status = rj_device_open(name, pool, &device);
    rj_device_close(device);
    rj_pool_free(pool);
    return status;
}

int main(int argc, char **argv)
{
    rij_status status;

    if (argc < 2 || argc > 3)
        return 2;
    status = argc == 3 && strcmp(argv[1], "--model") == 0 ? write_model(argv[2])
                                                          : open_close(argv[1]);
    printf("%s%s%s\n", rij_status_name(status), status == RIJ_OK ? "" : ": ",
           status == RIJ_OK ? "" : rij_last_error());
    return 0;
}
