// SPDX-License-Identifier: Apache-2.0
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { lazy, useEffect } from "react";
import { CircleAlert } from "lucide-react";
import { createBrowserRouter, Navigate, RouterProvider, useRouteError } from "react-router";
import { ApiError } from "@/api/client";
import { liveSocket } from "@/live/socket";
import { SignInPage } from "@/pages/sign-in";
import { useMay, useSession } from "@/session/session";
import { Button } from "@/ui/button";
import { Spinner } from "@/ui/spinner";
import { Empty } from "@/ui/states";
import { Toaster } from "@/ui/toast";
import { TooltipProvider } from "@/ui/tooltip";
import { PAGES, type Page } from "./nav";
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
  if (!useMay(page.role)) return <Empty title="This page is for other roles">Ask an administrator if you need it.</Empty>;
  return <page.component />;
}

/** Most likely a part of the page that is gone: the appliance was upgraded while this page was open. */
function Broken() {
  const error = useRouteError();
  const detail = error instanceof Error ? error.message : String(error);
  return (
    <Empty
      icon={CircleAlert}
      title="This page could not be shown"
      action={
        <Button variant="primary" onClick={() => location.reload()}>
          Load it again
        </Button>
      }
    >
      If the appliance was upgraded meanwhile, loading it again is all it needs.
      <p className="mt-2 font-mono text-xs text-ink-3">{detail}</p>
    </Empty>
  );
}

const router = createBrowserRouter([
  {
    element: <Shell />,
    children: [
      {
        errorElement: <Broken />,
        children: [
          ...PAGES.map((page) => ({ path: page.path === "/" ? "/" : `${page.path}/*`, element: <Guarded page={page} /> })),
          { path: "/devices/:id/*", element: <DevicePage /> },
          ...(KitPage ? [{ path: "/kit", element: <KitPage /> }] : []),
          { path: "*", element: <Navigate to="/" replace /> },
        ],
      },
    ],
  },
]);

function SignedIn() {
  useEffect(() => {
    liveSocket.start();
    return () => {
      liveSocket.stop();
      queries.clear();
    };
  }, []);
  return <RouterProvider router={router} />;
}

export function App() {
  const { state } = useSession();
  return (
    <QueryClientProvider client={queries}>
      <TooltipProvider delayDuration={250}>
        {state === "starting" && (
          <div className="grid min-h-dvh place-items-center text-ink-3">
            <Spinner className="size-6" />
          </div>
        )}
        {state === "signed-out" && <SignInPage />}
        {state === "signed-in" && <SignedIn />}
        <Toaster />
      </TooltipProvider>
    </QueryClientProvider>
  );
}
