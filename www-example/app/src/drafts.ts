/**
 * What a person has typed and not sent, for each of the people they write to and each message they edit: it outlives the chat's
 * window, a reload and being signed out by the server. Signing out deletes it, see sign-out.ts. Where the browser stores nothing, the page alone
 * remembers it.
 */
import { SUPABASE_URL } from './config.ts'

const PREFIX = `chopped.draft ${SUPABASE_URL} `
/** What could not be stored. */
const remembered = new Map<string, string>()

export interface DraftOf {
  myMongoId: string
  /** The other person's Mongo id, or the id of the message that is edited. */
  for: string
}

export const readDraft = (draft: DraftOf): string => read(keyOf(draft))

/** An empty `text` removes the draft. */
export function keepDraft(draft: DraftOf, text: string): void {
  const key = keyOf(draft)
  remembered.delete(key)
  try {
    if (text === '') localStorage.removeItem(key)
    else localStorage.setItem(key, text)
  } catch {
    if (text !== '') remembered.set(key, text)
  }
}

/** How many people and messages something is typed for, by whoever signed in in this browser. White space is nothing. */
export const countDrafts = (): number => keys().filter((key) => read(key).trim() !== '').length

export function forgetDrafts(): void {
  for (const key of keys()) attempt(() => localStorage.removeItem(key))
  remembered.clear()
}

const keyOf = (draft: DraftOf): string => `${PREFIX}${draft.myMongoId} ${draft.for}`

const read = (key: string): string => remembered.get(key) ?? attempt(() => localStorage.getItem(key)) ?? ''

function keys(): string[] {
  const stored = attempt(() => Object.keys(localStorage)) ?? []
  return [...new Set([...remembered.keys(), ...stored.filter((key) => key.startsWith(PREFIX))])]
}

/** Undefined where the browser's settings block storage. */
function attempt<T>(use: () => T): T | undefined {
  try {
    return use()
  } catch {
    return undefined
  }
}
