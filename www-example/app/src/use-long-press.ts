import { type MouseEvent, type PointerEvent, type TouchEvent, useEffect, useRef } from 'react'

const LONG_MS = 450
/** How far a finger may move, in pixels, and still press. */
const STEADY = 10

/** The handlers of an element that hears of a finger that stays on it. A mouse has its buttons, and a menu of the browser's. */
export function useLongPress(onLongPress: () => void) {
  const pressed = useRef<{ x: number; y: number; timer: ReturnType<typeof setTimeout> }>(undefined)
  const isTouch = useRef(false)
  const wasLong = useRef(false)

  const end = () => {
    clearTimeout(pressed.current?.timer)
    pressed.current = undefined
  }
  useEffect(() => end, [])

  return {
    onPointerDown: ({ pointerType, isPrimary, clientX, clientY }: PointerEvent) => {
      end()
      isTouch.current = pointerType === 'touch'
      wasLong.current = false
      if (!isTouch.current || !isPrimary) return
      const act = () => {
        wasLong.current = true
        onLongPress()
      }
      pressed.current = { x: clientX, y: clientY, timer: setTimeout(act, LONG_MS) }
    },
    onPointerMove: ({ clientX, clientY }: PointerEvent) => {
      if (pressed.current && Math.hypot(clientX - pressed.current.x, clientY - pressed.current.y) > STEADY) end()
    },
    onPointerUp: end,
    // The list is scrolled.
    onPointerCancel: end,
    onContextMenu: (event: MouseEvent) => {
      if (isTouch.current) event.preventDefault()
    },
    // No click follows: what is under the finger, such as a quote, is not meant, and does not get the focus.
    onTouchEnd: (event: TouchEvent) => {
      if (wasLong.current && event.cancelable) event.preventDefault()
    },
  }
}
