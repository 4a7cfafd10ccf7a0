// The baseline, written by hand: one client of supabase-js, a token from the backend.
import { createClient } from '@supabase/supabase-js'
import { openThread } from './thread.js'
import { freshToken, takeToken } from './token.js'

let supabase

let ensured

/** @param {object} [_config] @param {{ token: Promise<Response>, ensured: Promise<Response> }} [begun] what the page asked already */
export async function prepare(_config, begun) {
  if (begun) takeToken(begun.token)
  ensured = begun?.ensured
}

export function openChat(config, changed) {
  supabase ??= createClient(config.url, config.key, { accessToken: () => freshToken(config) })
  return openThread({ rest: supabase, realtime: supabase.realtime, channels: supabase }, config, changed, ensured)
}
