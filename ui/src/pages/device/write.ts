// SPDX-License-Identifier: Apache-2.0
/** A change of a device that overwrites nothing which its writer has not seen. */
import { api, ApiError } from "@/api/client";
import type { Schema } from "@/api/types";

type Detail = Schema<"DeviceDetail">;

export interface Written {
  /** False: somebody wrote the same since, and nothing was done. */
  done: boolean;
  /** As it is now. */
  device: Detail;
}

const TURNS_MAX = 3;

export const isChangedMeanwhile = (error: unknown): error is ApiError => error instanceof ApiError && error.status === 412;

/**
 * `mayReplace`: is what the change is about still as its writer saw it? Asked of the device as it is; what is
 * written between that answer and ours, the appliance refuses (If-Match), and it is asked again: somebody who
 * changed the tags is not in the way of a new name.
 */
export async function writeDevice(id: string, body: Schema<"DeviceChange">, mayReplace: (now: Detail) => boolean): Promise<Written> {
  const path = { id };
  for (let turn = 1; ; turn++) {
    const now = await api.tagged("get", "/admin/devices/{id}", { path });
    if (!mayReplace(now.value)) return { done: false, device: now.value };
    try {
      return { done: true, device: await api.patch("/admin/devices/{id}", { path, body, ifMatch: now.etag }) };
    } catch (error) {
      if (turn === TURNS_MAX || !isChangedMeanwhile(error)) throw error;
    }
  }
}
