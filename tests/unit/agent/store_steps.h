/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_steps.h - steps on queue, book and facts that the number of each decides, and what must be
 * there after so many of them: for the tests that end the store in the middle of one.
 */
#ifndef TESTS_UNIT_AGENT_STORE_STEPS_H
#define TESTS_UNIT_AGENT_STORE_STEPS_H

#include <stddef.h>
#include <stdint.h>

#include "fake_platform.h"

enum { STEP_HELD_MAX = 400, STEP_BODY_BYTES_MAX = 20000 };

struct step_held {
        int64_t key;
        size_t bytes;
        bool frozen;
};

/* What must be there after so many steps. */
struct step_model {
        int64_t steps;
        int64_t fact;         /* 0: none */
        int64_t last_command; /* 0: none */
        int64_t seq;
        size_t count[2];
        struct step_held held[2][STEP_HELD_MAX];
};

/* Step number on the core: 0 or the error of what it asked for. body: STEP_BODY_BYTES_MAX. */
int step_do(struct mu_agent_core *core, int64_t number, char *body);

void step_model_init(struct step_model *ret_model);
/* The model, one step further. */
void step_model_next(struct step_model *model);
/* Fails the test unless the core holds what the model says, or what it says one step further: then
 * it takes that step. 1 where it did. */
int step_model_settle(struct step_model *model, struct mu_agent_core *core);

#endif
