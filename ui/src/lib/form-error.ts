// SPDX-License-Identifier: Apache-2.0
import { ApiError } from "@/api/client";

/** What the appliance said of this field, in its words; null: it is fine, or the error is about something else. */
export const fieldError = (error: unknown, field: string): string | null =>
  error instanceof ApiError && error.field === field ? error.message : null;

/** Is there a field in the form that shows it? Else it is shown below the form. */
export const isOfField = (error: unknown, fields: readonly string[]): boolean =>
  error instanceof ApiError && error.field !== null && fields.includes(error.field);

/** Nothing has this id: it is gone, or never was, or it is no id at all. */
export const isUnknown = (error: unknown): boolean => error instanceof ApiError && [400, 404, 422].includes(error.status);
