// SPDX-License-Identifier: Apache-2.0
import { useEffect, useState } from "react";
import { FirstPasswordForm, ForgottenForm, ResetForm, SignInForm } from "./sign-in/forms";

type Step = "sign-in" | "forgotten" | "reset" | "first";

export const RESET_PATH = "/reset";

/** The address in a reset mail ends with #code: a part that no server and no proxy's log gets to see. */
function codeOfAddress(): string {
  if (window.location.pathname !== RESET_PATH) return "";
  const code = window.location.hash.slice(1);
  try {
    return decodeURIComponent(code);
  } catch {
    return code; // not as we wrote it: the appliance will say so
  }
}

/** onReset: the way out of a reset whose address was opened. */
export function SignInPage({ onReset }: { onReset?: () => void }) {
  const [code] = useState(codeOfAddress);
  const [step, setStep] = useState<Step>(() => (window.location.pathname === RESET_PATH ? "reset" : "sign-in"));
  const [note, setNote] = useState<string | null>(null);
  const [old, setOld] = useState("");

  useEffect(() => {
    document.title = "Sign in · Muster";
    if (window.location.pathname === RESET_PATH) window.history.replaceState(null, "", "/"); // nor shall the history keep it
  }, []);

  const back = () => {
    setStep("sign-in");
    onReset?.();
  };
  const done = () => {
    setNote("Your password is set. Sign in with it.");
    back();
  };
  const first = (password: string) => {
    setOld(password);
    setStep("first");
  };
  if (step === "forgotten") return <ForgottenForm onCode={() => setStep("reset")} onBack={back} />;
  if (step === "reset") return <ResetForm code={code} onDone={done} onBack={back} />;
  if (step === "first") return <FirstPasswordForm old={old} />;
  return <SignInForm note={note} onForgotten={() => setStep("forgotten")} onFirst={first} />;
}
