/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine and the incident book over a table that the test keeps: each change must start from
 * the state that the table has, and the same history must give the same log, byte for byte,
 * whatever restarts and failed transactions lie in between.
 */
#include "control/alert/alert_engine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "base/text.h"
#include "control/alert/incident_book.h"
#include "unit.h"

enum {
        DEVICES = 50,
        ROWS_MAX = 20000,
        INPUTS = 2500,
        SITES = 4,
        CHUNK = 7, /* changes in a transaction: mostly fewer than there are */
};

#define START_US INT64_C(1790000000000000)

/* ---- the table ---- */

struct row {
        struct mu_alert_row alert;
        bool stands;
};

struct incident {
        struct mu_incident_row row;
        char key[64];
        bool open;
};

struct world {
        struct mu_alert_engine *engine;
        struct mu_incident_book *book;
        struct row *rows;
        struct incident *incidents;
        int64_t row_count;
        int64_t incident_count;
        struct mu_rule rules[MU_RULE_COUNT];
        struct last {
                enum mu_condition condition;
                int64_t value;
                int64_t at_ms;
        } last[DEVICES][MU_RULE_DEVICE_COUNT]; /* values judged: what last statuses keep */
        struct mu_text log;
        struct mu_random faults;
        struct mu_moment now;
        bool faulty;
        unsigned restarts;
        unsigned failures;
};

static const struct mu_rule *rule_of(void *context, uint32_t device, enum mu_alert_rule rule)
{
        struct world *world = context;

        (void)device;
        return &world->rules[rule];
}

static void place_of(void *context, uint32_t device, const char **ret_site, uint64_t *ret_network)
{
        static const char *const sites[SITES] = {"", "Berlin", "Oslo", "Wien"};

        (void)context;
        *ret_site = sites[device % SITES];
        *ret_network = 0;
}

static void load(struct world *world)
{
        const struct mu_incident_book_config config = {
                .group_devices = 3,
                .group_window_s = 60,
                .next_incident_id = world->incident_count,
        };
        bool adopted;

        mu_incident_book_destroy(world->book);
        assert_int_equal(mu_incident_book_create(&config, &world->book), 0);
        mu_alert_engine_begin_load(world->engine, world->book, world->row_count);
        for (int64_t i = 1; i < world->incident_count; i++)
                if (world->incidents[i].open)
                        assert_int_equal(mu_incident_book_load_incident(world->book,
                                                                        &world->incidents[i].row),
                                         0);
        for (int64_t i = 1; i < world->row_count; i++) {
                const struct mu_alert_row *alert = &world->rows[i].alert;

                if (!world->rows[i].stands)
                        continue;
                assert_int_equal(mu_alert_engine_load(world->engine, (uint32_t)alert->device_id - 1,
                                                      alert, world->now, &adopted),
                                 0);
                if (alert->state == MU_ALERT_FIRING)
                        assert_int_equal(mu_incident_book_load_alert(world->book, alert->alert_id,
                                                                     alert->incident_id,
                                                                     alert->fired_us),
                                         0);
        }
        assert_int_equal(mu_incident_book_settle(world->book, world->now.real_us), 0);
        mu_alert_engine_end_load(world->engine);
}

static void make_engine(struct world *world)
{
        const struct mu_alert_engine_config config = {
                .rule = rule_of, .place = place_of, .ctx = world};

        mu_alert_engine_destroy(world->engine);
        assert_int_equal(mu_alert_engine_create(&config, &world->engine), 0);
}

static void setup(struct world *world, bool faulty)
{
        *world = (struct world){.row_count = 1, .incident_count = 1, .faulty = faulty};
        world->rows = calloc(ROWS_MAX, sizeof(*world->rows));
        world->incidents = calloc(ROWS_MAX, sizeof(*world->incidents));
        assert_non_null(world->rows);
        assert_non_null(world->incidents);
        mu_text_init(&world->log);
        mu_random_seed(&world->faults, 99);
        world->now.real_us = START_US;
        for (unsigned i = 0; i < MU_RULE_COUNT; i++)
                mu_rule_default((enum mu_alert_rule)i, &world->rules[i]);
        world->rules[MU_RULE_QUEUE_DEPTH].holds = (struct mu_holds){600, 300};
        world->rules[MU_RULE_CLOCK_SKEW].holds = (struct mu_holds){0, 900};
        make_engine(world);
        load(world);
}

