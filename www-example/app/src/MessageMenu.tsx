import type { ChatMessage } from 'chopped-chat/inbox'
import { type KeyboardEvent, useLayoutEffect, useRef } from 'react'
import { useAnchored } from './use-anchored.ts'
import './styles/menu.css'

const QUICK = ['👍', '❤️', '😂', '😮', '😢', '🙏']

interface Props {
  message: ChatMessage
  onReact: (id: string, emoji: string | null) => void
  onReply: (message: ChatMessage) => void
  onCopy: (message: ChatMessage) => void
  onEdit: (message: ChatMessage) => void
  onUnsend: (message: ChatMessage) => void
  onClose: () => void
}

/** What can be done with a message. Closed, it gives the focus back to where it was. */
export function MessageMenu({ message, onReact, onReply, onCopy, onEdit, onUnsend, onClose }: Props) {
  const { id, seq, reactions, canEdit, canUnsend } = message
  const menu = useRef<HTMLDivElement>(null)
  const isSent = seq !== null
  // The own reaction can be taken back here, whichever it is.
  const emoji = reactions.me === null || QUICK.includes(reactions.me) ? QUICK : [...QUICK, reactions.me]

  useLayoutEffect(() => {
    const before = document.activeElement
    const element = menu.current
    element?.showPopover()
    element?.querySelector<HTMLElement>('[role^=menuitem]')?.focus({ preventScroll: true })
    return () => {
      element?.hidePopover()
      if (before instanceof HTMLElement) before.focus({ preventScroll: true })
    }
  }, [])
  useAnchored(menu, id, onClose)

  const act = (action: () => void) => () => {
    onClose()
    action()
  }
  const entries: [name: string, isThere: boolean, action: (message: ChatMessage) => void][] = [
    ['Reply', isSent, onReply],
    ['Copy text', true, onCopy],
    ['Edit', canEdit, onEdit],
    ['Unsend', canUnsend, onUnsend],
  ]
  return (
    <div ref={menu} className="menu" popover="manual" role="menu" aria-label="Message options" onKeyDown={(event) => steer(event, onClose)} data-testid="message-menu">
      {isSent && (
        <div className="quick" role="group" aria-label="React">
          {emoji.map((one) => {
            const isTaken = one === reactions.me
            return (
              <button key={one} type="button" role="menuitemcheckbox" aria-checked={isTaken} tabIndex={-1} onClick={act(() => onReact(id, isTaken ? null : one))}>
                {one}
              </button>
            )
          })}
        </div>
      )}
      {entries.map(
        ([name, isThere, action]) =>
          isThere && (
            <button key={name} type="button" role="menuitem" tabIndex={-1} onClick={act(() => action(message))}>
              {name}
            </button>
          ),
      )}
    </div>
  )
}

/** The keys of a menu: up and down through its rows, left and right through the reactions, which are one. */
function steer(event: KeyboardEvent<HTMLElement>, onClose: () => void): void {
  const { key, currentTarget, target } = event
  const all = (role: string) => [...currentTarget.querySelectorAll<HTMLElement>(`[role=${role}]`)]
  const reactions = all('menuitemcheckbox')
  const here = target as HTMLElement
  const inRow = reactions.includes(here) ? here : (reactions.find((one) => one.ariaChecked === 'true') ?? reactions[0])
  const rows = [...(inRow === undefined ? [] : [inRow]), ...all('menuitem')]
  const next = (of: HTMLElement[], by: number) => of.at((of.indexOf(here) + by) % of.length)
  const moves: Record<string, () => HTMLElement | undefined> = {
    ArrowDown: () => next(rows, 1),
    ArrowUp: () => next(rows, -1),
    ArrowRight: () => (here === inRow ? next(reactions, 1) : here),
    ArrowLeft: () => (here === inRow ? next(reactions, -1) : here),
    Home: () => rows[0],
    End: () => rows.at(-1),
  }
  if (key === 'Escape' || key === 'Tab') onClose()
  else if (Object.hasOwn(moves, key)) moves[key]?.()?.focus()
  else return
  // Neither the list is scrolled nor the chat closed.
  event.preventDefault()
  event.stopPropagation()
}
