/* SPDX-License-Identifier: Apache-2.0 */
#include "pg/copy_in.h"

#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the put functions swap bytes");

enum { ROOM_BYTES_MIN = 64 * 1024 };

void mu_copy_in_init(struct mu_copy_in *buffer)
{
        *buffer = (struct mu_copy_in){0};
}

void mu_copy_in_done(struct mu_copy_in *buffer)
{
        free(buffer->data);
        mu_copy_in_init(buffer);
}

int mu_copy_in_preallocate(struct mu_copy_in *buffer, size_t room_bytes)
{
        if (room_bytes <= buffer->room_bytes)
                return 0;
        uint8_t *data = realloc(buffer->data, room_bytes);

        if (!data)
                return -ENOMEM;
        buffer->data = data;
        buffer->room_bytes = room_bytes;
        return 0;
}

int mu_copy_in_grow(struct mu_copy_in *buffer, size_t bytes)
{
        MU_ASSERT(bytes <= SIZE_MAX / 4 && buffer->room_bytes <= SIZE_MAX / 4);
        size_t room_bytes = buffer->room_bytes * 2;
        size_t needed_bytes = buffer->used_bytes + bytes;

        room_bytes = room_bytes < ROOM_BYTES_MIN ? ROOM_BYTES_MIN : room_bytes;
        room_bytes = room_bytes < needed_bytes ? needed_bytes : room_bytes;
        return mu_copy_in_preallocate(buffer, room_bytes);
}

uint8_t *mu_copy_header(uint8_t *at)
{
        /* Signature, no flags (no OIDs), no header extension. */
        static const uint8_t header[MU_COPY_HEADER_BYTES] = "PGCOPY\n\377\r\n";

        memcpy(at, header, sizeof(header));
        return at + sizeof(header);
}
