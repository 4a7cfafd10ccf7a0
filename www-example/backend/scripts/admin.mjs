import { createClient, isAuthError } from '@supabase/supabase-js'
import { WebSocket } from 'ws'

/** Why a script ends, in one sentence for the person who started it. */
export class Stop extends Error {}

/**
 * Runs `work` with Supabase Auth's admin API, by NEXT_PUBLIC_SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY. A refusal is told in
 * one sentence, and the process ends with 1.
 *
 * @param {(admin: import('@supabase/supabase-js').SupabaseClient['auth']['admin']) => Promise<void>} work
 */
export async function withAuthAdmin(work) {
  try {
    const options = { auth: { persistSession: false, autoRefreshToken: false }, realtime: { transport: WebSocket } }
    await work(createClient(projectUrl(), setting('SUPABASE_SERVICE_ROLE_KEY'), options).auth.admin)
  } catch (error) {
    if (error instanceof Stop) console.error(error.message)
    else if (isAuthError(error)) console.error(refusal(error))
    else throw error
    process.exitCode = 1
  }
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

/** That the other key is good, too, and that the chat's tables are there: else the page would fail, minutes later. */
export async function checkProject() {
  const anonKey = setting('NEXT_PUBLIC_SUPABASE_ANON_KEY')
  if ((await get('/auth/v1/settings', anonKey)).status === 401) {
    throw new Stop(`${projectUrl()} refuses NEXT_PUBLIC_SUPABASE_ANON_KEY: copy the anon or publishable key from the dashboard (Settings, API keys).`)
  }
  const tables = await get('/rest/v1/chat_threads?select=thread_id&limit=1', setting('SUPABASE_SERVICE_ROLE_KEY'))
  if (tables.status === 404) throw new Stop(`${projectUrl()} has no table chat_threads: apply the files of sql/ first (sql/README.md tells how).`)
}

/** @param {string} path @param {string} apikey */
async function get(path, apikey) {
  return fetch(projectUrl() + path, { headers: { apikey, authorization: `Bearer ${apikey}` } }).catch(() => {
    throw new Stop(unreachable())
  })
}

function refusal(error) {
  if (error.name === 'AuthRetryableFetchError') return unreachable()
  if (error.status === 401 || error.status === 403) {
    return `${projectUrl()} refuses SUPABASE_SERVICE_ROLE_KEY: copy the service_role or secret key from the dashboard (Settings, API keys).`
  }
  return `Supabase Auth at ${projectUrl()} answered ${error.status ?? 'what is not understood'}: ${error.message}`
}

const unreachable = () => `${projectUrl()} does not answer as a Supabase project does: check NEXT_PUBLIC_SUPABASE_URL and the network.`

function projectUrl() {
  const url = setting('NEXT_PUBLIC_SUPABASE_URL').replace(/\/+$/, '')
  if (!/^https?:/.test(url) || !URL.canParse(url)) throw new Stop(`NEXT_PUBLIC_SUPABASE_URL is no address: ${url}`)
  return url
}

function setting(name) {
  const value = process.env[name]
  if (!value) throw new Stop(`Set ${name} (dashboard: Settings, API keys).`)
  return value
}
