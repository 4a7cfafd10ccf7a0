import type { Chat } from 'chopped-chat/inbox/react'
import { useState } from 'react'

interface Props {
  chat: Pick<Chat, 'messages' | 'status'>
  otherName: string
}

/**
 * Tells a screen reader of what comes in, once: neither of the older pages that are put above, nor again of a message that is edited;
 * and of one that is edited or unsent the old text does not stay.
 */
export function Announcer({ chat, otherName }: Props) {
  const theirs = chat.messages.findLast(({ sender }) => sender === 'them')
  const seq = theirs?.seq ?? 0
  const body = theirs?.body ?? ''
  const [heard, setHeard] = useState<{ seq: number; body: string }>()
  if (heard === undefined ? chat.status === 'live' : seq > heard.seq) setHeard({ seq, body: heard === undefined ? '' : body })
  return (
    <p className="visually-hidden" aria-live="polite" data-testid="announcer">
      {heard !== undefined && heard.body !== '' && heard.body === body ? `${otherName}: ${body}` : ''}
    </p>
  )
}
