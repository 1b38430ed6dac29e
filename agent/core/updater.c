/* SPDX-License-Identifier: Apache-2.0 */
#include "core/updater.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/backoff.h"
#include "base/breaker.h"
#include "core/downlink.h"
#include "core/update_offer.h"
#include "core/uplink.h"
#include "muster/update.h"

#define FILE_NAME "/update.download"

/* The store's facts. */
#define TRYING "update.trying" /* the version that platform.install was given; "": none */
#define FAILED "update.failed"
#define FAILED_AT "update.failed_at_us"

enum {
        OK = 200,
        UNAUTHORIZED = 401,
        REQUEST_TIMEOUT = 408,
        TOO_MANY = 429,
        VERSION_TEXT_BYTES = MU_UPDATE_VERSION_BYTES + 2,
        WHY_TEXT_BYTES = 220,
};

enum phase {
        IDLE,       /* asks when it is due */
        ASKING,     /* */
        WAITING,    /* for the constraints of what was offered */
        LOADING,    /* */
        READY,      /* for a moment in which nothing is under way */
        INSTALLING, /* the platform has it */
};

struct mu_agent_updater {
        struct mu_agent_core *core;
        char *file;
        enum phase phase;
        bool has_looked_back;
        bool has_said; /* why it asks for nothing */
        uint64_t due_ns;
        uint64_t not_before_ns; /* no nudge hurries this */
        struct mu_backoff backoff;
        struct mu_breaker questions;
        struct mu_breaker downloads;
        char wanted[MU_UPDATE_VERSION_BYTES]; /* to be asked for; "": whatever there is */
        char asked[MU_UPDATE_VERSION_BYTES];  /* what the last question named */
        struct mu_agent_update_offer offer;
        char failed[MU_UPDATE_VERSION_BYTES];
        int64_t failed_at_us; /* the appliance's clock */
};

/* ---- events ---- */

/* key: what the text is ("why"). */
static void say(struct mu_agent_updater *updater, enum mu_agent_level level, const char *name,
                const char *version, const char *key, const char *text)
{
        char version_text[VERSION_TEXT_BYTES];
        char room[WHY_TEXT_BYTES];

        mu_agent_event(updater->core->events, level, name, "\"version\":%s,\"%s\":%s",
                       mu_agent_event_text(version, version_text, sizeof(version_text)), key,
                       mu_agent_event_text(text, room, sizeof(room)));
}

static void say_refused(struct mu_agent_updater *updater, const char *version, const char *why)
{
        say(updater, MU_AGENT_WARNING, "update.refused", version, "why", why);
}

/* ---- when to ask ---- */

static uint64_t after_s(const struct mu_agent_updater *updater, int64_t wait_s)
{
        return mu_agent_now_ns(updater->core) + (uint64_t)(wait_s * MU_NS_PER_S);
}

static uint64_t later_of(uint64_t one, uint64_t other)
{
        return one > other ? one : other;
}

/* Idle; a version that came to be wanted meanwhile is asked for soon. */
static void rest_until(struct mu_agent_updater *updater, uint64_t due_ns)
{
        (void)remove(updater->file); /* mostly there is none */
        updater->phase = IDLE;
        updater->due_ns = updater->wanted[0] ? updater->not_before_ns : due_ns;
        updater->core->changed = true;
}

/* Until the next regular question. */
static void rest(struct mu_agent_updater *updater)
{
        int64_t early_s =
                (int64_t)mu_random_below(&updater->core->random, MU_AGENT_UPDATE_SPREAD_S);

        mu_backoff_reset(&updater->backoff);
        rest_until(updater, after_s(updater, MU_AGENT_UPDATE_EVERY_S - early_s));
}

/* The same question again, by the backoff or when the other side says (whichever is later). */
static void retry(struct mu_agent_updater *updater, int64_t retry_after_s, const char *why)
{
        char room[WHY_TEXT_BYTES];
        uint32_t wait_ms = mu_backoff_next_ms(&updater->backoff, &updater->core->random);
        uint64_t due_ns =
                mu_agent_now_ns(updater->core) + (uint64_t)wait_ms * (uint64_t)MU_NS_PER_MS;

        if (retry_after_s > 0)
                updater->not_before_ns =
                        later_of(updater->not_before_ns, after_s(updater, retry_after_s));
        due_ns = later_of(due_ns, updater->not_before_ns);
        mu_agent_event(updater->core->events, MU_AGENT_INFO, "retry.schedule",
                       "\"endpoint\":\"update\",\"in_ms\":%" PRIu64 ",\"why\":%s",
                       (due_ns - mu_agent_now_ns(updater->core)) / (uint64_t)MU_NS_PER_MS,
                       mu_agent_event_text(why, room, sizeof(room)));
        if (!updater->wanted[0])
                memcpy(updater->wanted, updater->asked, sizeof(updater->wanted));
        rest_until(updater, due_ns);
        updater->due_ns = due_ns;
}