static void teardown(struct world *world)
{
        mu_alert_engine_destroy(world->engine);
        mu_incident_book_destroy(world->book);
        mu_text_done(&world->log);
        free(world->rows);
        free(world->incidents);
}

/* ---- a transaction ---- */

static struct row *row_at(struct world *world, int64_t id)
{
        assert_true(id > 0 && id < world->row_count);
        return &world->rows[id];
}

static void begin_row(struct world *world, const struct mu_alert_change *change)
{
        assert_int_equal(change->alert_id, world->row_count);
        assert_true(world->row_count < ROWS_MAX);
        for (int64_t i = 1; i < world->row_count; i++)
                if (world->rows[i].stands && world->rows[i].alert.device_id == change->device_id)
                        assert_int_not_equal(world->rows[i].alert.rule, change->rule);
        world->rows[world->row_count++] = (struct row){.alert = {.alert_id = change->alert_id,
                                                                 .device_id = change->device_id,
                                                                 .pending_us = change->pending_us,
                                                                 .rule = change->rule,
                                                                 .severity = change->severity,
                                                                 .state = MU_ALERT_PENDING},
                                                       .stands = true};
}

static void apply_change(struct world *world, const struct mu_alert_change *change)
{
        bool begins = change->kind == MU_CHANGE_BEGIN || change->kind == MU_CHANGE_BEGIN_FIRING;

        if (begins)
                begin_row(world, change);
        struct row *row = row_at(world, change->alert_id);
        bool was_firing = row->alert.state == MU_ALERT_FIRING;

        assert_true(row->stands);
        assert_int_equal(row->alert.device_id, change->device_id);
        switch (change->kind) {
        case MU_CHANGE_BEGIN:
                break;
        case MU_CHANGE_BEGIN_FIRING:
        case MU_CHANGE_FIRE:
                assert_false(was_firing);
                assert_true(change->fired_us >= change->pending_us);
                row->alert.state = MU_ALERT_FIRING;
                row->alert.fired_us = change->fired_us;
                row->alert.incident_id = change->incident_id;
                break;
        case MU_CHANGE_DROP:
                assert_false(was_firing);
                row->stands = false;
                break;
        case MU_CHANGE_RESOLVE:
                assert_true(was_firing);
                assert_true(change->resolved_us >= row->alert.fired_us);
                row->stands = false;
                break;
        case MU_CHANGE_CLEARING:
                assert_true(was_firing);
                row->alert.clearing_us = change->clearing_us;
                break;
        }
}

static void apply_op(struct world *world, const struct mu_incident_op *op)
{
        struct incident *incident = &world->incidents[op->incident_id];

        switch (op->op) {
        case MU_INCIDENT_OPEN:
                assert_int_equal(op->incident_id, world->incident_count);
                world->incident_count++;
                *incident = (struct incident){.row = {.incident_id = op->incident_id,
                                                      .device_id = op->device_id,
                                                      .kind = op->kind,
                                                      .group = op->group,
                                                      .rule = op->rule,
                                                      .severity = op->severity},
                                              .open = true};
                (void)snprintf(incident->key, sizeof(incident->key), "%s", op->group_key);
                incident->row.group_key = incident->key;
                break;
        case MU_INCIDENT_JOIN:
                assert_int_equal(row_at(world, op->alert_id)->alert.incident_id, op->incident_id);
                break;
        case MU_INCIDENT_MERGE:
                assert_true(world->incidents[op->from_id].open);
                world->incidents[op->from_id].open = false;
                row_at(world, op->alert_id)->alert.incident_id = op->incident_id;
                break;
        case MU_INCIDENT_COUNT:
                incident->row.alert_count = op->alert_count;
                incident->row.severity = op->severity;
                break;
        case MU_INCIDENT_CLOSE:
                assert_true(incident->open);
                incident->open = false;
                break;
        }
}

