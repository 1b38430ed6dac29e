/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"
#include "outbound/private.h"

enum {
        CONCURRENCY = 8,
        FAILURES_MAX = 5,
        OPEN_MS = 1000,
        OPEN_MS_MAX = 60000,
};

static const char *const cell_names[MU_OUTBOUND_CELLS] = {
        [MU_OUTBOUND_OK] = "ok",
        [MU_OUTBOUND_REFUSED] = "refused",
        [MU_OUTBOUND_THROTTLED] = "throttled",
        [MU_OUTBOUND_UNAVAILABLE] = "unavailable",
        [MU_OUTBOUND_NO_ANSWER] = "no_answer",
        [MU_OUTBOUND_EXPIRED] = "expired",
        [MU_OUTBOUND_STOPPED] = "cancelled",
};

static double read_breaker(void *context)
{
        const struct mu_outbound_service *service = context;

        return (double)mu_breaker_state(&service->breaker);
}

static double read_opened(void *context)
{
        const struct mu_outbound_service *service = context;

        return (double)mu_breaker_opened_count(&service->breaker);
}

static double read_queue_full(void *context)
{
        struct mu_outbound_service *service = context;

        return (double)atomic_load_explicit(&service->queue_full, memory_order_relaxed);
}

static void register_metrics(struct mu_metrics *metrics, struct mu_outbound_service *service)
{
        static const char requests[] = "muster_outbound_requests_total";
        static const char requests_help[] = "Requests to outside services, by how they ended.";
        const struct mu_label *labels = MU_LABELS({"service", service->name});

        for (size_t i = 0; i < MU_OUTBOUND_CELLS; i++)
                mu_metrics_counter(metrics, requests, requests_help,
                                   MU_LABELS({"service", service->name}, {"result", cell_names[i]}),
                                   &service->results[i]);
        mu_metrics_counter_fn(metrics, requests, requests_help,
                              MU_LABELS({"service", service->name}, {"result", "queue_full"}),
                              read_queue_full, service);
        mu_metrics_histogram(metrics, "muster_outbound_request_duration_seconds",
                             "Time of a transfer to an outside service.", labels,
                             service->duration_us, 1e-6, &mu_bounds_latency_s);
        mu_metrics_gauge(metrics, "muster_outbound_queue", "Requests waiting to be sent.", labels,
                         &service->queued);
        mu_metrics_gauge(metrics, "muster_outbound_active", "Requests under way.", labels,
                         &service->active);
        mu_metrics_gauge_fn(metrics, "muster_outbound_breaker_state",
                            "0: requests go out, 1: service taken for away, 2: being tried.",
                            labels, read_breaker, service);
        mu_metrics_counter_fn(metrics, "muster_outbound_breaker_opened_total",
                              "Times that a service was taken for away.", labels, read_opened,
                              service);
}

int mu_outbound_add_service(struct mu_outbound *outbound,
                            const struct mu_outbound_service_config *config,
                            struct mu_outbound_service **ret_service)
{
        struct mu_breaker_options breaker = config->breaker;

        MU_ASSERT(config->name && !outbound->running);
        if (outbound->service_count == MU_OUTBOUND_SERVICES_MAX)
                return -ENOSPC;
        struct mu_outbound_service *service = calloc(1, sizeof(*service));

        if (!service)
                return -ENOMEM;
        if (mu_histogram_create(&service->duration_us) < 0) {
                free(service);
                return -ENOMEM;
        }
        if (breaker.failures_max == 0)
                breaker = (struct mu_breaker_options){.failures_max = FAILURES_MAX,
                                                      .successes_to_close = 1,
                                                      .open_ms = OPEN_MS,
                                                      .open_ms_max = OPEN_MS_MAX};
        service->outbound = outbound;
        service->name = config->name;
        service->concurrency_max = config->concurrency_max ? config->concurrency_max : CONCURRENCY;
        service->http2 = config->http2;
        service->no_breaker = config->no_breaker;
        mu_breaker_init(&service->breaker, &breaker, outbound->clock);
        if (outbound->metrics)
                register_metrics(outbound->metrics, service);
        outbound->services[outbound->service_count++] = service;
        *ret_service = service;
        return 0;
}

void mu_service_finished(struct mu_outbound_service *service, enum mu_outbound_cell cell,
                         uint64_t duration_us)
{
        mu_cell_add(&service->results[cell], 1);
        if (cell != MU_OUTBOUND_EXPIRED && cell != MU_OUTBOUND_STOPPED)
                mu_histogram_record(service->duration_us, duration_us);
        uint64_t opened = mu_breaker_opened_count(&service->breaker);

        if (opened == service->opened_count)
                return;
        service->opened_count = opened;
        mu_outbound_trouble(service->outbound, service->name,
                            "Too many requests failed one after the other; the next try is in "
                            "%u ms.",
                            mu_breaker_wait_ms(&service->breaker));
}

void mu_service_done(struct mu_outbound_service *service)
{
        mu_histogram_destroy(service->duration_us);
        free(service);
}
