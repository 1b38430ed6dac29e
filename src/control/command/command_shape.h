/* SPDX-License-Identifier: Apache-2.0 */
/* command_shape.h - what command_api*.c take and give (private to this folder). */
#ifndef MUSTER_CONTROL_COMMAND_COMMAND_SHAPE_H
#define MUSTER_CONTROL_COMMAND_COMMAND_SHAPE_H

#include "control/shape.h"

extern const struct mu_shape mu_command_order_shape;
extern const struct mu_shape mu_command_bulk_order_shape;
extern const struct mu_shape mu_command_confirm_shape;
extern const struct mu_shape mu_command_bulk_confirm_shape;
extern const struct mu_shape mu_command_query_shape;

extern const struct mu_shape mu_command_list_shape;
extern const struct mu_shape mu_command_detail_shape;
extern const struct mu_shape mu_command_bulk_made_shape;
extern const struct mu_shape mu_command_bulk_shape;
extern const struct mu_shape mu_command_bulk_query_shape;
extern const struct mu_shape mu_command_bulk_list_shape;
extern const struct mu_shape mu_command_bulk_changed_shape;

#endif
