// SPDX-License-Identifier: Apache-2.0
/** What each tab of the page gets. */
export interface PlaceProps {
  openIncident: (id: string | null) => void;
}
