/* SPDX-License-Identifier: Apache-2.0 */
/* view_api.h - the views of the console's lists that people keep: /api/auth/me/views. */
#ifndef MUSTER_CONTROL_ACCOUNT_VIEW_API_H
#define MUSTER_CONTROL_ACCOUNT_VIEW_API_H

#include "control/endpoint.h"

extern const struct mu_endpoints mu_view_endpoints;

#endif