static void write_down(struct world *world, const struct mu_alert_change *changes, uint32_t count,
                       const struct mu_incident_op *ops, uint32_t op_count)
{
        for (uint32_t i = 0; i < count; i++) {
                const struct mu_alert_change *change = &changes[i];

                apply_change(world, change);
                mu_text_add_format(&world->log,
                                   "%d %s device %" PRId64 " alert %" PRId64 " incident %" PRId64
                                   " %" PRId64 " %" PRId64 " %" PRId64 " value %" PRId64 " %s\n",
                                   (int)change->kind, mu_alert_rule_name(change->rule),
                                   change->device_id, change->alert_id, change->incident_id,
                                   change->pending_us,
                                   change->kind == MU_CHANGE_BEGIN_FIRING ? change->fired_us : 0,
                                   change->kind == MU_CHANGE_RESOLVE ? change->resolved_us : 0,
                                   change->kind <= MU_CHANGE_FIRE ? change->value : 0,
                                   change->kind == MU_CHANGE_RESOLVE ? change->resolved_by : "");
        }
        for (uint32_t i = 0; i < op_count; i++) {
                const struct mu_incident_op *op = &ops[i];

                apply_op(world, op);
                mu_text_add_format(
                        &world->log,
                        "op %d incident %" PRId64 " from %" PRId64 " alert %" PRId64 " %s %u %u\n",
                        (int)op->op, op->incident_id, op->from_id, op->alert_id,
                        op->group_key ? op->group_key : "", op->alert_count, op->firing_count);
        }
}

/* One transaction, which may fail before its end, or after it without anybody hearing of that. */
static uint32_t write_some(struct world *world)
{
        const struct mu_alert_change *changes;
        const struct mu_incident_op *ops;
        uint32_t count;
        uint32_t op_count;
        uint64_t fate = world->faulty ? mu_random_below(&world->faults, 8) : 7;

        assert_int_equal(mu_alert_engine_take(world->engine, CHUNK, &changes, &count), 0);
        assert_int_equal(mu_incident_book_ops(world->book, &ops, &op_count), 0);
        if (count == 0 && op_count == 0) {
                mu_alert_engine_committed(world->engine);
                return 0;
        }
        if (fate != 0)
                write_down(world, changes, count, ops, op_count);
        if (fate > 1) {
                mu_alert_engine_committed(world->engine);
                return count;
        }
        world->failures++;
        load(world);
        return CHUNK;
}

static void write_all(struct world *world)
{
        while (write_some(world) > 0 || mu_alert_engine_waiting(world->engine) > 0)
                ;
}

/* ---- a history ---- */

struct input {
        int64_t mono_ms;
        int64_t real_us;
        uint32_t device;
        enum mu_alert_rule rule;
        enum mu_condition condition;
        int64_t value;
        bool end;
};

/* In bursts, so that groups form; the machine's clock is set now and then. */
static void make_history(struct input *inputs, uint64_t seed)
{
        static const enum mu_alert_rule rules[] = {MU_RULE_OFFLINE, MU_RULE_LOW_BATTERY,
                                                   MU_RULE_QUEUE_DEPTH, MU_RULE_CLOCK_SKEW};
        struct mu_random random;
        int64_t mono_ms = 1000;
        int64_t off_us = 0;

        mu_random_seed(&random, seed);
        for (unsigned i = 0; i < INPUTS; i++) {
                bool burst = i / 100 % 5 == 0;

                mono_ms += (int64_t)mu_random_below(&random, burst ? 2000 : 8000);
                if (mu_random_below(&random, 500) == 0)
                        off_us += (int64_t)mu_random_below(&random, 7200) * 1000000 - 3600000000;
                inputs[i] = (struct input){
                        .mono_ms = mono_ms,
                        .real_us = START_US + mono_ms * 1000 + off_us,
                        .device = (uint32_t)mu_random_below(&random, DEVICES),
                        .rule = rules[burst ? 0 : mu_random_below(&random, MU_COUNT_OF(rules))],
                        .condition = (enum mu_condition)mu_random_below(&random, 4),
                        .value = (int64_t)mu_random_below(&random, 1000),
                        .end = mu_random_below(&random, 60) == 0,
                };
        }
}

static void feed(struct world *world, const struct input *input)
{
        const struct mu_reading reading = {
                .rule = input->rule,
                .condition = input->condition,
                .value = input->value,
                .threshold = 1,
                .has_value = true,
                .fresh_ms = INT64_MAX,
                .detail = "{}",
        };

        world->now = (struct mu_moment){.mono_ms = input->mono_ms, .real_us = input->real_us};
        mu_alert_engine_mature(world->engine, world->now);
        if (input->end)
                mu_alert_engine_end(world->engine, input->device, input->rule, "rule-off", false,
                                    world->now);
        else
                assert_int_equal(mu_alert_engine_judge(world->engine, input->device,
                                                       input->device + 1, &reading, world->now,
                                                       NULL),
                                 0);
        if (!input->end && input->condition != MU_CONDITION_UNKNOWN)
                world->last[input->device][input->rule] =
                        (struct last){input->condition, input->value, input->mono_ms};
        write_all(world);
}

