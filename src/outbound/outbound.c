/* SPDX-License-Identifier: Apache-2.0 */
#include "outbound/outbound.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/assert.h"
#include "base/fs.h"
#include "base/thread.h"
#include "outbound/private.h"

enum {
        QUEUE = 16384,
        CONNECTIONS_KEPT = 64,
        CA_FILE_BYTES_MAX = 4 * 1024 * 1024,
};

/* curl would find out only at the first transfer. */
static int check_ca_file(const char *path, char *error)
{
        char *pem;
        size_t bytes;
        int code = mu_fs_read_file(path, CA_FILE_BYTES_MAX, &pem, &bytes);

        if (code < 0) {
                (void)snprintf(error, MU_OUTBOUND_ERROR_BYTES,
                               "The file of certificate authorities %.300s can't be read: %s.",
                               path, strerror(-code));
                return code;
        }
        BIO *bio = BIO_new_mem_buf(pem, (int)bytes);
        X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

        if (!certificate) {
                (void)snprintf(error, MU_OUTBOUND_ERROR_BYTES,
                               "The file of certificate authorities %.300s holds no certificate "
                               "in PEM form (-----BEGIN CERTIFICATE-----).",
                               path);
                code = -EINVAL;
        }
        X509_free(certificate);
        BIO_free(bio);
        free(pem);
        return code;
}

static int open_multi(struct mu_outbound *outbound)
{
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -ENOMEM;
        outbound->multi = curl_multi_init();
        /* Without descriptors it would come without the means to be woken. */
        if (!outbound->multi || curl_multi_wakeup(outbound->multi) != CURLM_OK) {
                (void)curl_multi_cleanup(outbound->multi);
                curl_global_cleanup();
                return -EMFILE;
        }
        MU_ASSERT(curl_multi_setopt(outbound->multi, CURLMOPT_PIPELINING,
                                    (long)CURLPIPE_MULTIPLEX) == CURLM_OK);
        MU_ASSERT(curl_multi_setopt(outbound->multi, CURLMOPT_MAXCONNECTS,
                                    (long)CONNECTIONS_KEPT) == CURLM_OK);
        return 0;
}

int mu_outbound_create(const struct mu_outbound_config *config, struct mu_outbound **ret_outbound,
                       char *error)
{
        bool with_ca = config->ca_file && *config->ca_file;
        int code = with_ca ? check_ca_file(config->ca_file, error) : 0;

        if (code < 0)
                return code;
        struct mu_outbound *outbound = calloc(1, sizeof(*outbound));

        code = outbound ? mu_random_seed_from_system(&outbound->random) : -ENOMEM;
        if (code == 0 && with_ca) {
                outbound->ca_file = strdup(config->ca_file);
                code = outbound->ca_file ? 0 : -ENOMEM;
        }
        if (code == 0)
                code = open_multi(outbound);
        if (code < 0) {
                (void)snprintf(error, MU_OUTBOUND_ERROR_BYTES, "Sending can't be set up: %s.",
                               strerror(-code));
                if (outbound)
                        free(outbound->ca_file);
                free(outbound);
                return code;
        }
        outbound->clock = config->clock ? config->clock : mu_clock_system();
        outbound->queue_max = config->queue_max ? config->queue_max : QUEUE;
        outbound->on_trouble = config->on_trouble;
        outbound->trouble_ctx = config->ctx;
        outbound->metrics = config->metrics;
        pthread_mutex_init(&outbound->lock, NULL);
        *ret_outbound = outbound;
        return 0;
}

int mu_outbound_start(struct mu_outbound *outbound)
{
        MU_ASSERT(!outbound->running && !outbound->stopped);
        outbound->running = true;
        int code = mu_thread_start("outbound", mu_outbound_run, outbound, &outbound->thread);

        if (code < 0)
                outbound->running = false;
        return code;
}

void mu_outbound_stop(struct mu_outbound *outbound, uint32_t deadline_ms)
{
        if (!outbound || outbound->stopped)
                return;
        outbound->stopped = true;
        pthread_mutex_lock(&outbound->lock);
        outbound->stopping = true;
        outbound->stop_deadline_ns =
                mu_outbound_now_ns(outbound) + (uint64_t)deadline_ms * MU_NS_PER_MS;
        if (!outbound->running)
                outbound->stop_deadline_ns = 0;
        MU_ASSERT(curl_multi_wakeup(outbound->multi) == CURLM_OK);
        pthread_mutex_unlock(&outbound->lock);
        if (outbound->running)
                mu_thread_join(outbound->thread);
        else
                mu_outbound_run(outbound); /* what was submitted still gets its callbacks */
        outbound->running = false;
}

void mu_outbound_destroy(struct mu_outbound *outbound)
{
        if (!outbound)
                return;
        mu_outbound_stop(outbound, 0);
        for (size_t i = 0; i < outbound->service_count; i++)
                mu_service_done(outbound->services[i]);
        MU_ASSERT(curl_multi_cleanup(outbound->multi) == CURLM_OK);
        curl_global_cleanup();
        pthread_mutex_destroy(&outbound->lock);
        free(outbound->ca_file);
        free(outbound);
}

static void run_transfer(struct mu_outbound_job *job)
{
        mu_transfer_queue((struct mu_transfer *)job);
}

/* Takes one of the places; false when there is none. */
static bool take_place(struct mu_outbound *outbound)
{
        uint32_t accepted = atomic_load(&outbound->accepted);

        do {
                if (accepted >= outbound->queue_max)
                        return false;
        } while (!atomic_compare_exchange_weak(&outbound->accepted, &accepted, accepted + 1));
        return true;
}

int mu_outbound_submit(struct mu_outbound *outbound, const struct mu_outbound_request *request)
{
        struct mu_transfer *transfer;
        int code = mu_transfer_new_http(request, &transfer);

        if (code < 0)
                return code;
        if (!take_place(outbound)) {
                atomic_fetch_add_explicit(&request->service->queue_full, 1, memory_order_relaxed);
                mu_transfer_free(transfer);
                return -EAGAIN;
        }
        transfer->counted = true;
        transfer->job.run = run_transfer;
        code = mu_outbound_post(outbound, &transfer->job);
        if (code < 0) {
                atomic_fetch_sub(&outbound->accepted, 1);
                mu_transfer_free(transfer);
        }
        return code;
}

int mu_outbound_send(struct mu_outbound *outbound, const struct mu_outbound_request *request)
{
        struct mu_transfer *transfer;
        int code = mu_transfer_new_http(request, &transfer);

        MU_ASSERT(request->service->outbound == outbound);
        if (code == 0)
                mu_transfer_queue(transfer);
        return code;
}

void mu_outbound_trouble(struct mu_outbound *outbound, const char *service, const char *format, ...)
{
        char sentence[MU_OUTBOUND_ERROR_BYTES];
        va_list arguments;

        if (!outbound->on_trouble)
                return;
        va_start(arguments, format);
        (void)vsnprintf(sentence, sizeof(sentence), format, arguments);
        va_end(arguments);
        outbound->on_trouble(outbound->trouble_ctx, service, sentence);
}
