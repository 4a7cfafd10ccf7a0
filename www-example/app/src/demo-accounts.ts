/** The accounts that the backend's scripts/seed.mjs makes. */
export const DEMO_PASSWORD = 'chopped-demo'

export const DEMO_ACCOUNTS = ['Ana', 'Ben', 'Cleo', 'Dan'].map((name) => ({
  name,
  email: `${name.toLowerCase()}@example.com`,
}))

/** The account that the page was opened for, as in `/?as=ana`. Taken out of the address, so that signing out lasts. */
export function takeAccountFromAddress(): (typeof DEMO_ACCOUNTS)[number] | undefined {
  const address = new URL(location.href)
  const as = address.searchParams.get('as')?.toLowerCase()
  if (as === undefined) return undefined
  address.searchParams.delete('as')
  history.replaceState(null, '', address)
  return DEMO_ACCOUNTS.find(({ name }) => name.toLowerCase() === as)
}
