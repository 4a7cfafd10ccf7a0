// Which messages a person has really seen.
import { useEffect, useRef, useState } from 'react'

/** The end of a message must be in view for so long, in ms. */
const LOOK_MS = 300
/** What changes is looked at after so long, in ms. */
const SOON_MS = 50

/** Such as of the page, of which nobody hears that it is looked at again before it gets an event. */
const isLookedAt = () => document.visibilityState === 'visible' && document.hasFocus()

/**
 * Calls `seen` with the number of the newest message of `list`, by its `data-seq`, that was seen: its bottom edge has been in view
 * for a while, in a page that is visible and has the focus. Gives the function that stops it.
 *
 * @param {Element} list
 * @param {(seq: number) => boolean} counts whether it is one of the other person's
 * @param {(seq: number) => void} seen
 */
function watch(list, counts, seen) {
  /** Since when the end of each message is in view. @type {Map<number, number>} */
  const since = new Map()
  let newest = 0
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let soon

  const number = (/** @type {Element} */ element) => Number(element.getAttribute('data-seq'))

  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting, intersectionRect, boundingClientRect } of entries) {
        // Of one that is taller than the window as well; and edges lie between pixels.
        const endIsInView = isIntersecting && intersectionRect.bottom > boundingClientRect.bottom - 1
        if (!endIsInView) since.delete(number(target))
        else if (!since.has(number(target))) since.set(number(target), performance.now())
      }
      judge()
    },
    { threshold: [0, 1] },
  )

  function judge() {
    clearTimeout(waiting)
    if (!isLookedAt()) return since.clear()
    const now = performance.now()
    const [...all] = since
    const seenNow = Math.max(...all.filter(([, from]) => now - from >= LOOK_MS).map(([seq]) => seq), 0)
    if (seenNow > newest) {
      newest = seenNow
      seen(newest)
    }
    const next = Math.min(...all.filter(([seq]) => seq > newest).map(([, from]) => from + LOOK_MS - now))
    if (next < Infinity) waiting = setTimeout(judge, next)
  }

  /** Observing anew tells of each message how it stands; the observer by itself does not tell when the end of a tall one comes. */
  function look() {
    soon = undefined
    observer.disconnect()
    if (!isLookedAt()) return judge()
    const elements = [...list.querySelectorAll('[data-seq]')].filter((element) => number(element) > newest && counts(number(element)))
    const shown = new Set(elements.map(number))
    for (const seq of since.keys()) if (!shown.has(seq)) since.delete(seq)
    for (const element of elements) observer.observe(element)
  }

  const change = () => {
    soon ??= setTimeout(look, SOON_MS)
  }
  const mutations = new MutationObserver(change)
  mutations.observe(list, { childList: true, subtree: true, attributeFilter: ['data-seq'] })
  const end = new AbortController()
  const { signal } = end
  for (const name of ['focus', 'blur', 'resize']) addEventListener(name, change, { signal })
  // Whichever element it is that scrolls.
  for (const name of ['scroll', 'visibilitychange']) document.addEventListener(name, change, { signal, capture: true, passive: true })
  look()
  return () => {
    end.abort()
    mutations.disconnect()
    observer.disconnect()
    clearTimeout(waiting)
    clearTimeout(soon)
  }
}

/** @param {Pick<import('./inbox-react.js').Chat, 'messages' | 'markRead'>} chat */
export function useSeen({ messages, markRead }) {
  const latest = useRef(messages)
  useEffect(() => {
    latest.current = messages
  })
  const [list, ref] = useState(/** @type {Element | null} */ (null))
  useEffect(() => {
    if (!list) return undefined
    const isTheirs = (/** @type {number} */ seq) => {
      const all = latest.current
      // Numbers have no holes.
      const message = all[seq - (all[0]?.seq ?? seq)]
      return message?.seq === seq && message.sender === 'them'
    }
    return watch(list, isTheirs, markRead)
    // Another thread has other functions.
  }, [list, markRead])
  return ref
}
