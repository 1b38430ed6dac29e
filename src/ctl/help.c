/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "ctl/verb.h"

enum { VERB_COLUMN = 34, OPTION_COLUMN = 24 };

static const char GLOBAL_HELP[] =
        "Anywhere:\n"
        "  --json                 the reply as JSON\n"
        "  --all                  every page of a list, not only the first\n"
        "  --yes                  do not ask before what can't be undone\n"
        "  --url URL              the appliance (also MUSTER_URL; else where you signed in)\n"
        "  --token-file FILE      as an API token (also MUSTER_TOKEN_FILE)\n"
        "  --admin-key-file FILE  with the admin key (also MUSTER_ADMIN_KEY_FILE)\n"
        "  --ca-file FILE         trust these certificates instead of the system's\n"
        "\n"
        "Exit status: 0 done, 1 refused, 2 wrong usage, 3 unreachable, 4 not signed in,\n"
        "5 the command or check failed, 6 it was not waited out. Of doctor: 1 to look at,\n"
        "2 wrong.\n";

/* Text behind it in a column of its own: on the next line where the words reach into that. */
static void print_words(const char *words, int column)
{
        if ((int)strlen(words) <= column)
                (void)printf("  %-*s ", column, words);
        else
                (void)printf("  %s\n  %*s ", words, column, "");
}

static void print_line(const struct mu_ctl_verb *verb)
{
        char words[96];
        int chars = snprintf(words, sizeof(words), "%s", verb->words);

        for (size_t i = 0; i < MU_CTL_OPTIONS_MAX && verb->options[i].name; i++) {
                const struct mu_ctl_option *option = &verb->options[i];

                if (option->name[0] == '-' || chars < 0 || (size_t)chars >= sizeof(words))
                        continue;
                chars += snprintf(words + chars, sizeof(words) - (size_t)chars,
                                  option->required ? " %s" : " [%s]", option->name);
        }
        print_words(words, VERB_COLUMN);
        (void)printf("%s\n", verb->summary);
}

static size_t print_group(const char *group)
{
        size_t chars = strlen(group);
        size_t found = 0;

        for (size_t i = 0; i < mu_ctl_verb_count; i++) {
                if (strncmp(mu_ctl_verbs[i].words, group, chars) == 0 &&
                    (mu_ctl_verbs[i].words[chars] == ' ' || !mu_ctl_verbs[i].words[chars])) {
                        print_line(&mu_ctl_verbs[i]);
                        found++;
                }
        }
        return found;
}

/* "devices list" and "devices show"; words that stand alone are a group too. */
static bool same_group(const char *words, const char *others)
{
        size_t chars = strcspn(words, " ");

        if (!words[chars])
                return !strchr(others, ' ');
        return strncmp(words, others, chars + 1) == 0;
}

void mu_ctl_help(void)
{
        (void)printf("musterctl - watches and steers a Muster appliance from the command line\n\n"
                     "  musterctl login --url https://HOST:8443\n"
                     "  musterctl devices list --status silent\n"
                     "  musterctl commands send 42 ping --wait\n\n");
        for (size_t i = 0; i < mu_ctl_verb_count; i++) {
                if (i > 0 && !same_group(mu_ctl_verbs[i - 1].words, mu_ctl_verbs[i].words))
                        (void)printf("\n");
                print_line(&mu_ctl_verbs[i]);
        }
        (void)printf("\nmusterctl COMMAND --help says what a command takes.\n\n%s", GLOBAL_HELP);
}

void mu_ctl_help_group(const char *group)
{
        bool known = false;

        for (size_t i = 0; i < mu_ctl_verb_count; i++) {
                size_t chars = strcspn(mu_ctl_verbs[i].words, " ");

                known = known || (strlen(group) == chars &&
                                  memcmp(group, mu_ctl_verbs[i].words, chars) == 0);
        }
        if (!known) {
                mu_ctl_help();
                return;
        }
        (void)print_group(group);
        (void)printf("\n%s", GLOBAL_HELP);
}

void mu_ctl_help_verb(const struct mu_ctl_verb *verb)
{
        static const char *const VALUES[] = {
                [MU_CTL_TEXT] = " TEXT",
                [MU_CTL_INTEGER] = " N",
                [MU_CTL_DURATION] = " 5m",
                [MU_CTL_TIME] = " TIME",
                [MU_CTL_FLAG] = "",
                [MU_CTL_SETTING] = " N|yes|no|default",
                [MU_CTL_LIST] = " TEXT",
                [MU_CTL_JSON] = " JSON|@FILE",
                [MU_CTL_FILE] = " FILE",
                [MU_CTL_NEW_PASSWORD] = " FILE",
                [MU_CTL_OLD_PASSWORD] = " FILE",
        };

        (void)printf("musterctl %s - %s\n\n", verb->words, verb->summary);
        for (size_t i = 0; i < MU_CTL_OPTIONS_MAX && verb->options[i].name; i++) {
                const struct mu_ctl_option *option = &verb->options[i];
                char name[64];

                (void)snprintf(name, sizeof(name), "%s%s", option->name,
                               option->name[0] == '-' ? VALUES[option->value] : "");
                print_words(name, OPTION_COLUMN);
                (void)printf("%s%s%s\n", option->help,
                             option->value == MU_CTL_LIST ? " May be repeated." : "",
                             option->required ? " Required." : "");
        }
        (void)printf("\n%s", GLOBAL_HELP);
}
