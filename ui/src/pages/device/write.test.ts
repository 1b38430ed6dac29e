// SPDX-License-Identifier: Apache-2.0
import { beforeEach, expect, it, vi } from "vitest";
import { api, ApiError } from "@/api/client";
import { writeDevice } from "./write";

const spies = () => ({ read: vi.spyOn(api, "tagged"), write: vi.spyOn(api, "patch") });
let { read, write } = spies();
const refusal = () => new ApiError(412, "changed-meanwhile", "Somebody changed this device since you read it.");

beforeEach(() => {
  ({ read, write } = spies());
});

const device = (notes: string) => ({ notes }) as never;

it("writes to what it has read, and no other", async () => {
  read.mockResolvedValueOnce({ value: device("old"), etag: '"1"' });
  write.mockResolvedValueOnce(device("mine"));
  expect(await writeDevice("7", { notes: "mine" }, (now) => now.notes === "old")).toEqual({ done: true, device: { notes: "mine" } });
  expect(write).toHaveBeenCalledWith("/admin/devices/{id}", { path: { id: "7" }, body: { notes: "mine" }, ifMatch: '"1"' });
});

it("looks again when it is refused, and leaves what somebody else wrote", async () => {
  read.mockResolvedValueOnce({ value: device("old"), etag: '"1"' }).mockResolvedValueOnce({ value: device("theirs"), etag: '"2"' });
  write.mockRejectedValueOnce(refusal());
  expect(await writeDevice("7", { notes: "mine" }, (now) => now.notes === "old")).toEqual({ done: false, device: { notes: "theirs" } });
  expect(write).toHaveBeenCalledTimes(1);
});

it("gives up in the appliance's words where somebody writes all the time; what else is wrong is not tried again", async () => {
  read.mockResolvedValue({ value: device("old"), etag: '"1"' });
  write.mockImplementation(() => Promise.reject(refusal()));
  await expect(writeDevice("7", { notes: "mine" }, () => true)).rejects.toThrow("Somebody changed this device");
  expect(write).toHaveBeenCalledTimes(3);
  write.mockReset();
  write.mockRejectedValueOnce(new ApiError(403, "role", "An operator may."));
  await expect(writeDevice("7", { notes: "mine" }, () => true)).rejects.toThrow("An operator may.");
  expect(write).toHaveBeenCalledTimes(1);
});