/* A new process: what stands is loaded, and last statuses are judged again. */
static void restart(struct world *world)
{
        make_engine(world);
        load(world);
        for (uint32_t device = 0; device < DEVICES; device++)
                for (unsigned rule = 0; rule < MU_RULE_DEVICE_COUNT; rule++) {
                        const struct last *last = &world->last[device][rule];
                        const struct mu_reading reading = {
                                .rule = (enum mu_alert_rule)rule,
                                .condition = last->condition,
                                .value = last->value,
                                .has_value = true,
                                .age_ms = world->now.mono_ms - last->at_ms,
                                .fresh_ms = INT64_MAX,
                        };

                        if (mu_alert_engine_state(world->engine, device, reading.rule) ==
                            MU_ALERT_NONE)
                                continue;
                        assert_int_equal(mu_alert_engine_judge(world->engine, device, device + 1,
                                                               &reading, world->now, NULL),
                                         0);
                }
        write_all(world);
        world->restarts++;
}

static void play(struct world *world, const struct input *inputs, unsigned restart_each)
{
        for (unsigned i = 0; i < INPUTS; i++) {
                feed(world, &inputs[i]);
                if (restart_each == 0 || i % restart_each != 0)
                        continue;
                restart(world);
        }
        assert_int_equal(mu_text_status(&world->log), 0);
}

static unsigned count_lines(const char *log, const char *with)
{
        unsigned count = 0;

        for (const char *at = strstr(log, with); at; at = strstr(at + 1, with))
                count++;
        return count;
}

/* Shows where they part. */
static void assert_same_log(const struct world *one, const struct world *other)
{
        size_t at = 0;

        while (one->log.data[at] && one->log.data[at] == other->log.data[at])
                at++;
        if (one->log.data[at] == other->log.data[at])
                return;
        while (at > 0 && one->log.data[at - 1] != '\n')
                at--;
        fail_msg("one:\n%.400s\nother:\n%.400s", one->log.data + at, other->log.data + at);
}

/* Restarts keep the holds by the clock on the wall: in histories in which it is not set. */
static void test_same_history_same_log(void **state)
{
        static struct input inputs[INPUTS];

        (void)state;
        for (uint64_t seed = 1; seed <= 4; seed++) {
                struct world plain;
                struct world again;
                struct world failing;

                make_history(inputs, seed);
                setup(&plain, false);
                setup(&again, false);
                setup(&failing, true);
                play(&plain, inputs, 0);
                play(&again, inputs, 0);
                play(&failing, inputs, 0);
                assert_same_log(&plain, &again);
                assert_same_log(&plain, &failing);
                assert_true(failing.failures > 100);
                assert_true(count_lines(plain.log.data, "op 2 ") > 3); /* groups did form */
                assert_true(count_lines(plain.log.data, "3 queue_depth") > 3);
                assert_true(count_lines(plain.log.data, "5 clock_skew") > 3);
                teardown(&plain);
                teardown(&again);
                teardown(&failing);
        }
}

static void test_restarts_change_nothing(void **state)
{
        static struct input inputs[INPUTS];

        (void)state;
        for (uint64_t seed = 11; seed <= 14; seed++) {
                struct world plain;
                struct world restarted;

                make_history(inputs, seed);
                for (unsigned i = 0; i < INPUTS; i++)
                        inputs[i].real_us = START_US + inputs[i].mono_ms * 1000;
                setup(&plain, false);
                setup(&restarted, true);
                play(&plain, inputs, 0);
                play(&restarted, inputs, 1 + (unsigned)seed % 4);
                assert_same_log(&plain, &restarted);
                assert_true(restarted.restarts > 400);
                teardown(&plain);
                teardown(&restarted);
        }
}

/* ---- while the database is away ---- */

static void judge(struct world *world, uint32_t device, enum mu_condition condition, int64_t ms)
{
        const struct mu_reading reading = {.rule = MU_RULE_OFFLINE, .condition = condition};

        world->now = (struct mu_moment){.mono_ms = ms, .real_us = START_US + ms * 1000};
        assert_int_equal(mu_alert_engine_judge(world->engine, device, device + 1, &reading,
                                               world->now, NULL),
                         0);
}

