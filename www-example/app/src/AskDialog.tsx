import { type ReactNode, type SyntheticEvent, useLayoutEffect, useRef } from 'react'

interface Props {
  title: string
  children: ReactNode
  /** What the button that changes nothing says, and the other. */
  stay: string
  go: string
  onStay: () => void
  onGo: () => void
  testId: string
}

/** Asks before something is deleted for good. */
export function AskDialog({ title, children, stay, go, onStay, onGo, testId }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    const element = dialog.current
    element?.showModal()
    return () => element?.close()
  }, [])
  const stayOnEscape = (event: SyntheticEvent) => {
    event.preventDefault()
    onStay()
  }
  return (
    <dialog ref={dialog} className="ask" role="alertdialog" aria-labelledby="ask-title" aria-describedby="ask-text" onCancel={stayOnEscape} data-testid={testId}>
      <h2 id="ask-title">{title}</h2>
      <p id="ask-text">{children}</p>
      <div className="choices">
        {/* The first one has the focus: Enter deletes nothing. */}
        <button type="button" className="button" onClick={onStay}>
          {stay}
        </button>
        <button type="button" className="quiet" onClick={onGo} data-testid={`${testId}-go`}>
          {go}
        </button>
      </div>
    </dialog>
  )
}
