// SPDX-License-Identifier: Apache-2.0
import { expect, it, vi } from "vitest";
import { SavedViews } from "./saved-views";

function storage(initial?: string) {
  const kept = new Map<string, string>(initial === undefined ? [] : [["k", initial]]);
  return { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value), kept };
}

it("keeps views by name, in order, and tells who listens", () => {
  const where = storage();
  const views = new SavedViews("k", where);
  const heard = vi.fn();
  views.subscribe(heard);
  views.save("Silent", "status=silent");
  views.save(" Low battery ", "battery_below=15");
  views.save("Silent", "status=silent&site=Graz");
  expect(views.list()).toEqual([
    { name: "Low battery", search: "battery_below=15" },
    { name: "Silent", search: "status=silent&site=Graz" },
  ]);
  expect(heard).toHaveBeenCalledTimes(3);
  expect(new SavedViews("k", where).list()).toEqual(views.list());
  views.remove("Silent");
  expect(new SavedViews("k", where).list()).toHaveLength(1);
});

it("begins anew with what it can't read", () => {
  expect(new SavedViews("k", storage("{nonsense")).list()).toEqual([]);
  expect(new SavedViews("k", storage('{"a":1}')).list()).toEqual([]);
  expect(new SavedViews("k", storage('[{"name":"a"},{"name":"b","search":""}]')).list()).toEqual([{ name: "b", search: "" }]);
});

it("refuses a view without a name, and more than there is room for", () => {
  const views = new SavedViews("k", storage());
  expect(() => views.save("  ", "")).toThrow("name");
  for (let i = 0; i < 50; i++) views.save(`view ${i}`, "");
  expect(() => views.save("one more", "")).toThrow("50");
  views.save("view 7", "status=late");
  expect(views.list().find((view) => view.name === "view 7")?.search).toBe("status=late");
});

it("gives a view another name, but not one that is taken", () => {
  const views = new SavedViews("k", storage());
  views.save("a", "status=late");
  views.save("b", "status=silent");
  expect(() => views.rename("a", "b")).toThrow("called b already");
  expect(() => views.rename("a", " ")).toThrow("name");
  views.rename("a", " c ");
  views.rename("b", "b");
  expect(views.list()).toEqual([
    { name: "b", search: "status=silent" },
    { name: "c", search: "status=late" },
  ]);
});