static void test_only_what_still_holds_is_written(void **state)
{
        struct world world;

        (void)state;
        setup(&world, false);
        judge(&world, 0, MU_CONDITION_BREACH, 0);
        write_all(&world);
        size_t logged = world.log.bytes;

        for (int64_t ms = 1; ms < 1000; ms++) { /* nothing is written meanwhile */
                judge(&world, 0, ms % 2 ? MU_CONDITION_CLEAR : MU_CONDITION_BREACH, ms);
                judge(&world, 1, ms % 2 ? MU_CONDITION_BREACH : MU_CONDITION_CLEAR, ms);
                assert_true(mu_alert_engine_waiting(world.engine) <= 2);
        }
        judge(&world, 0, MU_CONDITION_BREACH, 1000); /* fires, as the table has it */
        judge(&world, 1, MU_CONDITION_CLEAR, 1000);
        load(&world);
        write_all(&world);
        assert_int_equal(world.log.bytes, logged);
        judge(&world, 0, MU_CONDITION_CLEAR, 1001);
        write_all(&world);
        assert_int_equal(count_lines(world.log.data, "4 offline device 1 "), 1);
        assert_int_equal(count_lines(world.log.data, "offline device 2 "), 0);
        teardown(&world);
}

/* Somebody has closed the incident by hand: its alert ends all the same. */
static void test_an_alert_whose_incident_is_gone_ends(void **state)
{
        struct world world;

        (void)state;
        setup(&world, false);
        judge(&world, 0, MU_CONDITION_BREACH, 0);
        write_all(&world);
        world.incidents[1].open = false;
        mu_incident_book_destroy(world.book);
        const struct mu_incident_book_config config = {
                .group_devices = 3, .group_window_s = 60, .next_incident_id = 2};
        bool adopted;

        assert_int_equal(mu_incident_book_create(&config, &world.book), 0);
        make_engine(&world);
        mu_alert_engine_begin_load(world.engine, world.book, world.row_count);
        assert_int_equal(
                mu_alert_engine_load(world.engine, 0, &world.rows[1].alert, world.now, &adopted),
                0);
        assert_true(adopted);
        mu_alert_engine_end_load(world.engine);
        judge(&world, 0, MU_CONDITION_CLEAR, 10);
        write_all(&world);
        assert_int_equal(count_lines(world.log.data, "4 offline device 1 "), 1);
        assert_false(world.rows[1].stands);
        teardown(&world);
}

/* A hold that is over by time alone needs a value of lately. */
static void test_a_hold_needs_a_recent_value(void **state)
{
        struct world world;
        struct mu_reading reading = {.rule = MU_RULE_QUEUE_DEPTH,
                                     .condition = MU_CONDITION_BREACH,
                                     .fresh_ms = 400000,
                                     .has_value = true,
                                     .value = 200};

        (void)state;
        setup(&world, false);
        assert_int_equal(mu_alert_engine_judge(world.engine, 3, 4, &reading, world.now, NULL), 0);
        world.now.mono_ms = 600000;
        mu_alert_engine_mature(world.engine, world.now);
        assert_int_equal(mu_alert_engine_state(world.engine, 3, MU_RULE_QUEUE_DEPTH),
                         MU_ALERT_PENDING);
        reading.age_ms = 400000; /* read from its row */
        assert_int_equal(mu_alert_engine_judge(world.engine, 5, 6, &reading, world.now, NULL), 0);
        /* the next value finds the hold over */
        reading.age_ms = 0;
        assert_int_equal(mu_alert_engine_judge(world.engine, 3, 4, &reading, world.now, NULL), 0);
        assert_int_equal(mu_alert_engine_state(world.engine, 3, MU_RULE_QUEUE_DEPTH),
                         MU_ALERT_FIRING);
        /* one that came in between lets time do it */
        world.now.mono_ms = 900000;
        assert_int_equal(mu_alert_engine_judge(world.engine, 5, 6, &reading, world.now, NULL), 0);
        world.now.mono_ms = 1199999;
        mu_alert_engine_mature(world.engine, world.now);
        assert_int_equal(mu_alert_engine_state(world.engine, 5, MU_RULE_QUEUE_DEPTH),
                         MU_ALERT_PENDING);
        world.now.mono_ms = 1200000;
        mu_alert_engine_mature(world.engine, world.now);
        assert_int_equal(mu_alert_engine_state(world.engine, 5, MU_RULE_QUEUE_DEPTH),
                         MU_ALERT_FIRING);
        teardown(&world);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_same_history_same_log),
                cmocka_unit_test(test_restarts_change_nothing),
                cmocka_unit_test(test_only_what_still_holds_is_written),
                cmocka_unit_test(test_an_alert_whose_incident_is_gone_ends),
                cmocka_unit_test(test_a_hold_needs_a_recent_value),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
