/* SPDX-License-Identifier: Apache-2.0 */
#include "core/core.h"

#include <errno.h>

#include "base/text.h"
#include "core/wipe.h"

/* Its value is the device's id: enrolled anew, the machine begins anew. */
#define FACT_DELETED "deleted_device"

enum {
        FRUGAL_BELOW_PERCENT = 10,
        UNAUTHORIZED = 401,
        REQUEST_TIMEOUT = 408,
        GONE = 410,
        TOO_MANY = 429,
};

void mu_agent_readings_init(struct mu_agent_readings *ret_readings)
{
        *ret_readings = (struct mu_agent_readings){
                .battery = -1,
                .charging = MU_AGENT_UNKNOWN,
                .ram_free_mb = -1,
                .ram_total_mb = -1,
                .uptime_s = -1,
                .network = MU_AGENT_NETWORK_UNKNOWN,
                .monitored_ago_s = -1,
                .power_ok = MU_AGENT_UNKNOWN,
                .device_owner = MU_AGENT_UNKNOWN,
                .battery_unrestricted = MU_AGENT_UNKNOWN,
                .doze_whitelisted = MU_AGENT_UNKNOWN,
                .net_validated = MU_AGENT_UNKNOWN,
        };
}

bool mu_agent_is_frugal(const struct mu_agent_core *core)
{
        return core->readings.battery >= 0 && core->readings.battery < FRUGAL_BELOW_PERCENT &&
               core->readings.charging != MU_AGENT_YES;
}

int mu_agent_load_deleted(struct mu_agent_core *core)
{
        int64_t device_id = 0;
        int r = mu_agent_store_get_number(core->store, FACT_DELETED, &device_id);

        if (r < 0 && r != -ENOENT)
                return r;
        core->deleted = r == 0 && device_id == core->config.device_id;
        return 0;
}

/* Remembered before anything else is done: a restart must not begin to send again. */
static void set_deleted(struct mu_agent_core *core)
{
        if (core->deleted)
                return;
        core->deleted = true;
        core->changed = true;
        mu_agent_event(core->events, MU_AGENT_ERROR, "device.deleted", "\"device_id\":\"%lld\"",
                       (long long)core->config.device_id);
        int r = mu_agent_store_set_number(core->store, FACT_DELETED, core->config.device_id);

        if (r < 0)
                mu_agent_event(core->events, MU_AGENT_ERROR, "device.deleted",
                               "\"device_id\":\"%lld\",\"not_written\":%d",
                               (long long)core->config.device_id, r);
}

enum mu_agent_answer mu_agent_answer_of(struct mu_agent_core *core,
                                        const struct mu_agent_reply *reply)
{
        if (reply->error != 0)
                return MU_AGENT_ANSWER_RETRY;
        if (reply->status >= 200 && reply->status < 300)
                return MU_AGENT_ANSWER_OK;
        switch (reply->status) {
        case UNAUTHORIZED:
                return MU_AGENT_ANSWER_TOKEN;
        case GONE:
                set_deleted(core);
                return MU_AGENT_ANSWER_GONE;
        case REQUEST_TIMEOUT:
        case TOO_MANY:
                return MU_AGENT_ANSWER_RETRY;
        default:
                break;
        }
        /* A redirect is not ours to follow: somebody stands between, later it may be the appliance
         * again. */
        if (reply->status >= 400 && reply->status < 500)
                return MU_AGENT_ANSWER_REFUSED;
        return MU_AGENT_ANSWER_RETRY;
}

int mu_agent_save_config(struct mu_agent_core *core)
{
        struct mu_text text;

        mu_text_init(&text);
        int r = mu_agent_config_write(&core->config, &text);

        if (r == 0)
                r = mu_text_status(&text);
        if (r == 0)
                r = core->platform->save(core->platform->context, text.data, text.bytes);
        if (r < 0)
                mu_agent_event(core->events, MU_AGENT_ERROR, "config.changed",
                               "\"saved\":false,\"error\":%d", r);
        else
                mu_agent_event(core->events, MU_AGENT_INFO, "config.changed", "\"saved\":true");
        /* The token and the keys stood in it. */
        if (text.data)
                mu_agent_wipe(text.data, text.room_bytes);
        mu_text_done(&text);
        return r;
}
