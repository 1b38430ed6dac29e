// SPDX-License-Identifier: Apache-2.0
import { KeyRound, X } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";
import { useSession } from "@/session/session";
import { Button } from "@/ui/button";

const KEY = "muster.password-advice-dismissed-by";

/** The password was chosen by somebody else: said until it is changed, or for this visit dismissed. */
export function PasswordAdvice() {
  const { user, passwordChangeAdvised } = useSession();
  const [dismissed, setDismissed] = useState(() => sessionStorage.getItem(KEY));
  if (dismissed === user?.id || !(passwordChangeAdvised || user?.password_change_advised)) return null;
  const dismiss = () => {
    if (!user) return;
    sessionStorage.setItem(KEY, user.id);
    setDismissed(user.id);
  };
  return (
    <div role="status" className="flex items-center gap-3 border-b border-line bg-warn-soft px-4 py-1.5 text-sm lg:px-6">
      <KeyRound className="size-4 shrink-0 text-warn" aria-hidden />
      <p className="min-w-0 grow">
        Your password was chosen by somebody else.{" "}
        <Link to="/settings#password" className="font-medium underline underline-offset-2">
          Choose your own
        </Link>
      </p>
      <Button variant="ghost" size="icon-sm" aria-label="Dismiss" onClick={dismiss}>
        <X />
      </Button>
    </div>
  );
}
