import { countUnsent, signOut as forgetChats } from 'chopped-chat/inbox'
import { signOut as endSession } from './backend.ts'
import { countDrafts, forgetDrafts } from './drafts.ts'

/** What signing out would delete in this browser. */
export interface Unsent {
  messages: number
  drafts: number
}

/** Undefined if it would delete nothing. */
export async function whatWouldBeLost(): Promise<Unsent | undefined> {
  // A package that can't be loaded has sent, and kept, nothing here.
  const messages = await countUnsent().catch(() => 0)
  const drafts = countDrafts()
  return messages + drafts > 0 ? { messages, drafts } : undefined
}

/** Ends the session at the backend and deletes what the browser kept of it. */
export async function signOut(): Promise<void> {
  forgetDrafts()
  await Promise.all([forgetChats(), endSession()])
}
