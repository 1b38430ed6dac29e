/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status_private.h - what status.c and status_command.c share: where the socket is.
 *
 * A path may be longer than a socket's name: an open descriptor of the directory stands for it, and
 * the caller closes that after bind or connect.
 */
#ifndef MUSTER_AGENT_LINUX_STATUS_PRIVATE_H
#define MUSTER_AGENT_LINUX_STATUS_PRIVATE_H

#include <sys/un.h>

#include "muster/compiler.h"

MU_MUST_CHECK
int mu_status_place(const char *directory, int *ret_directory, struct sockaddr_un *ret_address);

#endif
