/**
 * What is wrong with a Mongo id, in words, or null. The rules are those of the SQL: a thread id is two of these joined
 * by "__", must split in one way only, and "chat:<thread_id>" must fit the 246 bytes of a Realtime topic.
 */
export function mongoIdProblem(id: unknown): string | null {
  if (typeof id !== 'string' || id === '') return 'it must be a non-empty string'
  if (!id.isWellFormed()) return 'it must be valid Unicode'
  if (new TextEncoder().encode(id).length > 119) return 'it must be at most 119 bytes long'
  if (id.includes('__') || id.startsWith('_') || id.endsWith('_')) return 'it must not hold "__", nor begin or end with "_"'
  if (/\p{Cc}/u.test(id)) return 'it must not hold control characters'
  return null
}
