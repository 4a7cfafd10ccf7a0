import { type SyntheticEvent, useLayoutEffect, useRef } from 'react'
import type { Unsent } from './sign-out.ts'

interface Props {
  unsent: Unsent
  onStay: () => void
  onSignOut: () => void
}

/** Asks before signing out deletes what was written. */
export function SignOutDialog({ unsent, onStay, onSignOut }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    const element = dialog.current
    element?.showModal()
    return () => element?.close()
  }, [])
  const stay = (event: SyntheticEvent) => {
    event.preventDefault()
    onStay()
  }
  return (
    <dialog ref={dialog} className="ask" role="alertdialog" aria-labelledby="ask-title" aria-describedby="ask-text" onCancel={stay} data-testid="sign-out-dialog">
      <h2 id="ask-title">Sign out now?</h2>
      <p id="ask-text">{sentence(unsent)}</p>
      <div className="choices">
        {/* The first one has the focus: Enter deletes nothing. */}
        <button type="button" className="button" onClick={onStay}>
          Stay signed in
        </button>
        <button type="button" className="quiet" onClick={onSignOut} data-testid="sign-out-anyway">
          Sign out and delete
        </button>
      </div>
    </dialog>
  )
}

function sentence({ messages, drafts }: Unsent): string {
  const parts = [
    messages > 0 && (messages === 1 ? '1 message is not sent yet' : `${messages} messages are not sent yet`),
    drafts > 0 && (drafts === 1 ? '1 is only typed' : `${drafts} are only typed`),
  ].filter((part) => part !== false)
  return `${parts.join(' and ')}. Signing out deletes ${messages + drafts === 1 ? 'it' : 'them'} in this browser.`
}
