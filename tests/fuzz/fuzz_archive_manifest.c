/* SPDX-License-Identifier: Apache-2.0 */
/* A manifest from anybody: refused with a sentence, or exactly what would be written. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "archive/manifest.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
        struct mu_archive_manifest *manifest = NULL;
        char detail[MU_ARCHIVE_DETAIL_BYTES] = "";
        struct mu_text text;
        int code = mu_archive_manifest_decode((const char *)data, bytes, &manifest, detail);

        if (code < 0) {
                MU_ASSERT(!manifest && code == -EBADMSG && *detail);
                return 0;
        }
        MU_ASSERT(manifest->part_count <= MU_ARCHIVE_PARTS_MAX && manifest->column_count > 0);
        mu_text_init(&text);
        mu_archive_manifest_encode(manifest, &text);
        MU_ASSERT(mu_text_status(&text) == 0 && text.bytes == bytes);
        MU_ASSERT(memcmp(text.data, data, bytes) == 0);
        mu_text_done(&text);
        mu_archive_manifest_free(manifest);
        return 0;
}
