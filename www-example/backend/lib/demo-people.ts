import { Refusal } from '@/lib/refusal'
import { serviceClient } from '@/lib/supabase'

export interface Person {
  mongo_user_id: string
  name: string
}

/** The mark that scripts/demo-accounts.mjs gives its accounts. */
const MARK = 'chopped_chat_demo'

/**
 * Everybody that a person of the demo may write to: for the demo's own accounts each other, and nobody else of the project.
 * A real app lists people from its own database.
 */
export async function demoPeople(myMongoId: string): Promise<Person[]> {
  const { data, error } = await serviceClient().auth.admin.listUsers({ page: 1, perPage: 1000 })
  if (error !== null) throw new Refusal('supabase-unreachable', 'The list of people cannot be read from Supabase Auth.', { cause: error })
  const isMarked = (metadata: Record<string, unknown>) => metadata[MARK] === true
  const amMarked = data.users.some(({ app_metadata: mine }) => mine['mongoUserId'] === myMongoId && isMarked(mine))
  const users = amMarked ? data.users.filter((user) => isMarked(user.app_metadata)) : data.users
  // Newest first. Where two accounts claim one id, the older one stands for it.
  const people = new Map(users.flatMap((user) => personOf(user.app_metadata) ?? []).map((person) => [person.mongo_user_id, person]))
  return [...people.values()].sort((a, b) => a.name.localeCompare(b.name))
}

/** The person that an account's app_metadata tells of, if it tells of one. */
export function personOf(metadata: Record<string, unknown>): Person | undefined {
  const { mongoUserId, name } = metadata
  if (typeof mongoUserId !== 'string') return undefined
  return { mongo_user_id: mongoUserId, name: typeof name === 'string' ? name : mongoUserId }
}
