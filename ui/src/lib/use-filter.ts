// SPDX-License-Identifier: Apache-2.0
import { useCallback, useMemo } from "react";
import { useSearchParams } from "react-router";

type Values<Name extends string> = Partial<Record<Name, string>>;

/** Does it leave anything out? */
export const isActive = (filter: object): boolean => Object.keys(filter).length > 0;

/**
 * A list's filters in the address: it can be sent to somebody. What is empty isn't in it. `set` changes
 * what it names and leaves the rest; `clear` empties all.
 */
export function useFilter<Name extends string>(
  names: readonly Name[],
): [filter: Values<Name>, set: (change: Values<Name>) => void, clear: () => void] {
  const [search, setSearch] = useSearchParams();
  const wanted = names.map((name) => search.get(name) ?? "").join("\n");
  const filter = useMemo(() => {
    const values = wanted.split("\n");
    const found: Values<Name> = {};
    names.forEach((name, index) => {
      const value = values[index];
      if (value) found[name] = value;
    });
    return found;
  }, [names, wanted]);
  const set = useCallback(
    (change: Values<Name>) =>
      setSearch(
        (was) => {
          const next = new URLSearchParams(was);
          for (const [name, value] of Object.entries(change) as [string, string | undefined][])
            if (value) next.set(name, value);
            else next.delete(name);
          return next;
        },
        { replace: true },
      ),
    [setSearch],
  );
  const clear = useCallback(() => set(Object.fromEntries(names.map((name) => [name, ""])) as Values<Name>), [names, set]);
  return [filter, set, clear];
}