/* ---- versions that failed ---- */

static bool has_failed(const struct mu_agent_updater *updater, const char *version)
{
        int64_t age_us = mu_agent_clock_sync_now_us(&updater->core->clock) - updater->failed_at_us;

        /* Failed in the future: the clock was put right since. */
        return strcmp(updater->failed, version) == 0 &&
               age_us < MU_AGENT_UPDATE_FAILED_S * MU_US_PER_S &&
               age_us > -MU_AGENT_UPDATE_FAILED_S * MU_US_PER_S;
}

static void remember_failed(struct mu_agent_updater *updater, const char *version)
{
        struct mu_agent_core *core = updater->core;

        (void)snprintf(updater->failed, sizeof(updater->failed), "%s", version);
        updater->failed_at_us = mu_agent_clock_sync_now_us(&core->clock);
        core->update_failures++;
        int err = mu_agent_store_set_number(core->store, FAILED_AT, updater->failed_at_us);

        if (err == 0)
                err = mu_agent_store_set_text(core->store, FAILED, version);
        if (err < 0)
                say_refused(updater, version,
                            "that it failed could not be written down: a restart may try it "
                            "again");
}

/* Not had, or not what was signed. */
static void fail(struct mu_agent_updater *updater, const char *why)
{
        say_refused(updater, updater->offer.version, why);
        remember_failed(updater, updater->offer.version);
        rest(updater);
}

/* ---- install ---- */

/* The version that the platform was given, by this run or the one before; "": none. */
static void get_trying(struct mu_agent_updater *updater, char ret[MU_UPDATE_VERSION_BYTES])
{
        int err =
                mu_agent_store_get_text(updater->core->store, TRYING, ret, MU_UPDATE_VERSION_BYTES);

        if (err == 0)
                return;
        ret[0] = '\0';
        if (err != -ENOENT)
                say_refused(updater, "", "which version was tried can't be read any more");
}

static bool set_trying(struct mu_agent_updater *updater, const char *version)
{
        if (mu_agent_store_set_text(updater->core->store, TRYING, version) == 0)
                return true;
        say_refused(updater, version, "the trial of a version can't be written down");
        return false;
}

static void settle_failed(struct mu_agent_updater *updater, const char *version, int err,
                          const char *sentence)
{
        say(updater, MU_AGENT_ERROR, err == -EACCES ? "update.refused" : "update.rollback", version,
            "why", sentence);
        remember_failed(updater, version);
        (void)set_trying(updater, ""); /* said; else the same is found at the next start */
        rest(updater);
}

void mu_agent_updater_installed(struct mu_agent_updater *updater, int err, const char *sentence)
{
        char version[MU_UPDATE_VERSION_BYTES];

        if (err == 0)
                return; /* the new program looks back */
        updater->has_looked_back = true;
        get_trying(updater, version);
        settle_failed(updater, version, err, sentence);
}

/* What came of a trial that this run knows nothing of. */
static void look_back(struct mu_agent_updater *updater)
{
        const char *own = updater->core->platform->version;
        char version[MU_UPDATE_VERSION_BYTES];

        updater->has_looked_back = true;
        get_trying(updater, version);
        if (!mu_update_version_valid(version))
                return;
        if (mu_update_version_compare(own, version) < 0) {
                settle_failed(updater, version, -EINTR, "its trial was cut off");
                /* Something newer than that is asked for as after any start. */
                updater->due_ns = after_s(updater, MU_AGENT_UPDATE_FIRST_S);
                return;
        }
        if (set_trying(updater, ""))
                say(updater, MU_AGENT_INFO, "update.install", own, "state", "done");
}

