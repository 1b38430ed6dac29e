/* SPDX-License-Identifier: Apache-2.0 */
#include "windows/status.h"

#include <windows.h> /* before all others of Windows */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "windows/secret_file.h"

enum { STATUS_BYTES_MAX = 8192, EXIT_NOT_RUNNING = 3 };

/* Shared with nobody, and gone with its process. */
static HANDLE open_lock(const struct mu_windows_options *options, DWORD how, DWORD flags)
{
        char path[MU_AGENT_PATH_BYTES + 16];

        (void)snprintf(path, sizeof(path), "%s\\running.lock", options->state_directory);
        return CreateFileA(path, GENERIC_WRITE, 0, NULL, how, FILE_ATTRIBUTE_NORMAL | flags, NULL);
}

int mu_windows_status_open(const struct mu_windows_options *options, const struct mu_clock *clock,
                           struct mu_windows_status *ret_status)
{
        HANDLE lock = open_lock(options, CREATE_ALWAYS, FILE_FLAG_DELETE_ON_CLOSE);

        if (lock == INVALID_HANDLE_VALUE)
                return GetLastError() == ERROR_SHARING_VIOLATION ? -EBUSY : -EACCES;
        (void)DeleteFileA(options->status_path); /* of the last one that ran */
        *ret_status = (struct mu_windows_status){
                .path = options->status_path, .clock = clock, .lock = lock};
        return 0;
}

void mu_windows_status_close(struct mu_windows_status *status)
{
        (void)CloseHandle(status->lock);
}

static const char *channel_name(enum mu_agent_channel_state state)
{
        switch (state) {
        case MU_AGENT_CHANNEL_OPEN:
                return "open";
        case MU_AGENT_CHANNEL_OPENING:
                return "opening";
        default:
                return "closed";
        }
}

static const char *word(bool value)
{
        return value ? "true" : "false";
}

static int write_status(const struct mu_windows_status *status, const struct mu_agent_state *state,
                        const struct mu_agent_config *config)
{
        struct mu_text text;

        mu_text_init(&text);
        mu_text_add_format(&text, "{\"pid\":%lu,\"version\":\"%s\",\"device_id\":\"%" PRId64 "\"",
                           (unsigned long)GetCurrentProcessId(), MUSTER_VERSION, config->device_id);
        mu_text_add(&text, ",\"server\":");
        mu_text_add_json(&text, config->server, strlen(config->server));
        mu_text_add_format(&text,
                           ",\"written_at\":%.3f,\"queue\":{\"heartbeats\":%" PRIu32
                           ",\"results\":%" PRIu32 ",\"aside\":%" PRIu32 ",\"bytes\":%" PRId64 "}",
                           (double)mu_clock_realtime_us(status->clock) / MU_US_PER_S,
                           state->queue.heartbeats, state->queue.results, state->queue.aside,
                           state->queue.bytes);
        mu_text_add_format(&text,
                           ",\"last_delivery_at\":%.3f,\"delivered\":%" PRIu64
                           ",\"failed\":%" PRIu64 ",\"clock_offset_s\":%.3f,\"clock_synced\":%s",
                           (double)state->uplink.delivered_at_us / MU_US_PER_S,
                           state->uplink.delivered, state->uplink.failed,
                           (double)state->clock_offset_us / MU_US_PER_S, word(state->clock_synced));
        mu_text_add_format(
                &text,
                ",\"push_channel\":\"%s\",\"online\":%s,\"token_refused\":%s,\"deleted\":%s}\n",
                channel_name(state->channel), word(state->online), word(state->token_refused),
                word(state->deleted));
        int err = mu_text_status(&text);

        if (err == 0)
                err = mu_plain_file_write(status->path, text.data, text.bytes);
        mu_text_done(&text);
        return err;
}

static bool is_same(const struct mu_agent_state *a, const struct mu_agent_state *b)
{
        return a->queue.heartbeats == b->queue.heartbeats && a->queue.results == b->queue.results &&
               a->queue.aside == b->queue.aside && a->uplink.delivered == b->uplink.delivered &&
               a->uplink.failed == b->uplink.failed && a->channel == b->channel &&
               a->online == b->online && a->token_refused == b->token_refused &&
               a->deleted == b->deleted && a->clock_synced == b->clock_synced;
}

int mu_windows_status_look(struct mu_windows_status *status, struct mu_agent *agent)
{
        struct mu_agent_state state;
        int err = mu_agent_get_state(agent, &state);

        if (err < 0 || (status->written && is_same(&state, &status->last)))
                return err;
        err = write_status(status, &state, mu_agent_get_config(agent));
        if (err == 0) {
                status->last = state;
                status->written = true;
        }
        return err;
}

int mu_windows_status_command(const struct mu_windows_options *options)
{
        size_t bytes = 0;
        char *text = NULL;
        HANDLE lock = open_lock(options, OPEN_EXISTING, 0); /* only one that is there */
        bool runs = lock == INVALID_HANDLE_VALUE && GetLastError() == ERROR_SHARING_VIOLATION;

        if (lock != INVALID_HANDLE_VALUE)
                (void)CloseHandle(lock);
        if (mu_plain_file_read(options->status_path, STATUS_BYTES_MAX, &text, &bytes) == 0)
                (void)printf("%s", text);
        free(text);
        if (runs)
                return EXIT_SUCCESS;
        (void)fprintf(stderr, "muster-agent: no agent runs in %s%s.\n", options->state_directory,
                      bytes > 0 ? ": this is what the last one left" : "");
        return EXIT_NOT_RUNNING;
}
