// SPDX-License-Identifier: Apache-2.0
import { useQuery } from "@tanstack/react-query";
import { BookOpen, FileJson, Keyboard } from "lucide-react";
import { api } from "@/api/client";
import { openKeyHelp } from "@/app/palette";
import { Button } from "@/ui/button";
import { Fact, Facts } from "@/ui/stat";

export function About() {
  const { data } = useQuery({ queryKey: ["health"], queryFn: ({ signal }) => api.get("/health", { signal }), staleTime: 300_000 });
  return (
    <>
      <Facts className="p-4 sm:p-5">
        <Fact label="Appliance">Muster {data?.version ?? "…"}</Fact>
        <Fact label="Address">{window.location.origin}</Fact>
        <Fact label="Time zone">{Intl.DateTimeFormat().resolvedOptions().timeZone} (this browser's; times are shown in it)</Fact>
        <Fact label="Licence">Apache-2.0</Fact>
      </Facts>
      <footer className="flex flex-wrap gap-2 border-t border-line bg-surface-2/50 px-4 py-3 sm:px-5">
        <Button size="sm" asChild>
          <a href="/api/docs" target="_blank" rel="noopener">
            <BookOpen aria-hidden /> API documentation
          </a>
        </Button>
        <Button size="sm" asChild>
          <a href="/api/openapi.json" target="_blank" rel="noopener">
            <FileJson aria-hidden /> OpenAPI description
          </a>
        </Button>
        <Button size="sm" onClick={openKeyHelp}>
          <Keyboard /> Keys
        </Button>
      </footer>
    </>
  );
}
