// SPDX-License-Identifier: Apache-2.0
import { useCallback } from "react";
import { useSearchParams } from "react-router";

/** What a drawer shows is part of the address: it can be sent to somebody, and Back closes it. */
export function useOpened(name: string): [id: string | null, open: (id: string | null) => void] {
  const [search, setSearch] = useSearchParams();
  const open = useCallback(
    (id: string | null) =>
      setSearch(
        (was) => {
          const next = new URLSearchParams(was);
          if (id) next.set(name, id);
          else next.delete(name);
          return next;
        },
        { replace: id === null },
      ),
    [name, setSearch],
  );
  return [search.get(name), open];
}
