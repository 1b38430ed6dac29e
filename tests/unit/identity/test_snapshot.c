/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "base/failpoint.h"
#include "base/fs.h"
#include "base/qsbr.h"
#include "scratch.h"

enum {
        HEADER_BYTES = 16,
        ENTRY_BYTES = 64,
};

/* A table and its snapshot, as one process has them. */
struct process {
        struct mu_qsbr *qsbr;
        struct mu_device_table *table;
        struct mu_snapshot *snapshot;
        struct mu_snapshot_report report;
};

static int try_begin(struct process *process, const char *path)
{
        *process = (struct process){0};
        assert_int_equal(mu_qsbr_create(1, &process->qsbr), 0);
        assert_int_equal(mu_device_table_create(process->qsbr, &process->table), 0);
        return mu_snapshot_open(path, process->table, &process->report, &process->snapshot);
}

static void begin(struct process *process, const char *path)
{
        assert_int_equal(try_begin(process, path), 0);
}

static void end(struct process *process)
{
        mu_snapshot_close(process->snapshot);
        mu_device_table_destroy(process->table);
        mu_qsbr_destroy(process->qsbr);
}

static struct mu_digest digest_of(int64_t device_id, uint32_t generation)
{
        struct mu_digest digest;
        char text[64];
        int chars = snprintf(text, sizeof(text), "%lld/%u", (long long)device_id, generation);

        mu_token_digest(text, (size_t)chars, &digest);
        return digest;
}

static struct mu_device *add(struct process *process, int64_t id, uint32_t token_count)
{
        struct mu_device *device;

        mu_device_table_lock(process->table);
        assert_int_equal(mu_device_table_add(process->table, id, &device), 0);
        for (uint32_t generation = 1; generation <= token_count; generation++) {
                struct mu_digest digest = digest_of(id, generation);

                assert_int_equal(mu_device_table_add_token(process->table, device, &digest,
                                                           generation, false),
                                 0);
        }
        mu_device_table_unlock(process->table);
        return device;
}

static void append(struct process *process, struct mu_device *device)
{
        mu_device_table_lock(process->table);
        assert_int_equal(mu_snapshot_add(process->snapshot, device), 0);
        mu_device_table_unlock(process->table);
        assert_int_equal(mu_snapshot_sync(process->snapshot), 0);
}

static bool knows(struct process *process, int64_t id, uint32_t generation)
{
        struct mu_digest digest = digest_of(id, generation);

        mu_device_table_lock(process->table);
        const struct mu_device *device = mu_device_table_peek(process->table, &digest);

        mu_device_table_unlock(process->table);
        return device && device->id == id;
}

static void assert_same(const struct mu_device *a, const struct mu_device *b)
{
        assert_int_equal(a->id, b->id);
        assert_int_equal(a->kind, b->kind);
        assert_int_equal(a->state, b->state);
        assert_int_equal(a->generation_min, b->generation_min);
        assert_int_equal(a->clock_offset_s, b->clock_offset_s);
        assert_int_equal(a->interval_s, b->interval_s);
        assert_int_equal(a->seen, b->seen);
}

static void fill(struct mu_device *device, uint32_t device_state)
{
        device->kind = 1;
        atomic_store(&device->state, device_state);
        atomic_store(&device->generation_min, 2);
        atomic_store(&device->clock_offset_s, -86400);
        atomic_store(&device->interval_s, 60);
        atomic_store(&device->seen, true);
}

/* Appended, and once more when rewritten. */
static void round_trip(void **state)
{
        const char *path = scratch_path(state, "identities");
        struct process one;
        struct process two;

        begin(&one, path);
        assert_int_equal(one.report.entry_count, 0);
        assert_int_equal(one.report.damaged_bytes, 0);
        struct mu_device *full = add(&one, MU_DEVICE_ID_MAX, 3);
        struct mu_device *plain = add(&one, 1, 1);

        fill(full, MU_DEVICE_DELETED);
        append(&one, full);
        append(&one, plain);
        for (int rewritten = 0; rewritten <= 1; rewritten++) {
                if (rewritten)
                        assert_int_equal(mu_snapshot_rewrite(one.snapshot, one.table), 0);
                begin(&two, path);
                assert_int_equal(two.report.entry_count, 6);
                assert_int_equal(two.report.damaged_bytes, 0);
                assert_int_equal(two.report.device_id_max, MU_DEVICE_ID_MAX);
                assert_int_equal(mu_device_table_count(two.table), 2);
                assert_same(mu_device_table_by_id(two.table, MU_DEVICE_ID_MAX), full);
                assert_same(mu_device_table_by_id(two.table, 1), plain);
                assert_false(knows(&two, MU_DEVICE_ID_MAX, 1));
                assert_true(knows(&two, MU_DEVICE_ID_MAX, 2));
                assert_true(knows(&two, MU_DEVICE_ID_MAX, 3));
                assert_true(knows(&two, 1, 1));
                end(&two);
        }
        end(&one);
}

