import { isAuthRetryableFetchError } from '@supabase/supabase-js'
import { personOf } from '@/lib/demo-people'
import { Refusal } from '@/lib/refusal'
import { endpoint, jsonBody } from '@/lib/route'
import { sessionClient } from '@/lib/supabase'

/** POST /api/auth/sign-in `{ email, password }` -> `{ mongo_user_id, name }` and the session's cookies. */
const { handler, OPTIONS } = endpoint('POST', async (request) => {
  const { email, password } = await jsonBody(request)
  if (typeof email !== 'string' || typeof password !== 'string') {
    throw new Refusal('invalid-input', 'email and password must be strings.')
  }
  const { auth } = await sessionClient()
  const { data, error } = await auth.signInWithPassword({ email, password })
  if (error !== null) {
    const unreachable = isAuthRetryableFetchError(error) || (error.status ?? 0) >= 500
    throw unreachable
      ? new Refusal('supabase-unreachable', 'Supabase Auth cannot be reached. Try again.', { cause: error })
      : new Refusal('invalid-credentials', error.message)
  }
  const person = personOf(data.user.app_metadata)
  if (person === undefined) throw new Refusal('identity-unlinked', 'This account has no app_metadata.mongoUserId.')
  return person
})

export { handler as POST, OPTIONS }
