import { isAuthRetryableFetchError, type AuthError } from '@supabase/supabase-js'
import { mongoIdProblem } from '@/lib/mongo-id'
import { Refusal } from '@/lib/refusal'
import { serviceClient, sessionClient } from '@/lib/supabase'

export interface Caller {
  mongoId: string
  accessToken: string
  /** When the access token ends, in seconds since 1970. */
  expiresAt: number
}

/**
 * Who is calling: the cookie's session, renewed when fewer than 90 seconds of it are left (by auth-js, in
 * `getSession`), its token verified, and its Mongo id linked in `chat_identities`.
 *
 * @throws Refusal signed-out, identity-unlinked, supabase-unreachable or setup-missing
 */
export async function caller(): Promise<Caller> {
  const { auth } = await sessionClient()

  const { data: { session }, error: sessionError } = await auth.getSession()
  if (sessionError !== null) throw refusalOf(sessionError)
  // The type is a promise of the library; the value is whatever the cookie says.
  if (typeof session?.access_token !== 'string') throw signedOut()

  // getSession only reads a cookie, which anyone can write. The very token that is handed out must be genuine.
  const { data: verified, error: claimsError } = await auth.getClaims(session.access_token)
  if (claimsError !== null) throw refusalOf(claimsError)
  if (verified === null) throw signedOut()
  const { claims } = verified

  // Never user_metadata: every user can write their own. A token from before the link was made, or one that a hook
  // has stripped, has no app_metadata: then Auth itself is asked.
  let mongoId: unknown = claims.app_metadata?.['mongoUserId']
  if (mongoId === undefined) {
    const { data, error } = await auth.getUser(session.access_token)
    if (error !== null) throw refusalOf(error)
    mongoId = data.user.app_metadata['mongoUserId']
  }
  const problem = mongoIdProblem(mongoId)
  if (typeof mongoId !== 'string' || problem !== null) {
    throw new Refusal('identity-unlinked', `app_metadata.mongoUserId of this account is not usable: ${problem}. An administrator must set it.`)
  }

  await link(mongoId, claims.sub)
  return { mongoId, accessToken: session.access_token, expiresAt: claims.exp }
}

const linked = new Map<string, string>()

/** Writes the trusted link that the chat's policies go by. Once per person and process is enough: it doesn't change. */
async function link(mongoId: string, supabaseId: string): Promise<void> {
  if (linked.get(supabaseId) === mongoId) return
  const { error } = await serviceClient().rpc('link_chat_identity', { _mongo_id: mongoId, _supabase_id: supabaseId })
  if (error?.code === '23505') {
    throw new Refusal('identity-unlinked', 'This mongoUserId is linked to another account. An administrator must decide whose it is.')
  }
  // The token outlives its account by up to an hour.
  if (error?.code === '23503') throw signedOut()
  if (error !== null) throw databaseRefusal(error, 'link_chat_identity')
  if (linked.size >= 10_000) linked.clear()
  linked.set(supabaseId, mongoId)
}

/** The refusal for a failed call of one of the chat's SQL functions. */
export function databaseRefusal(error: { code: string; message: string }, name: string): Refusal {
  // PGRST202 and 42883: no such function. 42501: the key is not the service role's.
  if (['PGRST202', '42883', '42501', 'PGRST301'].includes(error.code)) {
    return new Refusal('setup-missing', `${name} cannot be called: apply the files of sql/ and check SUPABASE_SERVICE_ROLE_KEY.`, { cause: error })
  }
  if (error.code === '22023' || error.code === '23514') return new Refusal('invalid-input', error.message)
  return new Refusal('supabase-unreachable', 'Supabase did not answer as it should. Try again.', { cause: error })
}

function signedOut(): Refusal {
  return new Refusal('signed-out', 'Nobody is signed in here. Sign in and try again.')
}

function refusalOf(error: AuthError): Refusal {
  const { status = 0 } = error
  const unreachable = status === 429 || status >= 500 || isAuthRetryableFetchError(error)
  return unreachable ? new Refusal('supabase-unreachable', 'Supabase Auth cannot be reached. Try again.', { cause: error }) : signedOut()
}