static void last_entry_wins(void **state)
{
        const char *path = scratch_path(state, "identities");
        struct process process;

        begin(&process, path);
        struct mu_device *device = add(&process, 7, 1);

        append(&process, device);
        for (int i = 1; i <= 5; i++) {
                atomic_store(&device->clock_offset_s, i * 1000);
                append(&process, device);
        }
        end(&process);
        begin(&process, path); /* and goes on where the first left off */
        device = mu_device_table_by_id(process.table, 7);
        assert_int_equal(device->clock_offset_s, 5000);
        assert_int_equal(mu_snapshot_appended(process.snapshot), 12);
        atomic_store(&device->state, MU_DEVICE_QUARANTINED);
        append(&process, device);
        end(&process);
        begin(&process, path);
        assert_int_equal(process.report.entry_count, 14);
        assert_int_equal(mu_device_state(mu_device_table_by_id(process.table, 7)),
                         MU_DEVICE_QUARANTINED);
        assert_true(knows(&process, 7, 1));
        end(&process);
}

/* Asked for, not decided: after a crash PostgreSQL says. */
static void deleting_is_live(void **state)
{
        const char *path = scratch_path(state, "identities");
        struct process process;

        begin(&process, path);
        struct mu_device *device = add(&process, 7, 1);

        atomic_store(&device->state, MU_DEVICE_DELETING);
        append(&process, device);
        end(&process);
        begin(&process, path);
        assert_int_equal(mu_device_state(mu_device_table_by_id(process.table, 7)), MU_DEVICE_LIVE);
        end(&process);
}

static void use_is_kept(void **state)
{
        const char *path = scratch_path(state, "identities");
        struct mu_digest digest = digest_of(7, 2);
        struct process process;

        begin(&process, path);
        struct mu_device *device = add(&process, 7, 2);

        append(&process, device);
        assert_ptr_equal(mu_device_table_resolve(process.table, &digest, 1), device);
        append(&process, device);
        end(&process);
        begin(&process, path);
        assert_true(mu_device_table_by_id(process.table, 7)->seen);
        assert_non_null(mu_device_table_resolve(process.table, &digest, 1));
        assert_null(mu_device_table_take(process.table)); /* used before: no event */
        assert_false(knows(&process, 7, 1));
        end(&process);
}

/* ---- damage ---- */

static char *make_file(const char *path, size_t *ret_bytes)
{
        struct process process;
        char *data;

        begin(&process, path);
        for (int64_t id = 1; id <= 4; id++)
                append(&process, add(&process, id, 1));
        end(&process);
        assert_int_equal(mu_fs_read_file(path, 1 << 20, &data, ret_bytes), 0);
        assert_int_equal(*ret_bytes, HEADER_BYTES + 8 * ENTRY_BYTES);
        return data;
}

/* Cut anywhere: what is whole is there, and what is appended afterwards is found again. */
static void torn_tail(void **state)
{
        const char *path = scratch_path(state, "identities");
        size_t bytes;
        char *data = make_file(path, &bytes);

        for (size_t cut = 0; cut <= bytes; cut++) {
                struct process process;
                size_t whole = cut < HEADER_BYTES ? 0 : (cut - HEADER_BYTES) / ENTRY_BYTES;

                if (cut > HEADER_BYTES && cut < bytes - 2 * ENTRY_BYTES - 2 && cut % 61 != 0)
                        continue;
                assert_int_equal(mu_fs_write_file(path, data, cut, 0600), 0);
                begin(&process, path);
                assert_int_equal(process.report.entry_count, whole);
                assert_int_equal(process.report.damaged_bytes,
                                 cut < HEADER_BYTES ? cut : (cut - HEADER_BYTES) % ENTRY_BYTES);
                for (uint32_t id = 1; id <= 4; id++)
                        assert_int_equal(knows(&process, id, 1), whole >= 2 * id);
                append(&process, add(&process, 9, 1));
                end(&process);
                begin(&process, path);
                assert_int_equal(process.report.entry_count, whole + 2);
                assert_int_equal(process.report.damaged_bytes, 0);
                assert_true(knows(&process, 9, 1));
                end(&process);
        }
        free(data);
}

