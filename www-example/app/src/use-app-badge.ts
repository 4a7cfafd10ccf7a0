import { useEffect } from 'react'

const TITLE = 'Chopped'

export const countText = (count: number): string => (count > 99 ? '99+' : String(count))

/** Shows how many messages are unread where the page itself may not be seen: in its title, and on the icon of an installed app. */
export function useAppBadge(unread: number): void {
  useEffect(() => {
    show(unread)
    return () => show(0)
  }, [unread])
}

function show(unread: number): void {
  document.title = unread > 0 ? `(${countText(unread)}) ${TITLE}` : TITLE
  // Not every browser has it, and those that do may refuse.
  const shown = unread > 0 ? navigator.setAppBadge?.(unread) : navigator.clearAppBadge?.()
  shown?.catch(() => {})
}
