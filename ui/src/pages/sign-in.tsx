// SPDX-License-Identifier: Apache-2.0
export function SignInPage() {
  return null;
}