/* Any byte of an entry spoilt: that entry is passed over, those before and behind it hold. */
static void damaged_middle(void **state)
{
        const char *path = scratch_path(state, "identities");
        size_t bytes;
        char *data = make_file(path, &bytes);
        size_t token_of_2 = HEADER_BYTES + 3 * ENTRY_BYTES;

        for (size_t at = token_of_2; at < token_of_2 + ENTRY_BYTES; at++) {
                struct process process;

                data[at] ^= 0x10;
                assert_int_equal(mu_fs_write_file(path, data, bytes, 0600), 0);
                data[at] ^= 0x10;
                begin(&process, path);
                assert_int_equal(process.report.entry_count, 7);
                assert_int_equal(process.report.damaged_bytes, ENTRY_BYTES);
                for (uint32_t id = 1; id <= 4; id++)
                        assert_int_equal(knows(&process, id, 1), id != 2);
                append(&process, add(&process, 9, 1)); /* behind the last, over nothing */
                end(&process);
                begin(&process, path);
                assert_int_equal(process.report.entry_count, 9);
                assert_true(knows(&process, 4, 1) && knows(&process, 9, 1));
                end(&process);
        }
        free(data);
}

static void headers(void **state)
{
        const char *path = scratch_path(state, "identities");
        size_t bytes;
        char *data = make_file(path, &bytes);
        struct process process;

        data[7] ^= 1; /* somebody else's */
        assert_int_equal(mu_fs_write_file(path, data, bytes, 0600), 0);
        assert_int_equal(try_begin(&process, path), -EBADMSG);
        assert_null(process.snapshot);
        assert_int_equal(mu_device_table_count(process.table), 0);
        end(&process);
        assert_int_equal(mu_fs_write_file(path, "short", 5, 0600), 0);
        assert_int_equal(try_begin(&process, path), -EBADMSG);
        end(&process);

        memset(data, 0, HEADER_BYTES); /* a write that the power cut */
        assert_int_equal(mu_fs_write_file(path, data, bytes, 0600), 0);
        begin(&process, path);
        assert_int_equal(process.report.entry_count, 8);
        end(&process);
        memset(data, 0, bytes);
        assert_int_equal(mu_fs_write_file(path, data, bytes, 0600), 0);
        begin(&process, path);
        assert_int_equal(process.report.entry_count, 0);
        assert_int_equal(process.report.damaged_bytes, bytes - HEADER_BYTES);
        end(&process);
        free(data);
}

static void no_place(void **state)
{
        struct process process;

        assert_int_equal(try_begin(&process, scratch_path(state, "none/identities")), -ENOENT);
        end(&process);
}

/* ---- rewriting ---- */

static void rewrite_shrinks(void **state)
{
        const char *path = scratch_path(state, "identities");
        struct process process;
        struct stat before;
        struct stat after;

        begin(&process, path);
        struct mu_device *device = add(&process, 7, 1);

        for (int i = 0; i < 100; i++)
                append(&process, device);
        assert_int_equal(mu_snapshot_appended(process.snapshot), 200);
        assert_int_equal(stat(path, &before), 0);
        mu_device_table_lock(process.table);
        assert_int_equal(mu_snapshot_add(process.snapshot, device), 0); /* the whole has it */
        mu_device_table_unlock(process.table);
        assert_int_equal(mu_snapshot_rewrite(process.snapshot, process.table), 0);
        assert_int_equal(mu_snapshot_sync(process.snapshot), 0);
        assert_int_equal(stat(path, &after), 0);
        assert_int_equal(after.st_size, HEADER_BYTES + 2 * ENTRY_BYTES);
        assert_int_equal(mu_snapshot_appended(process.snapshot), 0);
        assert_int_equal(access(scratch_path(state, "identities.new"), F_OK), -1);
        append(&process, add(&process, 8, 1)); /* to the new file */
        end(&process);
        begin(&process, path);
        assert_true(knows(&process, 7, 1) && knows(&process, 8, 1));
        end(&process);
}

