// The two parts of supabase-js that a chat needs, alone, and the socket opened while the token is on its way.
import { PostgrestClient } from '@supabase/postgrest-js'
import { RealtimeClient } from '@supabase/realtime-js'
import { openThread } from './thread.js'
import { freshToken } from './token.js'

let rest
let realtime

export async function prepare() {}

export function openChat(config, changed) {
  rest ??= new PostgrestClient(`${config.url}/rest/v1`, { fetch: authorized(config) })
  realtime ??= new RealtimeClient(`${config.url.replace(/^http/, 'ws')}/realtime/v1`, {
    params: { apikey: config.key },
    accessToken: () => freshToken(config),
  })
  realtime.connect()
  return openThread({ rest, realtime, channels: realtime }, config, changed)
}

const authorized = (config) => async (url, init) => {
  const headers = new Headers(init.headers)
  headers.set('apikey', config.key)
  headers.set('authorization', `Bearer ${await freshToken(config)}`)
  return fetch(url, { ...init, headers })
}
