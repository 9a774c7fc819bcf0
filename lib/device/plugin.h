/* plugin.h: what a plugin and the library tell each other. A plugin is a shared object
 * that brings one device table; it links nothing of ours. */
#ifndef RJ_PLUGIN_H
#define RJ_PLUGIN_H

#include "device/device.h"

/* Goes up whenever device.h or kernels.def changes what a plugin must know. */
enum { RJ_PLUGIN_ABI = 1 };

typedef struct rj_core { /* what the library lends a plugin */
    uint32_t abi, real_bytes, kernels_bytes, device_bytes;
    rij_status (*fail)(rij_status status, const char *format, ...);
} rj_core;

/* The one name a plugin exports: its table, or NULL if it was made for another library.
 * Both outlive each other. */
typedef const rj_kernels *rj_plugin_entry_call(const rj_core *core);
#define RJ_PLUGIN_ENTRY "rj_plugin_entry"

/* The table behind the name "NAME:INDEX", and INDEX; opens librealjudge_NAME.so, which
 * stays open. RIJ_E_DEVICE: why not, in a sentence. */
rij_status rj_plugin_find(const char *name, const rj_kernels **kernels, int *index);
/* Whether a name has that form: letters, digits and - inside; a colon; 0..99. */
bool rj_plugin_named(const char *name);

#endif
