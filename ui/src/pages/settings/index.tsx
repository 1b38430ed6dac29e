// SPDX-License-Identifier: Apache-2.0
import { useQueryClient } from "@tanstack/react-query";
import { Monitor, Moon, Sun } from "lucide-react";
import { useEffect } from "react";
import { useLocation } from "react-router";
import { PageHeader } from "@/app/page-header";
import { setTheme, useTheme } from "@/app/theme";
import { useSession } from "@/session/session";
import { Segments } from "@/ui/select";
import { About } from "./about";
import { PasswordForm } from "./password";
import { Section } from "./section";
import { Sessions, SESSIONS_KEY } from "./sessions";
import { Subscription } from "./subscription";

function Theme() {
  const theme = useTheme();
  return (
    <div className="p-4 sm:p-5">
      <Segments
        label="Theme"
        value={theme}
        onChange={setTheme}
        options={[
          { value: "system", label: "As the system", icon: Monitor },
          { value: "light", label: "Light", icon: Sun },
          { value: "dark", label: "Dark", icon: Moon },
        ]}
      />
    </div>
  );
}

export default function SettingsPage() {
  const { user } = useSession();
  const { hash } = useLocation();
  const queries = useQueryClient();
  useEffect(() => {
    if (hash) document.getElementById(hash.slice(1))?.scrollIntoView();
  }, [hash]);
  return (
    <div className="max-w-5xl">
      <PageHeader
        title="Settings"
        hint={
          <>
            Signed in as <b className="font-medium text-ink">{user?.username}</b>, role {user?.role}
            {user?.email && `, ${user.email}`}.
          </>
        }
      />
      <div>
        <Section id="theme" title="Theme" hint="Of this browser.">
          <Theme />
        </Section>
        <Section id="password" title="Password" hint="Only you need to know it: nobody can read it, here or in a backup.">
          <PasswordForm onChanged={() => void queries.invalidateQueries({ queryKey: SESSIONS_KEY })} />
        </Section>
        <Section
          id="sessions"
          title="Sessions"
          hint="Where you are signed in. End those that you don't know, and change your password then."
        >
          <Sessions />
        </Section>
        <Section id="alerts" title="Alerts by mail" hint="For you alone. What all should hear goes through channels, under Alerts.">
          <Subscription />
        </Section>
        <Section id="about" title="About" hint="What this is, and how programs talk to it.">
          <About />
        </Section>
      </div>
    </div>
  );
}
