// SPDX-License-Identifier: Apache-2.0
/** Short names for what the API describes. */
import type { components } from "./schema";

export type Schemas = components["schemas"];
export type Schema<Name extends keyof Schemas> = Schemas[Name];
