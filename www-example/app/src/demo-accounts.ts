/** The one password of the accounts that the backend's scripts/demo-accounts.mjs made; empty where each has its own. */
export const DEMO_PASSWORD = import.meta.env.NEXT_PUBLIC_DEMO_PASSWORD ?? ''

export const DEMO_ACCOUNTS = ['Ana', 'Ben', 'Cleo', 'Dan'].map((name) => ({
  name,
  email: `${name.toLowerCase()}@example.com`,
}))

/**
 * The account that the page was opened for, as in `/?as=ana`, and its password, as in `/?as=ana#password`. Taken out of the
 * address, so that signing out lasts and nobody reads it there.
 */
export function takeAccountFromAddress(): { email: string; password: string } | undefined {
  const address = new URL(location.href)
  const as = address.searchParams.get('as')?.toLowerCase()
  if (as === undefined) return undefined
  const password = decodeURIComponent(address.hash.slice(1)) || DEMO_PASSWORD
  address.searchParams.delete('as')
  address.hash = ''
  history.replaceState(null, '', address)
  const account = DEMO_ACCOUNTS.find(({ name }) => name.toLowerCase() === as)
  return account && password !== '' ? { email: account.email, password } : undefined
}
