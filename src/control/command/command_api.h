/* SPDX-License-Identifier: Apache-2.0 */
/* command_api.h - the operations of commands: for operators, for many at once, for devices. */
#ifndef MUSTER_CONTROL_COMMAND_COMMAND_API_H
#define MUSTER_CONTROL_COMMAND_COMMAND_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_command_endpoints;
extern const struct mu_endpoints mu_command_bulk_endpoints;
extern const struct mu_endpoints mu_command_device_endpoints;

#endif
