import type { ChatMessage } from 'chopped-chat/inbox'
import type { Chat } from 'chopped-chat/inbox/react'
import { useState } from 'react'

/**
 * Where to begin to read: the number of the first unread message, null where there is none, undefined while that is not known.
 * Once known it stays. `isFurtherUp`: it lies before the messages that are loaded.
 *
 * @param unread how many the inbox counts, 100 for 100 or more; undefined while it has not said
 */
export function useFirstUnread({ firstUnread, messages, status, hasOlder }: Chat, unread: number | undefined) {
  const [first, setFirst] = useState(firstUnread)
  // From the messages alone the package can't tell while there are older ones; counted from the end it can be told.
  const canCount = firstUnread === undefined && hasOlder && status === 'live' && unread !== undefined
  const found = canCount ? fromTheEnd(messages, unread) : firstUnread
  if (first === undefined && found !== undefined) setFirst(found)
  return { firstUnread: first, isFurtherUp: first === undefined && canCount && found === undefined }
}

function fromTheEnd(messages: readonly ChatMessage[], unread: number): number | null | undefined {
  if (unread === 0) return null
  // What was erased is nothing to read.
  const theirs = messages.filter(({ sender, body }) => sender === 'them' && body !== '')
  return theirs.at(-unread)?.seq
}