static void install(struct mu_agent_updater *updater)
{
        const struct mu_agent_platform *platform = updater->core->platform;
        const char *version = updater->offer.version;

        if (!set_trying(updater, version)) {
                retry(updater, -1, "the store does not take anything");
                return;
        }
        say(updater, MU_AGENT_INFO, "update.install", version, "state", "trial");
        updater->phase = INSTALLING;
        int err = platform->install(platform->context, updater->file, version);

        if (err < 0)
                settle_failed(updater, version, err, "it can't be given to the machine to install");
}

/* ---- download ---- */

/* Is the file what was signed? NULL: yes. */
static const char *look_at_file(const struct mu_agent_updater *updater)
{
        const struct mu_agent_update_offer *offer = &updater->offer;
        uint8_t sha256[MU_COMMAND_SHA256_BYTES];
        int64_t bytes = 0;
        int err = updater->core->platform->crypto->sha256_file(updater->file, sha256, &bytes);

        if (err < 0)
                return "the download can't be read";
        if (bytes != offer->size_bytes)
                return "the download has not the size that was signed";
        if (memcmp(sha256, offer->sha256, sizeof(sha256)) != 0)
                return "the download has not the SHA-256 that was signed";
        return NULL;
}

/* The file's server may be another than ours: its 410 says nothing about this device. */
static bool is_worth_a_retry(const struct mu_agent_reply *reply)
{
        return reply->error != 0 || reply->status >= 500 || reply->status < 400 ||
               reply->status == UNAUTHORIZED || reply->status == REQUEST_TIMEOUT ||
               reply->status == TOO_MANY;
}

static void on_loaded(void *context, const struct mu_agent_reply *reply)
{
        struct mu_agent_updater *updater = context;
        char why[64];

        MU_ASSERT(updater->phase == LOADING);
        if (reply->error == -EMSGSIZE) {
                mu_breaker_success(&updater->downloads);
                fail(updater, "the download is longer than the size that was signed");
                return;
        }
        if (reply->error == 0 && reply->status == OK) {
                const char *wrong = look_at_file(updater);

                mu_breaker_success(&updater->downloads);
                updater->core->changed = true;
                updater->phase = READY;
                if (wrong)
                        fail(updater, wrong);
                return;
        }
        (void)snprintf(why, sizeof(why), "the download was answered with status %d", reply->status);
        if (is_worth_a_retry(reply)) {
                mu_breaker_failure(&updater->downloads);
                retry(updater, reply->retry_after_s, reply->error ? reply->sentence : why);
                return;
        }
        mu_breaker_success(&updater->downloads);
        fail(updater, why);
}

static void load(struct mu_agent_updater *updater)
{
        struct mu_agent_core *core = updater->core;
        const struct mu_agent_update_offer *offer = &updater->offer;
        size_t server_bytes = strlen(core->config.server);
        const char *path = offer->url;

        /* A whole URL of our own server is a path of it. */
        if (strncmp(path, core->config.server, server_bytes) == 0 && path[server_bytes] == '/')
                path += server_bytes;
        struct mu_agent_request request = {
                .method = "GET",
                .path = path,
                .authorization = *path == '/' ? MU_AGENT_AUTH_TOKEN : MU_AGENT_AUTH_NONE,
                .file = updater->file,
                .file_bytes = offer->size_bytes,
                .timeout_ms = MU_AGENT_UPDATE_LOAD_MS,
        };

        if (!mu_breaker_allow(&updater->downloads)) {
                retry(updater, mu_breaker_wait_ms(&updater->downloads) / 1000 + 1,
                      "downloads have failed too often");
                return;
        }
        (void)remove(updater->file); /* mostly there is none */
        updater->phase = LOADING;
        int err = core->platform->request(core->platform->context, &request, on_loaded, updater);

        if (err < 0) {
                mu_breaker_failure(&updater->downloads);
                retry(updater, -1, "the download can't be begun");
        }
}

/* ---- the question ---- */

/* The order of UPDATE_SIGNATURE.md. NULL: it is to be had. */
static const char *judge(struct mu_agent_updater *updater)
{
        struct mu_agent_core *core = updater->core;
        const char *version = updater->offer.version;

        if (mu_update_version_compare(version, core->platform->version) <= 0)
                return "it is not newer than the one that runs";
        if (updater->asked[0] && strcmp(version, updater->asked) != 0)
                return "another version was asked for";
        if (!updater->asked[0] && has_failed(updater, version))
                return "it failed here less than 24 hours ago";
        if (!mu_agent_update_offer_is_signed(&updater->offer, &core->config,
                                             core->platform->crypto)) {
                core->update_failures++;
                return "its signature fits none of the pinned keys";
        }
        return NULL;
}

