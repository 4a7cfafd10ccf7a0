import type { ChatMessage } from 'chopped-chat/inbox'
import { useEffect, useRef, useState } from 'react'

/** How long a message may be on its way before the person is told, in ms. */
const LATE_AFTER = 5_000
const NONE: ReadonlySet<string> = new Set()

/** The ids of the messages that have been on their way for too long, by this page's own clock. */
export function useLate(messages: readonly ChatMessage[]): ReadonlySet<string> {
  const since = useRef(new Map<string, number>())
  const [late, setLate] = useState(NONE)

  useEffect(() => {
    const now = performance.now()
    const sending = new Map<string, number>()
    // What is not sent yet comes last.
    for (let at = messages.length - 1; at >= 0 && messages[at]?.seq === null; at--) {
      const { id, status } = messages[at] as ChatMessage
      if (status === 'sending') sending.set(id, since.current.get(id) ?? now)
    }
    since.current = sending

    let timer: ReturnType<typeof setTimeout>
    const look = () => {
      const longAgo = performance.now() - LATE_AFTER
      const overdue = [...sending].flatMap(([id, began]) => (began <= longAgo ? id : []))
      setLate((known) => (known.size === overdue.length && overdue.every((id) => known.has(id)) ? known : new Set(overdue)))
      const waiting = [...sending.values()].filter((began) => began > longAgo)
      if (waiting.length > 0) timer = setTimeout(look, Math.min(...waiting) - longAgo)
    }
    look()
    return () => clearTimeout(timer)
  }, [messages])

  return late
}
