const env = import.meta.env

export const SUPABASE_URL = env.NEXT_PUBLIC_SUPABASE_URL ?? ''
export const SUPABASE_ANON_KEY = env.NEXT_PUBLIC_SUPABASE_ANON_KEY ?? ''
export const BACKEND_URL = besideThisPage(env.NEXT_PUBLIC_BACKEND_URL ?? '')

/** The names of the variables that this build was made without. */
export const MISSING_SETTINGS = Object.entries({
  NEXT_PUBLIC_SUPABASE_URL: SUPABASE_URL,
  NEXT_PUBLIC_SUPABASE_ANON_KEY: SUPABASE_ANON_KEY,
  NEXT_PUBLIC_BACKEND_URL: env.NEXT_PUBLIC_BACKEND_URL,
}).flatMap(([name, value]) => (value ? [] : [name]))

/**
 * A local backend is called by the name that this page was opened with. localhost and 127.0.0.1 are two cookie jars:
 * so two people can chat in one browser.
 */
function besideThisPage(backend: string): string {
  if (!URL.canParse(backend)) return ''
  const url = new URL(backend)
  const isLocal = (host: string) => host === 'localhost' || host === '127.0.0.1'
  if (isLocal(url.hostname) && isLocal(location.hostname)) url.hostname = location.hostname
  return url.href.replace(/\/$/, '')
}