static void consider(struct mu_agent_updater *updater, const struct mu_agent_reply *reply)
{
        char sentence[MU_AGENT_SENTENCE_BYTES];

        if (mu_agent_update_offer_read(reply->body, reply->body_bytes, &updater->offer, sentence) <
            0) {
                say_refused(updater, "", sentence);
                rest(updater);
                return;
        }
        const char *why = judge(updater);

        if (why) {
                say_refused(updater, updater->offer.version, why);
                rest(updater);
                return;
        }
        why = mu_agent_update_wait(&updater->offer.constraints, &updater->core->config,
                                   &updater->core->readings);
        say(updater, MU_AGENT_INFO, "update.check", updater->offer.version, "waits_for",
            why ? why : "nothing");
        if (!why) {
                load(updater);
                return;
        }
        rest(updater);
        updater->phase = WAITING;
}

static void on_answer(void *context, const struct mu_agent_reply *reply)
{
        struct mu_agent_updater *updater = context;
        enum mu_agent_answer answer = mu_agent_answer_of(updater->core, reply);
        char why[48];

        MU_ASSERT(updater->phase == ASKING);
        updater->not_before_ns =
                later_of(updater->not_before_ns, after_s(updater, MU_AGENT_UPDATE_PAUSE_S));
        (void)snprintf(why, sizeof(why), "the question was answered with status %d", reply->status);
        if (answer == MU_AGENT_ANSWER_RETRY)
                mu_breaker_failure(&updater->questions);
        else
                mu_breaker_success(&updater->questions);
        switch (answer) {
        case MU_AGENT_ANSWER_OK:
                if (reply->status == OK) {
                        consider(updater, reply);
                        break;
                }
                say(updater, MU_AGENT_INFO, "update.check", updater->core->platform->version,
                    "result", "there is nothing newer");
                rest(updater);
                break;
        case MU_AGENT_ANSWER_RETRY:
                retry(updater, reply->retry_after_s, reply->error ? reply->sentence : why);
                break;
        case MU_AGENT_ANSWER_TOKEN:
                retry(updater, MU_AGENT_TOKEN_RETRY_MS / 1000, why);
                break;
        case MU_AGENT_ANSWER_REFUSED:
        case MU_AGENT_ANSWER_GONE:
                say_refused(updater, "", why);
                rest(updater);
                break;
        }
}

static void ask(struct mu_agent_updater *updater)
{
        const struct mu_agent_platform *platform = updater->core->platform;
        char path[sizeof(MU_PATH_AGENT_UPDATE) + 64 + 2 * MU_UPDATE_VERSION_BYTES +
                  MU_AGENT_CHANNEL_BYTES];
        struct mu_agent_request request = {
                .method = "GET",
                .path = path,
                .authorization = MU_AGENT_AUTH_TOKEN,
                .timeout_ms = MU_AGENT_REQUEST_TIMEOUT_MS,
        };

        if (!mu_breaker_allow(&updater->questions)) {
                updater->due_ns =
                        after_s(updater, mu_breaker_wait_ms(&updater->questions) / 1000 + 1);
                return;
        }
        /* All of them are of alphabets that need no escapes. */
        (void)snprintf(path, sizeof(path), "%s?version=%s&channel=%s%s%s", MU_PATH_AGENT_UPDATE,
                       platform->version, updater->core->config.channel,
                       updater->wanted[0] ? "&wanted=" : "", updater->wanted);
        memcpy(updater->asked, updater->wanted, sizeof(updater->asked));
        updater->wanted[0] = '\0';
        updater->phase = ASKING;
        int err = platform->request(platform->context, &request, on_answer, updater);

        if (err < 0) {
                mu_breaker_failure(&updater->questions);
                retry(updater, -1, "the question can't be put");
        }
}

/* ---- the part ---- */

/* NULL: updates are taken. */
static const char *why_not(const struct mu_agent_core *core)
{
        if (!core->platform->install)
                return "this agent is updated another way";
        if (core->config.update_key_count == 0)
                return "no key is pinned (update.keys of the configuration)";
        if (!mu_update_version_valid(core->platform->version))
                return "this program's own version is none that could be compared";
        return core->deleted ? "this device was deleted" : NULL;
}

