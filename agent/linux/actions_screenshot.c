/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "core/base64.h"
#include "linux/actions_private.h"

enum {
        IMAGE_BYTES_MAX = 46 * 1024, /* in base64 and JSON it stays below a result's 64 KiB */
        CAPTURE_MS = 15000,
        NOTICE_MS = 5000,
        ARGUMENTS_MAX = 9,
        REASON_BYTES = 1024,
};

/* Each later one is smaller: the first that fits is sent. */
struct capture {
        const char *tool;
        const char *variable; /* of the desktop that it needs */
        const char *arguments[ARGUMENTS_MAX];
};

static const struct capture CAPTURES[] = {
        {"grim", "WAYLAND_DISPLAY", {"-t", "jpeg", "-q", "50", "-s", "0.5", "-"}},
        {"grim", "WAYLAND_DISPLAY", {"-t", "jpeg", "-q", "40", "-s", "0.25", "-"}},
        {"grim", "WAYLAND_DISPLAY", {"-t", "jpeg", "-q", "30", "-s", "0.125", "-"}},
        {"import",
         "DISPLAY",
         {"-silent", "-window", "root", "-resize", "1280x1280>", "-quality", "50", "jpeg:-"}},
        {"import",
         "DISPLAY",
         {"-silent", "-window", "root", "-resize", "800x800>", "-quality", "40", "jpeg:-"}},
        {"import",
         "DISPLAY",
         {"-silent", "-window", "root", "-resize", "480x480>", "-quality", "30", "jpeg:-"}},
};

static bool is_usable(const struct mu_act *act, const struct capture *capture)
{
        char path[MU_MACHINE_PATH_BYTES];
        const char *value = getenv(capture->variable);

        return value && value[0] &&
               mu_machine_path(path, act->actions->root, "/usr/bin/%s", capture->tool) == 0 &&
               access(path, X_OK) == 0;
}

static void answer_image(struct mu_act *act, const struct mu_child_end *end)
{
        char *base64 = malloc(MU_AGENT_BASE64_CHARS(end->output_bytes) + 1), *result = NULL;

        if (base64) {
                mu_agent_base64_encode(end->output, end->output_bytes, base64);
                if (asprintf(&result,
                             "{\"media_type\":\"image/jpeg\",\"user_notified\":%s,"
                             "\"data\":\"%s\"}",
                             act->is_user_told ? "true" : "false", base64) < 0)
                        result = NULL;
        }
        free(base64);
        if (result)
                mu_act_done(act, result);
        else
                mu_act_fail(act, "There is no memory for the image.");
}

static void capture_next(struct mu_act *act);

static void captured(void *context, const struct mu_child_end *end)
{
        struct mu_act *act = context;
        const char *tool = CAPTURES[act->step].tool;

        if (end->overflowed) {
                act->step++;
                capture_next(act);
                return;
        }
        struct mu_child_end silent = *end; /* its output is an image, no sentence */

        silent.output_bytes = 0;
        if (!mu_act_tool_ended_well(act, tool, &silent))
                return;
        if (end->output_bytes == 0)
                mu_act_fail(act, "%s gave no image.", tool);
        else
                answer_image(act, end);
}

static void capture_next(struct mu_act *act)
{
        char path[MU_MACHINE_PATH_BYTES];
        struct mu_child_options options = {.program = path,
                                           .limit_ms = CAPTURE_MS,
                                           .output_max = IMAGE_BYTES_MAX,
                                           .for_desktop = true};
        int last = act->step - 1;

        while (act->step < (int)MU_COUNT_OF(CAPTURES) && !is_usable(act, &CAPTURES[act->step]))
                act->step++;
        if (act->step == (int)MU_COUNT_OF(CAPTURES)) {
                if (last >= 0)
                        mu_act_fail(act, "Even the smallest image is larger than %d KiB.",
                                    IMAGE_BYTES_MAX / 1024);
                else
                        mu_act_fail(act, "No desktop can be seen from here, or neither grim (for "
                                         "Wayland) nor import (of ImageMagick, for X11) is "
                                         "installed.");
                return;
        }
        const struct capture *capture = &CAPTURES[act->step];

        options.arguments = capture->arguments;
        int err = mu_machine_path(path, act->actions->root, "/usr/bin/%s", capture->tool);

        if (!err)
                err = mu_children_start(act->actions->children, &options, captured, act);
        if (err)
                mu_act_fail(act, "%s can't be run: %s.", capture->tool, strerror(-err));
}

static void user_told(void *context, const struct mu_child_end *end)
{
        struct mu_act *act = context;

        act->is_user_told = !end->timed_out && end->status == 0;
        capture_next(act);
}

/* The body of a notice may hold markup: the reason is to be read as it stands. */
static void escape(const char *text, char ret_text[REASON_BYTES])
{
        struct mu_text escaped;

        mu_text_init_fixed(&escaped, ret_text, REASON_BYTES);
        for (; *text; text++)
                if (*text == '<')
                        mu_text_add(&escaped, "&lt;");
                else if (*text == '&')
                        mu_text_add(&escaped, "&amp;");
                else
                        mu_text_add_bytes(&escaped, text, 1);
}

int mu_act_screenshot(struct mu_act *act, const json_t *payload)
{
        const char *reason = json_string_value(json_object_get(payload, "reason"));
        char path[MU_MACHINE_PATH_BYTES], body[REASON_BYTES];
        const char *const arguments[] = {"--app-name=Muster", "--",
                                         "Your administrator takes a screenshot", body, NULL};
        struct mu_child_options options = {.program = path,
                                           .arguments = arguments,
                                           .limit_ms = NOTICE_MS,
                                           .for_desktop = true};

        if (!act->actions->config->may_screenshot)
                return -EPERM;
        escape(reason ? reason : "No reason was given.", body);
        int err = mu_machine_path(path, act->actions->root, "/usr/bin/notify-send");

        if (!err)
                err = mu_children_start(act->actions->children, &options, user_told, act);
        if (err) /* not installed: the result says that nobody was told */
                capture_next(act);
        return 0;
}
