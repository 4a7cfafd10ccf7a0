import { type RefObject, useEffect, useLayoutEffect } from 'react'

/** Between what belongs together, and to the edges of the window, in pixels. */
const GAP = 6

/** Keeps a popover at the bubble of a message while that is in view, and closes it with a press anywhere else. */
export function useAnchored(popover: RefObject<HTMLElement | null>, messageId: string, onClose: () => void): void {
  // After every commit: its own content decides how large it is.
  useLayoutEffect(() => {
    const element = popover.current
    const bubble = bubbleOf(messageId)
    if (element && bubble) place(element, bubble)
  })

  useEffect(() => {
    const follow = () => {
      const bubble = bubbleOf(messageId)
      if (popover.current && bubble && isInView(bubble)) place(popover.current, bubble)
      else onClose()
    }
    const closeOutside = ({ target }: Event) => {
      // The button that opened it closes it by itself.
      const isIts = target instanceof Element && (popover.current?.contains(target) || target.closest('[aria-expanded=true]'))
      if (!isIts) onClose()
    }
    const end = new AbortController()
    const { signal } = end
    document.addEventListener('pointerdown', closeOutside, { capture: true, signal })
    document.addEventListener('scroll', follow, { capture: true, passive: true, signal })
    window.addEventListener('resize', follow, { signal })
    return () => end.abort()
  }, [popover, messageId, onClose])
}

const bubbleOf = (id: string) => document.querySelector(`[data-id="${CSS.escape(id)}"] .bubble`)

function isInView(bubble: Element): boolean {
  const { top, bottom } = bubble.getBoundingClientRect()
  const list = bubble.closest('.list')?.getBoundingClientRect()
  return list !== undefined && bottom > list.top && top < list.bottom
}

/** Below the bubble where there is room, else above it, on its author's side. */
function place(popover: HTMLElement, bubble: Element): void {
  const { top, bottom, left, right } = bubble.getBoundingClientRect()
  const { offsetWidth: width, offsetHeight: height } = popover
  const isMine = bubble.closest('[data-sender=me]') !== null
  const within = (wanted: number, size: number, all: number) => Math.max(GAP, Math.min(wanted, all - size - GAP))
  const below = bottom + GAP
  popover.style.left = `${within(isMine ? right - width : left, width, innerWidth)}px`
  popover.style.top = `${within(below + height + GAP <= innerHeight ? below : top - GAP - height, height, innerHeight)}px`
}
