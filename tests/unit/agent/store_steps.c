/* SPDX-License-Identifier: Apache-2.0 */
#include "store_steps.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

enum step_kind { ADD_HEARTBEAT, ADD_RESULT, FREEZE_SOME, SETTLE_SOME, SET_FACT, ENTER_COMMAND };

struct step {
        enum step_kind kind;
        enum mu_agent_item_kind item;
        size_t bytes; /* of a body; of items: how many */
};

/* The same for both sides. */
static struct step step_of(int64_t number)
{
        struct mu_random random;
        struct step step;

        mu_random_seed(&random, (uint64_t)number);
        static const enum step_kind kinds[] = {ADD_HEARTBEAT, ADD_HEARTBEAT, ADD_RESULT,
                                               FREEZE_SOME,   SETTLE_SOME,   SET_FACT,
                                               ENTER_COMMAND};

        step.kind = kinds[mu_random_below(&random, MU_COUNT_OF(kinds))];
        step.item =
                mu_random_below(&random, 3) == 0 ? MU_AGENT_ITEM_RESULT : MU_AGENT_ITEM_HEARTBEAT;
        step.bytes = mu_random_below(&random, 4) == 0
                             ? mu_random_below(&random, STEP_BODY_BYTES_MAX)
                             : mu_random_below(&random, 300);
        if (step.kind == FREEZE_SOME || step.kind == SETTLE_SOME)
                step.bytes = mu_random_below(&random, 4) + 1;
        return step;
}

static int64_t bucket_of(int64_t number)
{
        return 1800000000 + number * MU_AGENT_BUCKET_S;
}

static void fill_body(char *body, int64_t key, size_t bytes)
{
        struct mu_random random;

        mu_random_seed(&random, (uint64_t)key);
        for (size_t i = 0; i < bytes; i++)
                body[i] = (char)('a' + mu_random_below(&random, 26));
}

/* ---- on the core ---- */

static int settle_or_freeze(struct mu_agent_core *core, const struct step *step)
{
        static const enum mu_agent_verdict verdicts[4] = {MU_AGENT_DELIVERED, MU_AGENT_DELIVERED,
                                                          MU_AGENT_DELIVERED, MU_AGENT_DELIVERED};
        static const char *const whys[4] = {NULL};
        struct mu_agent_items items;
        int err = mu_agent_queue_peek(core->queue, step->item, step->bytes, SIZE_MAX, &items);

        if (err < 0)
                return err;
        if (step->kind == FREEZE_SOME)
                err = mu_agent_queue_freeze(core->queue, &items);
        else
                err = mu_agent_queue_settle(core->queue, &items, verdicts, whys, 1);
        mu_agent_items_done(&items);
        return err;
}

static int enter_command(struct mu_agent_core *core, int64_t number)
{
        struct mu_command_form form = {.command_id = number,
                                       .type = "ping",
                                       .payload = "{}",
                                       .payload_bytes = 2,
                                       .key_version = 1};
        enum mu_agent_command_state stands;

        memcpy(form.nonce, &number, sizeof(number));
        return mu_agent_command_book_enter(core->book, &form, 1, &stands);
}

int step_do(struct mu_agent_core *core, int64_t number, char *body)
{
        struct step step = step_of(number);
        int64_t seq;
        int err;

        switch (step.kind) {
        case ADD_HEARTBEAT:
                err = mu_agent_queue_seq(core->queue, "boot-a", bucket_of(number), &seq);
                if (err < 0)
                        return err;
                fill_body(body, bucket_of(number), step.bytes);
                return mu_agent_queue_heartbeat(core->queue, bucket_of(number), body, step.bytes,
                                                1);
        case ADD_RESULT:
                fill_body(body, number, step.bytes);
                return mu_agent_queue_result(core->queue, number, body, step.bytes, 1);
        case SET_FACT:
                return mu_agent_store_set_number(core->store, "fact", number);
        case ENTER_COMMAND:
                return enter_command(core, number);
        default:
                return settle_or_freeze(core, &step);
        }
}

