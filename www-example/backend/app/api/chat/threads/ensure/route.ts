import { caller, databaseRefusal } from '@/lib/caller'
import { mongoIdProblem } from '@/lib/mongo-id'
import { isKnownPerson } from '@/lib/people'
import { Refusal } from '@/lib/refusal'
import { endpoint, jsonBody } from '@/lib/route'
import { serviceClient } from '@/lib/supabase'

/**
 * POST /api/chat/threads/ensure `{ other_mongo_id, my_mongo_id? }`, with the backend's cookies -> `{ thread_id }`: makes the
 * thread of the caller and that person, or finds it. Who calls is what the session says: `my_mongo_id` is whom the page
 * takes them for, and where somebody else has signed in since, in another tab, no thread of theirs is made by mistake.
 */
const { handler, OPTIONS } = endpoint('POST', async (request) => {
  const { mongoId } = await caller()
  const { other_mongo_id: other, my_mongo_id: expected = mongoId } = await jsonBody(request)
  if (expected !== mongoId) throw new Refusal('another-account', 'Somebody else is signed in now. Sign in again and try again.')

  const problem = other === mongoId ? 'it is your own' : mongoIdProblem(other)
  if (typeof other !== 'string' || problem !== null) {
    throw new Refusal('invalid-input', `other_mongo_id is not usable: ${problem}.`)
  }
  if (!(await isKnownPerson(other))) throw new Refusal('unknown-person', 'There is nobody with this id.')

  const { data, error } = await serviceClient()
    .rpc('ensure_chat_thread', { _mongo_id_1: mongoId, _mongo_id_2: other })
    .single<{ thread_id: string }>()
  if (error !== null) throw databaseRefusal(error, 'ensure_chat_thread')
  return { thread_id: data.thread_id }
})

export { handler as POST, OPTIONS }
