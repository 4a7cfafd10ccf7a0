import { createServerClient } from '@supabase/ssr'
import { createClient, type SupabaseClient } from '@supabase/supabase-js'
import { cookies, headers } from 'next/headers'
import { Refusal } from '@/lib/refusal'

/** The client of the caller's own session, which lives in cookies of this backend's host. */
export async function sessionClient(): Promise<SupabaseClient> {
  const jar = await cookies()
  const https = (await headers()).get('x-forwarded-proto')?.startsWith('https') ?? false
  return createServerClient(setting('NEXT_PUBLIC_SUPABASE_URL'), setting('NEXT_PUBLIC_SUPABASE_ANON_KEY'), {
    cookies: {
      getAll: () => jar.getAll(),
      setAll: (changed) => {
        for (const { name, value, options } of changed) jar.set(name, value, options)
      },
    },
    // No domain: the cookies stay with this host. No script reads them: a page gets its token from /api/chat/token.
    // Take httpOnly out if your pages also sign in with createBrowserClient.
    cookieOptions: { httpOnly: true, sameSite: 'lax', path: '/', secure: https },
  })
}

let admin: SupabaseClient | undefined

/** The client with the service role, which no policy restrains: call with it only what the caller was checked for. */
export function serviceClient(): SupabaseClient {
  admin ??= createClient(setting('NEXT_PUBLIC_SUPABASE_URL'), setting('SUPABASE_SERVICE_ROLE_KEY'), {
    auth: { persistSession: false, autoRefreshToken: false },
  })
  return admin
}

/** Read by name at run time: Next would otherwise freeze NEXT_PUBLIC_* into the build. */
function setting(name: string): string {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Refusal('setup-missing', `The backend needs the environment variable ${name}.`)
  return value
}
