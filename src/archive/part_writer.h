/* SPDX-License-Identifier: Apache-2.0 */
/*
 * part_writer.h - one file of a day: a COPY stream in, a zstd frame and its facts out.
 *
 *   create ─▶ write … ─▶ finish: synced, under its name, durable
 *                  └──── abandon: nothing is left
 *
 * Memory is flat: a window of 64 MiB, so that the same device's last row is still in sight, and
 * buffers. What is written is passed on to the disk as it comes and leaves the page cache after.
 *
 * Units      bytes.
 * Threads    one per writer.
 * Ownership  finish and abandon both end the writer, whatever finish returns.
 * Errors     -EBADMSG: the stream is not what COPY sends for that many columns; others of the file.
 */
#ifndef MUSTER_ARCHIVE_PART_WRITER_H
#define MUSTER_ARCHIVE_PART_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "archive/manifest.h"
#include "muster/compiler.h"

struct mu_archive_part_writer;

/* column: place of the one that the parent is parted by. */
MU_MUST_CHECK
int mu_archive_part_create(const char *directory, uint32_t number, uint16_t columns,
                           uint16_t column, struct mu_archive_part_writer **ret_writer);
MU_MUST_CHECK
int mu_archive_part_write(struct mu_archive_part_writer *writer, const void *data, size_t bytes);
MU_MUST_CHECK
int mu_archive_part_finish(struct mu_archive_part_writer *writer, struct mu_archive_part *ret_part);
void mu_archive_part_abandon(struct mu_archive_part_writer *writer); /* NULL is a no-op */

#endif
