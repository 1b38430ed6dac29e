// SPDX-License-Identifier: Apache-2.0
import { clsx, type ClassValue } from "clsx";
import { twMerge } from "tailwind-merge";

/** Class names; of two that set the same thing the last one wins. */
export function cn(...names: ClassValue[]): string {
  return twMerge(clsx(names));
}
