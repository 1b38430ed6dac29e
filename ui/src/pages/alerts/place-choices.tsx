// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api } from "@/api/client";
import { Choice } from "./filters";

const LONG_MS = 5 * 60_000;

export function useTags(): string[] {
  const query = useQuery({ queryKey: ["tags"], queryFn: ({ signal }) => api.get("/admin/tags", { signal }), staleTime: LONG_MS });
  return useMemo(() => (query.data?.tags ?? []).map((tag) => tag.name).toSorted((a, b) => a.localeCompare(b)), [query.data]);
}

export function useSites(): string[] {
  const query = useQuery({ queryKey: ["sites"], queryFn: ({ signal }) => api.get("/admin/sites", { signal }), staleTime: LONG_MS });
  return useMemo(() => (query.data?.sites ?? []).map((site) => site.name).toSorted((a, b) => a.localeCompare(b)), [query.data]);
}

interface Props {
  value: string | undefined;
  onChange: (value: string) => void;
  any?: string;
}

/** What is chosen stays a choice, also when nothing has that name any more. */
const options = (names: string[], value: string | undefined) =>
  (value && !names.includes(value) ? [value, ...names] : names).map((name) => [name, name] as const);

export const TagChoice = ({ any = "Any tag", ...props }: Props) => (
  <Choice label="Tag" any={any} options={options(useTags(), props.value)} {...props} />
);
export const SiteChoice = ({ any = "Any site", ...props }: Props) => (
  <Choice label="Site" any={any} options={options(useSites(), props.value)} {...props} />
);
