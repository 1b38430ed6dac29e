/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stddef.h>

#include "outcome.h"
#include "run.h"
#include "session.h"

static void on_signal(int number)
{
        (void)number;
        mu_lg_run_interrupt();
}

int main(int argc, char **argv)
{
        struct sigaction action = {.sa_handler = on_signal};
        struct mu_lg_options options;
        int r = mu_lg_options_parse(argc, argv, &options);

        if (r != 0)
                return r > 0 ? MU_LG_EXIT_OK : MU_LG_EXIT_USAGE;
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        int code = mu_lg_session(&options);

        mu_lg_options_done(&options);
        return code;
}