/* The disk is full at any byte of the rewrite: the old file stands and can be appended to. */
static void rewrite_without_space(void **state)
{
        const char *path = scratch_path(state, "identities");
        struct rlimit unlimited;
        struct process process;
        size_t bytes;
        char *data = make_file(path, &bytes);

        (void)signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
        for (size_t room = 0; room < bytes; room += 37) {
                struct rlimit limit = {.rlim_cur = room, .rlim_max = unlimited.rlim_max};
                char *after;
                size_t after_bytes;

                begin(&process, path);
                assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
                int rewritten = mu_snapshot_rewrite(process.snapshot, process.table);

                assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
                assert_int_equal(rewritten, -EFBIG);
                assert_int_equal(access(scratch_path(state, "identities.new"), F_OK), -1);
                assert_int_equal(mu_fs_read_file(path, 1 << 20, &after, &after_bytes), 0);
                assert_int_equal(after_bytes, bytes);
                assert_memory_equal(after, data, bytes);
                free(after);
                end(&process);
        }
        free(data);
}

/* Appending fails in the middle; the rewrite that must follow has everything. */
static void append_without_space(void **state)
{
        const char *path = scratch_path(state, "identities");
        struct rlimit unlimited;
        size_t bytes;
        char *data = make_file(path, &bytes);
        struct process process;

        (void)signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
        struct rlimit limit = {.rlim_cur = bytes + 100, .rlim_max = unlimited.rlim_max};

        begin(&process, path);
        struct mu_device *device = add(&process, 9, 1);

        mu_device_table_lock(process.table);
        assert_int_equal(mu_snapshot_add(process.snapshot, device), 0);
        mu_device_table_unlock(process.table);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        int synced = mu_snapshot_sync(process.snapshot);

        assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
        assert_int_equal(synced, -EFBIG);
        mu_snapshot_forget(process.snapshot);
        assert_int_equal(mu_snapshot_sync(process.snapshot), 0); /* nothing to write */
        assert_int_equal(mu_snapshot_rewrite(process.snapshot, process.table), 0);
        end(&process);
        begin(&process, path);
        for (uint32_t id = 1; id <= 4; id++)
                assert_true(knows(&process, id, 1));
        assert_true(knows(&process, 9, 1));
        assert_int_equal(process.report.damaged_bytes, 0);
        end(&process);
        free(data);
}

#ifdef MUSTER_FAILPOINTS
static void every_step_fails(void **state)
{
        static const char *const points[] = {"snapshot.write=error:ENOSPC*1",
                                             "snapshot.sync=error:EIO*1",
                                             "snapshot.rename=error:EIO*1"};
        const char *path = scratch_path(state, "identities");
        struct process process;

        for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
                begin(&process, path);
                (void)add(&process, (int64_t)i + 1, 1);
                assert_int_equal(mu_failpoint_arm(points[i]), 0);
                assert_true(mu_snapshot_rewrite(process.snapshot, process.table) < 0);
                mu_failpoint_disarm_all();
                assert_int_equal(access(scratch_path(state, "identities.new"), F_OK), -1);
                assert_int_equal(mu_snapshot_rewrite(process.snapshot, process.table), 0);
                end(&process);
                begin(&process, path);
                for (size_t id = 1; id <= i + 1; id++)
                        assert_true(knows(&process, (int64_t)id, 1));
                end(&process);
        }
}
#endif

static void a_hundred_thousand(void **state)
{
        const char *path = scratch_path(state, "identities");
        struct process process;

        begin(&process, path);
        for (int64_t id = 1; id <= 100000; id++)
                (void)add(&process, id, 1);
        assert_int_equal(mu_snapshot_rewrite(process.snapshot, process.table), 0);
        end(&process);
        begin(&process, path);
        assert_int_equal(process.report.entry_count, 200000);
        assert_int_equal(process.report.device_id_max, 100000);
        for (int64_t id = 1; id <= 100000; id += 999)
                assert_true(knows(&process, id, 1));
        end(&process);
}

#define SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                SCRATCH(round_trip),
                SCRATCH(last_entry_wins),
                SCRATCH(deleting_is_live),
                SCRATCH(use_is_kept),
                SCRATCH(torn_tail),
                SCRATCH(damaged_middle),
                SCRATCH(headers),
                SCRATCH(no_place),
                SCRATCH(rewrite_shrinks),
                SCRATCH(rewrite_without_space),
                SCRATCH(append_without_space),
#ifdef MUSTER_FAILPOINTS
                SCRATCH(every_step_fails),
#endif
                SCRATCH(a_hundred_thousand),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