uint64_t mu_agent_updater_step(struct mu_agent_updater *updater)
{
        struct mu_agent_core *core = updater->core;
        bool is_able = core->online && !mu_agent_is_frugal(core);

        if (why_not(core))
                return MU_AGENT_NEVER;
        if (!updater->has_looked_back)
                look_back(updater);
        if (updater->phase == READY && is_able &&
            !(core->downlink && mu_agent_downlink_is_busy(core->downlink)))
                install(updater);
        if (updater->phase == WAITING &&
            !mu_agent_update_wait(&updater->offer.constraints, &core->config, &core->readings)) {
                if (!updater->wanted[0])
                        memcpy(updater->wanted, updater->asked, sizeof(updater->wanted));
                updater->phase = IDLE;
                updater->due_ns = updater->not_before_ns;
        }
        if (updater->phase != IDLE && updater->phase != WAITING)
                return MU_AGENT_NEVER;
        if (mu_agent_now_ns(core) < updater->due_ns)
                return updater->due_ns;
        /* A change of either comes with a step. */
        if (!is_able)
                return MU_AGENT_NEVER;
        ask(updater);
        return updater->phase == IDLE ? updater->due_ns : MU_AGENT_NEVER;
}

void mu_agent_updater_nudge(struct mu_agent_updater *updater, const char *version)
{
        const char *why = why_not(updater->core);

        if (why) {
                /* Replies to heartbeats may nudge every few minutes. */
                if (version || !updater->has_said)
                        say_refused(updater, version ? version : "", why);
                updater->has_said = true;
                return;
        }
        if (version && !mu_update_version_valid(version)) {
                say_refused(updater, version, "what was asked for is no version");
                return;
        }
        if (version)
                memcpy(updater->wanted, version, strlen(version) + 1);
        else if (updater->phase != IDLE)
                return; /* it is about it already */
        if (updater->phase == IDLE || updater->phase == WAITING) {
                updater->phase = IDLE;
                updater->due_ns = updater->not_before_ns;
                updater->core->changed = true;
        }
}

static int load_facts(struct mu_agent_updater *updater)
{
        struct mu_agent_store *store = updater->core->store;
        int err = mu_agent_store_get_text(store, FAILED, updater->failed, sizeof(updater->failed));

        if (err == 0)
                err = mu_agent_store_get_number(store, FAILED_AT, &updater->failed_at_us);
        return err == -ENOENT ? 0 : err;
}

int mu_agent_updater_create(struct mu_agent_core *core, const char *directory,
                            struct mu_agent_updater **ret_updater)
{
        const struct mu_breaker_options breaker = {.failures_max = 5,
                                                   .successes_to_close = 1,
                                                   .open_ms = 5 * 60 * 1000,
                                                   .open_ms_max = MU_AGENT_UPDATE_RETRY_CAP_MS};
        struct mu_agent_updater *updater = calloc(1, sizeof(*updater));
        size_t bytes = strlen(directory) + sizeof(FILE_NAME);
        int err = -ENOMEM;

        if (!updater)
                return err;
        updater->core = core;
        updater->file = malloc(bytes);
        if (updater->file) {
                (void)snprintf(updater->file, bytes, "%s" FILE_NAME, directory);
                err = load_facts(updater);
        }
        if (err < 0) {
                mu_agent_updater_destroy(updater);
                return err;
        }
        /* A program on trial lies in this very file. */
        if (core->platform->install)
                (void)remove(updater->file); /* mostly there is none */
        mu_backoff_init(&updater->backoff, MU_AGENT_UPDATE_RETRY_BASE_MS,
                        MU_AGENT_UPDATE_RETRY_CAP_MS);
        mu_breaker_init(&updater->questions, &breaker, core->platform->clock);
        mu_breaker_init(&updater->downloads, &breaker, core->platform->clock);
        updater->due_ns = mu_agent_now_ns(core) +
                          mu_random_below(&core->random, MU_AGENT_UPDATE_FIRST_S * MU_NS_PER_S);
        *ret_updater = updater;
        return 0;
}

void mu_agent_updater_destroy(struct mu_agent_updater *updater)
{
        if (!updater)
                return;
        free(updater->file);
        free(updater);
}
