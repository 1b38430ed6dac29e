/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup_tool.h - musterd as the program that makes backups, puts them back and tries them.
 *
 *   musterd backup DIR [--kind K] [--by WHO]
 *   musterd backup-check DIR
 *   musterd restore FROM [--identity FILE] [--replace [--without-journal]]
 *   musterd doctor
 *
 * With musterd's own settings behind (--data-dir, --config, the environment). A process of its own,
 * beside the running daemon or without it: started by a person (musterctl hands over to it), or by
 * the jobs. It says how it goes on standard error, a sentence a line, and its result on standard
 * output: a sentence, or one JSON object with --json.
 *
 * Threads    it is the process's only one. Errors: the exit code: 0 done, 1 not, 2 called wrongly;
 * backup-check: 3 for a backup that is not good.
 */
#ifndef MUSTER_APP_BACKUP_TOOL_H
#define MUSTER_APP_BACKUP_TOOL_H

#include <stdbool.h>

#include "app/config.h"
#include "muster/compiler.h"

struct mu_backup_config;

/* Is the first argument one of these words? */
bool mu_backup_tool_is(int argc, char **argv);
int mu_backup_tool(int argc, char **argv, char **environment);

#endif
