import { endpoint } from '@/lib/route'
import { sessionClient } from '@/lib/supabase'

/** POST /api/auth/sign-out -> 204. Ends this session only, and its cookies even where Supabase can't be reached. */
const { handler, OPTIONS } = endpoint('POST', async () => {
  const { auth } = await sessionClient()
  const { error } = await auth.signOut({ scope: 'local' })
  if (error !== null) console.warn('sign-out: the session could not be ended at Supabase', error)
})

export { handler as POST, OPTIONS }
