// SPDX-License-Identifier: Apache-2.0
import { useLayoutEffect, useRef } from "react";
import { Outlet, useLocation, useNavigationType } from "react-router";

/** A page's tabs and drawers are parts of it; each device is a page. */
export const pageOf = (pathname: string): string =>
  pathname.split("/").slice(0, pathname.startsWith("/devices/") ? 3 : 2).join("/");

/** Who follows a link sees the new page from its top; Back and Forward are the browser's, which knows where one was. */
export function FromTheTop() {
  const { pathname, hash } = useLocation();
  const how = useNavigationType();
  const page = pageOf(pathname);
  const before = useRef(page);
  useLayoutEffect(() => {
    if (before.current === page) return;
    before.current = page;
    if (how !== "POP" && hash === "") window.scrollTo(0, 0);
  }, [page, how, hash]);
  return <Outlet />;
}
