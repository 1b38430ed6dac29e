/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_curl.h"
