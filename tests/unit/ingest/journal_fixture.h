/* SPDX-License-Identifier: Apache-2.0 */
/* journal_fixture.h - a journal in a scratch directory, and records whose content tells their seq.
 */
#ifndef MUSTER_TESTS_UNIT_INGEST_JOURNAL_FIXTURE_H
#define MUSTER_TESTS_UNIT_INGEST_JOURNAL_FIXTURE_H

#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ingest/journal.h"
#include "ingest/port.h"
#include "ingest/reader.h"
#include "unit.h"

struct fixture {
        char directory[64];
        struct mu_journal_config config;
        struct mu_journal *journal;
        struct mu_port *port;
        uint64_t written; /* records committed to the port, over all of the journal's lives */
};

static inline int fixture_setup(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        *state = f;
        (void)snprintf(f->directory, sizeof(f->directory), "/tmp/muster-journal-XXXXXX");
        if (!mkdtemp(f->directory))
                return -1;
        f->config = (struct mu_journal_config){.directory = f->directory,
                                               .segment_bytes = 256 << 10,
                                               .capacity_bytes = 16 << 20,
                                               .tail_bytes = 256 << 10,
                                               .group_bytes_max = 32 << 10,
                                               .linger_us = 200,
                                               .keep_covered_s = 86400,
                                               .keep_covered_bytes = 1 << 20,
                                               .clock = mu_clock_system()};
        return 0;
}

static inline int fixture_remove_one(const char *path, const struct stat *status, int kind,
                                     struct FTW *place)
{
        (void)status;
        (void)kind;
        (void)place;
        return remove(path);
}

static inline int fixture_teardown(void **state)
{
        struct fixture *f = *state;
        int err = nftw(f->directory, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);

        free(f);
        return err;
}

static inline void fixture_open(struct fixture *f)
{
        assert_int_equal(mu_journal_open(&f->config, &f->journal), 0);
        assert_int_equal(mu_port_create(256 << 10, &f->port), 0);
        assert_int_equal(mu_journal_add_port(f->journal, f->port), 0);
}

static inline void fixture_start(struct fixture *f)
{
        fixture_open(f);
        assert_int_equal(mu_journal_start(f->journal), 0);
}

static inline void fixture_close(struct fixture *f)
{
        mu_journal_close(f->journal);
        mu_port_destroy(f->port);
        f->journal = NULL;
        f->port = NULL;
}

static inline void fixture_stop(struct fixture *f)
{
        mu_journal_drain(f->journal);
        fixture_close(f);
}

/* The n-th record: device n, and extra of a length that n decides. */
static inline uint32_t fixture_extra_bytes(uint64_t n)
{
        return (uint32_t)(n * 7919 % 900);
}

static inline bool fixture_commit(struct mu_port *port, uint64_t n)
{
        uint32_t extra = fixture_extra_bytes(n);
        struct mu_record *record = mu_port_reserve(port, (uint32_t)sizeof(*record) + extra);

        if (!record)
                return false;
        memset(record, 0, sizeof(*record));
        record->device_id = (int64_t)n;
        record->extra_bytes = (uint16_t)extra;
        memset(record + 1, (int)(n & 0xff), extra);
        (void)mu_port_commit(port);
        return true;
}

static inline void fixture_check_payload(const struct mu_frame *frame, uint64_t n)
{
        const struct mu_record *record = frame->payload;
        const unsigned char *extra = frame->payload;

        assert_int_equal(frame->type, MU_FRAME_RECORD);
        assert_int_equal(record->device_id, n);
        assert_int_equal(record->extra_bytes, fixture_extra_bytes(n));
        assert_int_equal(frame->payload_bytes, sizeof(*record) + record->extra_bytes);
        for (uint32_t i = 0; i < record->extra_bytes; i++)
                if (extra[sizeof(*record) + i] != (n & 0xff))
                        fail_msg("record %lu: byte %u of its extra is wrong", (unsigned long)n, i);
}

/* Waits for the port's next verdict. */
static inline struct mu_port_verdict fixture_verdict(struct mu_port *port)
{
        struct pollfd resolved = {.fd = mu_port_eventfd(port), .events = POLLIN};
        struct mu_port_verdict verdict;

        while (!mu_port_poll(port, &verdict))
                assert_int_equal(poll(&resolved, 1, 30000), 1);
        return verdict;
}

/* Commits count records and waits until all are resolved; all of them durable, or none. */
static inline void fixture_write(struct fixture *f, uint64_t count, bool durable)
{
        uint64_t resolved = 0;

        for (uint64_t sent = 0; resolved < count;) {
                while (sent < count && fixture_commit(f->port, f->written + 1)) {
                        f->written++;
                        sent++;
                }
                struct mu_port_verdict verdict = fixture_verdict(f->port);

                assert_int_equal(verdict.durable, durable);
                resolved += verdict.last - verdict.first + 1;
        }
        assert_int_equal(resolved, count);
}

/* Reads everything durable after the position: exactly the records first..last, in order. */
static inline void fixture_read(struct mu_reader *reader, uint64_t first, uint64_t last)
{
        struct mu_frame frame;
        uint64_t n = first;

        for (int err; (err = mu_reader_next(reader, &frame)) != 0; n++) {
                assert_int_equal(err, 1);
                assert_int_equal(frame.seq, n);
                fixture_check_payload(&frame, n);
        }
        assert_int_equal(n, last + 1);
}

static inline struct mu_journal_status fixture_status(const struct fixture *f)
{
        struct mu_journal_status status;

        mu_journal_status(f->journal, &status);
        return status;
}

#endif
