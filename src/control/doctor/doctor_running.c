/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_running.c - what the daemon knows of itself. */
#include <math.h>
#include <string.h>

#include "control/doctor/doctor.h"

enum {
        HOURS_FAIL = 1,
        HOURS_WARN = 12,
        BACKLOG_WARN_S = 60,
};

static void check_journal(struct mu_doctor *doctor, const struct mu_doctor_facts *facts)
{
        bool filling = isfinite(facts->journal_hours_left);

        if (!facts->accepting || !facts->device_list)
                mu_doctor_add(
                        doctor, "ready", MU_DOCTOR_FAIL,
                        "Look at /ready and at the log; make room on the journal's disk if it "
                        "is full.",
                        "heartbeats can't be acknowledged: journal %s, device list %s",
                        facts->journal_state,
                        facts->device_list ? "read" : "not read from PostgreSQL");
        else
                mu_doctor_add(doctor, "ready", MU_DOCTOR_OK, NULL, "heartbeats are acknowledged");
        if (filling)
                mu_doctor_add(doctor, "journal-room",
                              facts->journal_hours_left < HOURS_FAIL   ? MU_DOCTOR_FAIL
                              : facts->journal_hours_left < HOURS_WARN ? MU_DOCTOR_WARN
                                                                       : MU_DOCTOR_OK,
                              "Bring PostgreSQL back, or raise journal.capacity.",
                              "full in %.1f hours at this rate", facts->journal_hours_left);
        else
                mu_doctor_add(doctor, "journal-room", MU_DOCTOR_OK, NULL, "it is not filling up");
        if (facts->damaged_bytes > 0 || facts->missing_records > 0)
                mu_doctor_add(doctor, "journal-damage", MU_DOCTOR_FAIL,
                              "Look at the disk (SMART, dmesg) and keep what was set aside.",
                              "%llu bytes were damaged, %llu acknowledged records are missing",
                              (unsigned long long)facts->damaged_bytes,
                              (unsigned long long)facts->missing_records);
        else
                mu_doctor_add(doctor, "journal-damage", MU_DOCTOR_OK, NULL, "none");
        mu_doctor_add(doctor, "journal-io",
                      facts->io_uring && facts->direct_io ? MU_DOCTOR_OK : MU_DOCTOR_WARN,
                      "Durable all the same, and slower: allow io_uring (seccomp, kernel), put the "
                      "journal on a file system with direct I/O.",
                      "%s, %s", facts->io_uring ? "io_uring" : "pwrite with fdatasync",
                      facts->direct_io ? "direct" : "through the page cache");
}

static void check_storing(struct mu_doctor *doctor, const struct mu_doctor_facts *facts)
{
        if (!facts->storing)
                mu_doctor_add(doctor, "storing", MU_DOCTOR_FAIL,
                              "Bring PostgreSQL back; the journal keeps everything meanwhile.",
                              "PostgreSQL takes nothing (breaker %s); %llu heartbeats wait",
                              facts->breaker, (unsigned long long)facts->backlog_records);
        else if (facts->oldest_unstored_s > BACKLOG_WARN_S)
                mu_doctor_add(doctor, "storing", MU_DOCTOR_WARN,
                              "It catches up by itself unless it is always slow: look at its disk.",
                              "%llu heartbeats wait, the oldest for %llu s",
                              (unsigned long long)facts->backlog_records,
                              (unsigned long long)facts->oldest_unstored_s);
        else
                mu_doctor_add(doctor, "storing", MU_DOCTOR_OK, NULL, "%llu heartbeats wait",
                              (unsigned long long)facts->backlog_records);
        mu_doctor_add(doctor, "postgres-restarts",
                      facts->postgres_restarts > 0 ? MU_DOCTOR_WARN : MU_DOCTOR_OK,
                      "Look at its log in postgres-log/, and at the memory.",
                      "it ended by itself %u times since the start", facts->postgres_restarts);
}

void mu_doctor_running(struct mu_doctor *doctor, const struct mu_doctor_facts *facts)
{
        check_journal(doctor, facts);
        check_storing(doctor, facts);
        if (facts->job_failures > 0)
                mu_doctor_add(doctor, "jobs",
                              facts->job_failures > 2 ? MU_DOCTOR_FAIL : MU_DOCTOR_WARN,
                              "musterctl jobs list says why.", "%s failed %u times in a row",
                              facts->failing_job, facts->job_failures);
        else
                mu_doctor_add(doctor, "jobs", MU_DOCTOR_OK, NULL, "none fails");
}
