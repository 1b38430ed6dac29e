// SPDX-License-Identifier: Apache-2.0
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Compass, Lock } from "lucide-react";
import { lazy, useEffect, useState } from "react";
import { createBrowserRouter, Link, Navigate, RouterProvider, useLocation } from "react-router";
import { ApiError } from "@/api/client";
import { liveSocket } from "@/live/socket";
import { RESET_PATH, SignInPage } from "@/pages/sign-in";
import { AwayPage } from "@/pages/sign-in/away";
import { currentSession, useMay, useSession } from "@/session/session";
import { Button } from "@/ui/button";
import { Spinner } from "@/ui/spinner";
import { Empty } from "@/ui/states";
import { Toaster } from "@/ui/toast";
import { TooltipProvider } from "@/ui/tooltip";
import { Broken } from "./broken";
import { FromTheTop } from "./from-the-top";
import { PAGES, type Page } from "./nav";
import { recover } from "./recovery";
import { Shell } from "./shell";

const DevicePage = lazy(() => import("@/pages/device"));
const KitPage = import.meta.env.DEV ? lazy(() => import("@/pages/kit")) : null;

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      refetchOnWindowFocus: false, // the live channel says what changed
      retry: (tries, error) => tries < 2 && error instanceof ApiError && error.status === 0,
    },
  },
});

function Guarded({ page }: { page: Page }) {
  const { user } = useSession();
  const may = useMay(page.role);
  if (may) return <page.component />;
  return (
    <Empty whole icon={Lock} title={`${page.label} is for ${page.role === "admin" ? "administrators" : "operators"}`}>
      You are signed in as {user?.username}, whose role is {user?.role}. Ask an administrator if you need it.
    </Empty>
  );
}

function NotFound() {
  const { pathname } = useLocation();
  return (
    <Empty
      whole
      icon={Compass}
      title="There is no such page"
      action={
        <Button variant="primary" asChild>
          <Link to="/">To the overview</Link>
        </Button>
      }
    >
      Nothing is at <code className="font-mono text-xs break-all">{pathname}</code>.
    </Empty>
  );
}

const router = createBrowserRouter([
  {
    element: <Shell />,
    children: [
      {
        element: <FromTheTop />,
        errorElement: <Broken />,
        children: [
          ...PAGES.map((page) => ({ path: page.path === "/" ? "/" : `${page.path}/*`, element: <Guarded page={page} /> })),
          { path: "/devices/:id/*", element: <DevicePage /> },
          ...(KitPage ? [{ path: "/kit", element: <KitPage /> }] : []),
          { path: RESET_PATH, element: <Navigate to="/" replace /> },
          { path: "*", element: <NotFound /> },
        ],
      },
    ],
  },
]);

function SignedIn() {
  useEffect(() => {
    const stopRecovery = recover(queries);
    liveSocket.start();
    return () => {
      stopRecovery();
      liveSocket.stop();
      queries.clear();
      // Who went by choice leaves no page for the next person; whose session ended comes back to it.
      const { state, reason } = currentSession();
      if (state === "signed-out" && reason === null) void router.navigate("/", { replace: true });
    };
  }, []);
  return <RouterProvider router={router} />;
}

export function App() {
  const { state } = useSession();
  // The address of a reset is about an account, not about who happens to be signed in here.
  const [resetting, setResetting] = useState(() => window.location.pathname === RESET_PATH);
  const outside = state === "signed-out" || (state === "signed-in" && resetting);
  return (
    <QueryClientProvider client={queries}>
      <TooltipProvider delayDuration={250}>
        {state === "starting" && (
          <div className="grid min-h-dvh place-items-center text-ink-3">
            <Spinner className="size-6" />
          </div>
        )}
        {state === "away" && <AwayPage />}
        {outside && <SignInPage onReset={() => setResetting(false)} />}
        {state === "signed-in" && !resetting && <SignedIn />}
        <Toaster />
      </TooltipProvider>
    </QueryClientProvider>
  );
}
