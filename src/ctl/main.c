/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <stdio.h>

#include "ctl/ctl.h"

int main(int argc, char **argv)
{
        struct mu_ctl_globals globals = {0};
        struct mu_ctl_input input = {0};
        struct mu_ctl_problem problem;
        struct mu_ctl ctl;

        (void)setlocale(LC_CTYPE, "C.UTF-8");
        if (mu_ctl_parse(argc - 1, argv + 1, &globals, &input, &problem) < 0) {
                (void)fprintf(stderr, "musterctl: %s\n", problem.text);
                return MU_CTL_USAGE;
        }
        if (globals.help) {
                if (input.verb)
                        mu_ctl_help_verb(input.verb);
                else
                        mu_ctl_help_group(argc > 1 ? argv[1] : "");
                return MU_CTL_OK;
        }
        int code = mu_ctl_open(&globals, &ctl);

        if (code == MU_CTL_OK)
                code = mu_ctl_run(&ctl, &input);
        mu_ctl_close(&ctl);
        mu_ctl_input_done(&input);
        return code;
}