/* ---- on an array ---- */

static void model_add(struct step_model *model, enum mu_agent_item_kind kind, int64_t key,
                      size_t bytes)
{
        assert_true(model->count[kind] < STEP_HELD_MAX);
        model->held[kind][model->count[kind]++] = (struct step_held){.key = key, .bytes = bytes};
}

void step_model_next(struct step_model *model)
{
        int64_t number = model->steps++;
        struct step step = step_of(number);
        size_t *count = &model->count[step.item];
        size_t some = step.bytes < *count ? step.bytes : *count;

        switch (step.kind) {
        case ADD_HEARTBEAT:
                model_add(model, MU_AGENT_ITEM_HEARTBEAT, bucket_of(number), step.bytes);
                model->seq++;
                break;
        case ADD_RESULT:
                model_add(model, MU_AGENT_ITEM_RESULT, number, step.bytes);
                break;
        case FREEZE_SOME:
                for (size_t i = 0; i < some; i++)
                        model->held[step.item][i].frozen = true;
                break;
        case SETTLE_SOME:
                *count -= some;
                memmove(&model->held[step.item][0], &model->held[step.item][some],
                        *count * sizeof(model->held[0][0]));
                break;
        case SET_FACT:
                model->fact = number;
                break;
        case ENTER_COMMAND:
                model->last_command = number;
                break;
        }
}

static bool same_items(struct mu_agent_core *core, const struct step_model *model,
                       enum mu_agent_item_kind kind)
{
        struct mu_agent_items items;
        char *body = malloc(STEP_BODY_BYTES_MAX);

        assert_non_null(body);
        assert_int_equal(mu_agent_queue_peek(core->queue, kind, 1000, SIZE_MAX, &items), 0);
        bool same = items.count == model->count[kind];

        for (size_t i = 0; same && i < items.count; i++) {
                const struct step_held *held = &model->held[kind][i];

                fill_body(body, held->key, held->bytes);
                same = items.items[i].key == held->key && items.items[i].frozen == held->frozen &&
                       items.items[i].body_bytes == held->bytes &&
                       memcmp(items.items[i].body, body, held->bytes) == 0;
        }
        mu_agent_items_done(&items);
        free(body);
        return same;
}

/* The command that was entered last: those before were answered by the parent. */
static int64_t last_command(struct mu_agent_core *core, int64_t before)
{
        struct mu_agent_command command;
        int64_t last = before;
        int err;

        while ((err = mu_agent_command_book_next(core->book, MU_AGENT_COMMAND_RECEIVED,
                                                 &command)) == 0) {
                last = command.id;
                mu_agent_command_done(&command);
                assert_int_equal(mu_agent_command_book_set(core->book, last,
                                                           MU_AGENT_COMMAND_ANSWERED, NULL),
                                 0);
        }
        assert_int_equal(err, -ENOENT);
        return last;
}

static bool is_as(struct mu_agent_core *core, const struct step_model *model, int64_t command)
{
        int64_t fact = 0;
        int64_t seq;

        if (mu_agent_store_get_number(core->store, "fact", &fact) < 0)
                fact = 0;
        assert_int_equal(mu_agent_queue_seq(core->queue, "boot-a", 1, &seq), 0);
        return fact == model->fact && seq == model->seq + 1 && command == model->last_command &&
               same_items(core, model, MU_AGENT_ITEM_HEARTBEAT) &&
               same_items(core, model, MU_AGENT_ITEM_RESULT);
}

void step_model_init(struct step_model *ret_model)
{
        *ret_model = (struct step_model){.steps = 1};
}

int step_model_settle(struct step_model *model, struct mu_agent_core *core)
{
        int64_t command = last_command(core, model->last_command);
        int64_t answered = model->steps;

        if (is_as(core, model, command))
                return 0;
        step_model_next(model);
        if (!is_as(core, model, command))
                fail_msg("neither as before step %" PRId64 " nor as after it", answered);
        return 1;
}
