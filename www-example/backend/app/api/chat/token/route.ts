import { caller } from '@/lib/caller'
import { endpoint } from '@/lib/route'

/**
 * GET /api/chat/token, with the backend's cookies -> `{ access_token, expires_in }`: the signed-in person's own
 * Supabase token and the whole seconds it has left by this server's clock, so that a page with a wrong clock renews
 * in time all the same.
 */
const { handler, OPTIONS } = endpoint('GET', async () => {
  const { accessToken, expiresAt } = await caller()
  return { access_token: accessToken, expires_in: Math.max(0, Math.floor(expiresAt - Date.now() / 1000)) }
})

export { handler as GET, OPTIONS }
