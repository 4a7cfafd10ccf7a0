import { createClient } from '@supabase/supabase-js'
import { WebSocket } from 'ws'

/** Supabase Auth's admin API, by NEXT_PUBLIC_SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY. */
export function authAdmin() {
  const url = process.env.NEXT_PUBLIC_SUPABASE_URL
  const key = process.env.SUPABASE_SERVICE_ROLE_KEY
  if (!url || !key) {
    console.error('Set NEXT_PUBLIC_SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY (dashboard: Settings, API keys).')
    process.exit(1)
  }
  const options = { auth: { persistSession: false, autoRefreshToken: false }, realtime: { transport: WebSocket } }
  return createClient(url, key, options).auth.admin
}

/** Every account of the project, page by page. */
export async function allUsers(admin) {
  const users = []
  for (let page = 1; ; page++) {
    const { data, error } = await admin.listUsers({ page, perPage: 1000 })
    if (error) throw error
    users.push(...data.users)
    if (data.users.length < 1000) return users
  }
}
