/* SPDX-License-Identifier: Apache-2.0 */
#include "core/clock_sync.h"
