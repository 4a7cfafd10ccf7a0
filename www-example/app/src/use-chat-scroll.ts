import type { ChatMessage } from 'chopped-chat/inbox'
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react'

/** How far from the end, in pixels, still counts as reading the newest. */
const NEAR = 48

/**
 * Keeps a list of messages where its reader wants it: at the end while they read the end or have just sent something,
 * else on the message they look at, whatever is added above or below. It begins at the first unread message, once that is known.
 * `unseen` counts what came in below their view.
 */
export function useChatScroll(messages: readonly ChatMessage[], firstUnread: number | null | undefined) {
  const list = useRef<HTMLDivElement>(null)
  const following = useRef(true)
  const begun = useRef(false)
  const lastTop = useRef(0)
  const lastHeight = useRef(0)
  const anchor = useRef<{ id: string; top: number }>(undefined)
  const newestId = useRef<string>(undefined)
  const newestSeq = messages.reduce((newest, { seq }) => Math.max(newest, seq ?? 0), 0)
  const newestSeqNow = useRef(newestSeq)
  const [seenSeq, setSeenSeq] = useState(0)

  const toEnd = useCallback((behavior: ScrollBehavior = 'instant') => {
    const element = list.current
    if (element === null) return
    following.current = true
    element.scrollTo({ top: element.scrollHeight, behavior })
    lastTop.current = element.scrollTop
  }, [])

  // After every commit, before the browser paints it.
  useLayoutEffect(() => {
    const element = list.current
    const newest = messages.at(-1)
    if (element === null) return
    newestSeqNow.current = newestSeq
    // A scroll is told of with the next frame. What comes in before must not undo it.
    if (lastTop.current - element.scrollTop >= NEAR && !isNearEnd(element)) following.current = false

    const hasJustSent = newest?.sender === 'me' && newest.status === 'sending' && newest.id !== newestId.current
    newestId.current = newest?.id
    const held = anchor.current && messageElement(element, anchor.current.id)
    const unread = messages.find(({ seq }) => seq !== null && seq === firstUnread)
    const begins = !begun.current && following.current && unread && messageElement(element, unread.id)
    if (firstUnread !== undefined) begun.current = true
    if (begins) {
      // With the divider above it, and something of what was said before.
      element.scrollTop = begins.offsetTop - element.clientHeight / 4
      following.current = isNearEnd(element)
      setSeenSeq(following.current ? newestSeq : (firstUnread ?? 1) - 1)
    } else if (following.current || hasJustSent || held === undefined) {
      // Who reads a little above the end, and presses something there, must not have it moved away by that.
      if (hasJustSent || element.scrollHeight !== lastHeight.current) toEnd()
      setSeenSeq(newestSeq)
    } else if (anchor.current !== undefined) {
      const pushed = held.offsetTop - anchor.current.top
      // Setting scrollTop, to whatever value, would stop a smooth scroll that is under way.
      if (pushed !== 0) element.scrollTop += pushed
    }

    lastTop.current = element.scrollTop
    lastHeight.current = element.scrollHeight
    anchor.current = firstInView(element)
  })

  useEffect(() => {
    const element = list.current
    if (element === null) return
    const look = () => {
      following.current = isNearEnd(element)
      lastTop.current = element.scrollTop
      anchor.current = firstInView(element)
      if (following.current) setSeenSeq(newestSeqNow.current)
    }
    // The list shrinks when the composer grows or a keyboard opens.
    const resizes = new ResizeObserver(() => {
      if (following.current) toEnd()
    })
    element.addEventListener('scroll', look, { passive: true })
    resizes.observe(element)
    return () => {
      element.removeEventListener('scroll', look)
      resizes.disconnect()
    }
  }, [toEnd])

  const follow = useCallback(() => {
    toEnd(matchMedia('(prefers-reduced-motion: reduce)').matches ? 'instant' : 'smooth')
  }, [toEnd])

  /** Brings the message with this number into the middle of the view, with the focus. At once: what comes in would stop a smooth scroll. */
  const show = useCallback((seq: number) => {
    const element = list.current
    const message = element?.querySelector<HTMLElement>(`[data-seq="${seq}"]`)
    if (!element || !message) return
    element.scrollTop = message.offsetTop - Math.max(0, element.clientHeight - message.offsetHeight) / 2
    following.current = isNearEnd(element)
    lastTop.current = element.scrollTop
    anchor.current = firstInView(element)
    message.focus({ preventScroll: true })
  }, [])

  const unseen = messages.reduce((count, { sender, seq, deleted }) => (sender === 'them' && !deleted && (seq ?? 0) > seenSeq ? count + 1 : count), 0)
  return { list, unseen, follow, show }
}

function isNearEnd({ scrollHeight, scrollTop, clientHeight }: HTMLElement): boolean {
  return scrollHeight - scrollTop - clientHeight < NEAR
}

/** The first message of which something is in view, and where it lies: what changes above it must not move it. */
function firstInView(list: HTMLElement): { id: string; top: number } | undefined {
  const all = list.querySelectorAll<HTMLElement>('[data-id]')
  let [low, high] = [0, all.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    const { offsetTop, offsetHeight } = all[middle] as HTMLElement
    if (offsetTop + offsetHeight > list.scrollTop) high = middle
    else low = middle + 1
  }
  const found = all[low]
  return found && { id: found.dataset['id'] ?? '', top: found.offsetTop }
}

function messageElement(list: HTMLElement, id: string): HTMLElement | undefined {
  return list.querySelector<HTMLElement>(`[data-id="${CSS.escape(id)}"]`) ?? undefined
}
