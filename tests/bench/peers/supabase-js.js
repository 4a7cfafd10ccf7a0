// The baseline, written by hand: one client of supabase-js, a token from the backend.
import { createClient } from '@supabase/supabase-js'
import { openThread } from './thread.js'
import { freshToken } from './token.js'

let supabase

export async function prepare() {}

export function openChat(config, changed) {
  supabase ??= createClient(config.url, config.key, { accessToken: () => freshToken(config) })
  return openThread({ rest: supabase, realtime: supabase.realtime, channels: supabase }, config, changed)
}
